//! Routes of the second person: what waits, what is approved, break-glass, custom policies, and stopping a model.

use std::{net::IpAddr, sync::Arc};

use mantlet_gate::{
    approvals::{Approve, ExportApprovals, Item, Kind, ListApprovals, ShowApproval, SignedApproval},
    changes::{
        ApplyBreakGlass, ApplyPolicies, ListPolicies, ProposePolicies, Reason, RequestBreakGlass,
        ShowPolicies, TestPolicies,
    },
    disable::{DisableModel, EnableModel},
};
use mantlet_types::{Code, PolicyName, ProjectId, Rejection, Timestamp, UserId, entry::Event};
use serde::Deserialize;

use super::{
    admin::Nothing,
    call::{Call, Params, Replying},
};

/// A signed approval, or nothing: all of its members or none.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    #[serde(default)]
    statement: Option<Box<str>>,
    #[serde(default)]
    signature: Option<Box<str>>,
    #[serde(default)]
    certificate: Option<Box<str>>,
}

impl Signed {
    fn read(self) -> Result<Option<SignedApproval>, Rejection> {
        match (self.statement, self.signature, self.certificate) {
            (None, None, None) => Ok(None),
            (Some(statement), Some(signature), Some(certificate)) => {
                Ok(Some(SignedApproval { statement, signature, certificate }))
            }
            _ => Err(Rejection::argument(
                "an approval has `statement`, `signature` and `certificate`, or none of them",
            )),
        }
    }
}

fn item(params: &Params) -> Result<Item, Rejection> {
    let (kind, target): (Kind, String) = (params.require("kind")?, params.require("target")?);
    Item::parse(kind, &target).map_err(|_| Code::NotFound.into())
}

/// `GET /admin/v1/approvals`.
pub(super) fn list(call: Call) -> Replying {
    call.deed(Event::ApprovalRead, &[], |_, _| Ok(ListApprovals))
}

/// `GET /admin/v1/approvals/given`.
pub(super) fn export(call: Call) -> Replying {
    call.deed(Event::ApprovalRead, &[], |_, _| Ok(ExportApprovals))
}

/// `GET /admin/v1/approvals/{kind}/{target}`.
pub(super) fn show(call: Call) -> Replying {
    call.deed(Event::ApprovalRead, &[], |params, _| Ok(ShowApproval { item: item(params)? }))
}

/// `POST /admin/v1/approvals/{kind}/{target}`.
pub(super) fn approve(call: Call) -> Replying {
    // How the log names it depends on what it is; a path that names nothing is a reading.
    let event = item(&call.params).map_or(Event::ApprovalRead, |item| item.event());
    call.deed_of_optional(event, |params, signed: Signed| {
        Ok(Approve { item: item(params)?, signed: signed.read()? })
    })
}

/// `POST /admin/v1/grants/{number}/approve`.
pub(super) fn approve_grant(call: Call) -> Replying {
    call.deed_of_optional(Event::RoleChange, |params, signed: Signed| {
        Ok(Approve { item: Item::Grant(params.require("number")?), signed: signed.read()? })
    })
}

/// `POST /admin/v1/models/{model}/versions/{version}/approve`.
pub(super) fn approve_deployment(call: Call) -> Replying {
    call.deed_of_optional(Event::ModelApprove, |params, signed: Signed| {
        let item = Item::Deployment(params.require("model")?, params.require("version")?);
        Ok(Approve { item, signed: signed.read()? })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Glass {
    project: ProjectId,
    reason: Reason,
    #[serde(default)]
    user: Option<UserId>,
}

/// `POST /admin/v1/break-glass`.
pub(super) fn request_break_glass(call: Call) -> Replying {
    call.deed_of(Event::BreakGlass, |_, Glass { project, reason, user }| {
        Ok(RequestBreakGlass { project, beneficiary: user, reason })
    })
}

/// `POST /admin/v1/break-glass/{number}/begin`.
pub(super) fn begin_break_glass(call: Call) -> Replying {
    call.deed_of_optional(Event::BreakGlass, |params, Nothing {}| {
        Ok(ApplyBreakGlass { number: params.require("number")? })
    })
}

/// `POST /admin/v1/models/{model}/disable`.
pub(super) fn disable_model(call: Call) -> Replying {
    call.deed_of_optional(Event::ModelDisable, |params, Nothing {}| {
        Ok(DisableModel { model: params.require("model")? })
    })
}

/// `POST /admin/v1/models/{model}/enable`.
pub(super) fn enable_model(call: Call) -> Replying {
    call.deed_of_optional(Event::ModelEnable, |params, Nothing {}| {
        Ok(EnableModel { model: params.require("model")? })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposing {
    name: PolicyName,
    /// Absent to withdraw the set.
    #[serde(default)]
    text: Option<Arc<str>>,
}

/// `POST /admin/v1/policies`.
pub(super) fn propose_policies(call: Call) -> Replying {
    call.deed_of(Event::PolicyChange, |_, Proposing { name, text }| Ok(ProposePolicies { name, text }))
}

/// `POST /admin/v1/policies/changes/{number}/apply`.
pub(super) fn apply_policies(call: Call) -> Replying {
    call.deed_of_optional(Event::PolicyChange, |params, Nothing {}| {
        Ok(ApplyPolicies { number: params.require("number")? })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trying {
    name: PolicyName,
    #[serde(default)]
    text: Option<Arc<str>>,
    #[serde(default)]
    from: Option<IpAddr>,
    #[serde(default)]
    at: Option<Timestamp>,
}

/// `POST /admin/v1/policies/test`.
pub(super) fn test_policies(call: Call) -> Replying {
    call.deed_of(Event::PolicyRead, |_, Trying { name, text, from, at }| {
        Ok(TestPolicies { name, text, from, at })
    })
}

/// `GET /admin/v1/policies`.
pub(super) fn list_policies(call: Call) -> Replying {
    call.deed(Event::PolicyRead, &[], |_, _| Ok(ListPolicies))
}

/// `GET /admin/v1/policies/{name}`.
pub(super) fn show_policies(call: Call) -> Replying {
    call.deed(Event::PolicyRead, &[], |params, _| Ok(ShowPolicies { name: params.require("name")? }))
}
