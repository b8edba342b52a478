//! `GET /v1/models` and `GET /v1/models/{model}`: the models of the routes that the caller may use.

use std::collections::BTreeMap;

use mantlet_gate::{
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    policy,
};
use mantlet_types::{Code, Rejection, entry::Event};
use serde::Serialize;

use crate::server::call::{Call, Replying};

/// Lists them.
struct ListModels;

/// Shows one.
struct ShowModel(String);

#[derive(Serialize)]
struct Listed {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Serialize)]
struct Model {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: String,
}

/// `GET /v1/models`
pub(in crate::server) fn list(call: Call) -> Replying {
    call.deed(Event::RouteRead, &[], |_, _| Ok(ListModels))
}

/// `GET /v1/models/{model}`
pub(in crate::server) fn show(call: Call) -> Replying {
    call.deed(Event::RouteRead, &[], |params, _| params.require("model").map(ShowModel))
}

/// Each model once, by the first route that leads to it, as a prompt for it would take.
fn models(office: &Office<'_>) -> BTreeMap<String, Model> {
    let mut models = BTreeMap::new();
    for route in policy::permitted(office.caller, office.gate.now()) {
        for model in &route.models {
            let id = model.as_str().to_owned();
            models.entry(id.clone()).or_insert_with(|| Model {
                id,
                object: "model",
                created: 0,
                owned_by: route.name.to_string(),
            });
        }
    }
    models
}

impl Deed for ListModels {
    type Reply = Listed;

    fn event(&self) -> Event {
        Event::RouteRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Listed>, Rejection> {
        Ok(Done::read(Listed { object: "list", data: models(office).into_values().collect() }))
    }
}

impl Deed for ShowModel {
    type Reply = Model;

    fn event(&self) -> Event {
        Event::RouteRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Model>, Rejection> {
        models(office).remove(&self.0).map(Done::read).ok_or_else(|| Code::NotFound.into())
    }
}
