//! Routes about a version that is to take the live one's place.

use std::sync::Arc;

use mantlet_gate::deployments::update::{RequestCompared, UpdateModel};
use mantlet_types::{Rejection, VersionRef, entry::Event};
use serde::Deserialize;

use super::{
    Facilities,
    admin::{named, way},
    call::{Call, Replying},
};
use crate::deeds::{
    models::ShowVersion,
    update::{Brought, Evidence},
};

/// What makes evidence of what a request brings along.
fn evidence(facilities: &Facilities) -> impl Fn(Brought) -> Evidence + Send + 'static {
    let (log, dir) = (Arc::clone(&facilities.log), facilities.audit_dir.clone());
    move |brought| Evidence { brought, log: Arc::clone(&log), dir: dir.clone() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    version: VersionRef,
    comparison: String,
    receipt: String,
    #[serde(default)]
    max_changed: Option<f64>,
}

/// `PUT /v2/models/{model}`.
pub(super) fn update_model(call: Call) -> Replying {
    let (evidence, gate) = (evidence(&call.server.facilities), Arc::clone(&call.server.gate));
    call.deed_of(Event::ModelActivate, move |params, update: Update| {
        let Update { version, comparison, receipt, max_changed } = update;
        let way = named(&gate, params.require("model")?, &version);
        let exhibit = evidence(Brought { comparison, receipt, max_changed });
        Ok(UpdateModel { way, exhibit, began: gate.now() })
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    #[serde(default)]
    comparison: Option<String>,
    #[serde(default)]
    receipt: Option<String>,
}

/// `POST /admin/v1/models/{model}/versions/{version}/request`.
pub(super) fn request_deployment(call: Call) -> Replying {
    let (evidence, gate) = (evidence(&call.server.facilities), Arc::clone(&call.server.gate));
    call.deed_of_optional(Event::ModelRequest, move |params, asking: Asking| {
        let exhibit = match asking {
            Asking { comparison: Some(comparison), receipt: Some(receipt) } => {
                Some(evidence(Brought { comparison, receipt, max_changed: None }))
            }
            Asking { comparison: None, receipt: None } => None,
            _ => return Err(Rejection::argument("`comparison` and `receipt` come together")),
        };
        Ok(RequestCompared { way: way(&gate, params)?, exhibit })
    })
}

/// `GET /admin/v1/models/{model}/versions/{version}`.
pub(super) fn show_version(call: Call) -> Replying {
    let gate = Arc::clone(&call.server.gate);
    call.deed(Event::ModelRead, &[], move |params, _| Ok(ShowVersion(way(&gate, params)?)))
}
