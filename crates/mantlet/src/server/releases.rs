//! Routes of what surrounds going live: evaluations, aliases, histories, retiring.

use std::sync::Arc;

use mantlet_gate::releases::{
    alias::{RemoveAlias, SetAlias},
    attach::AttachEvaluation,
    retire::RetireVersion,
};
use mantlet_types::{ModelName, Rejection, VersionRef, entry::Event};
use serde::Deserialize;

use super::{
    admin::{Nothing, named, way},
    call::{Call, Replying},
};
use crate::deeds::{
    attach::Attested,
    documents::{Describe, Kind},
    history::ShowHistory,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attaching {
    report: String,
    receipt: String,
}

/// `POST /admin/v1/models/{model}/versions/{version}/evaluations`.
pub(super) fn attach_evaluation(call: Call) -> Replying {
    let (facilities, gate) = (&call.server.facilities, Arc::clone(&call.server.gate));
    let (log, dir) = (Arc::clone(&facilities.log), facilities.audit_dir.clone());
    call.deed_of(Event::ModelEvaluate, move |params, Attaching { report, receipt }| {
        Ok(AttachEvaluation { way: way(&gate, params)?, report: Attested { report, receipt, log, dir } })
    })
}

/// `POST /admin/v1/models/{model}/versions/{version}/retire`.
pub(super) fn retire(call: Call) -> Replying {
    let gate = Arc::clone(&call.server.gate);
    call.deed_of_optional(Event::ModelRetire, move |params, Nothing {}| {
        Ok(RetireVersion(way(&gate, params)?))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Naming {
    version: VersionRef,
}

/// `PUT /admin/v1/models/{model}/aliases/{alias}`.
pub(super) fn set_alias(call: Call) -> Replying {
    let gate = Arc::clone(&call.server.gate);
    call.deed_of(Event::ModelAlias, move |params, Naming { version }| {
        let model: ModelName = params.require("model")?;
        Ok(SetAlias { alias: params.require("alias")?, way: named(&gate, model, &version) })
    })
}

/// `DELETE /admin/v1/models/{model}/aliases/{alias}`.
pub(super) fn remove_alias(call: Call) -> Replying {
    call.deed(Event::ModelAlias, &[], |params, _| {
        Ok(RemoveAlias { model: params.require("model")?, alias: params.require("alias")? })
    })
}

fn describe(call: Call, kind: Kind) -> Replying {
    let (facilities, gate) = (&call.server.facilities, Arc::clone(&call.server.gate));
    let (shelf, origin) = (facilities.shelf.clone(), facilities.log.verifier().name().to_owned());
    call.deed(Event::ModelRead, &[], move |params, _| {
        Ok(Describe { way: way(&gate, params)?, kind, shelf, origin })
    })
}

/// `GET /admin/v1/models/{model}/versions/{version}/bom`.
pub(super) fn bill_of_materials(call: Call) -> Replying {
    describe(call, Kind::BillOfMaterials)
}

/// `GET /admin/v1/models/{model}/versions/{version}/provenance`.
pub(super) fn provenance(call: Call) -> Replying {
    describe(call, Kind::Provenance)
}

/// `GET /admin/v1/models/{model}/history`, of a version or of all.
pub(super) fn history(call: Call) -> Replying {
    let (facilities, gate) = (&call.server.facilities, Arc::clone(&call.server.gate));
    let (log, dir) = (Arc::clone(&facilities.log), facilities.audit_dir.clone());
    call.deed(Event::ModelRead, &[], move |params, _| {
        let model: ModelName = params.require("model")?;
        let version: Option<VersionRef> = params.optional("version")?;
        let version = version.map(|version| named(&gate, model.clone(), &version).version);
        Ok::<_, Rejection>(ShowHistory { model, version, log, dir })
    })
}
