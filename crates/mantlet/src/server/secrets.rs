//! Routes of secrets: each turns a path and a body into one deed of door 2.

use mantlet_gate::secrets::{KeepSecret, ListSecrets, RemoveSecret, SecretRequest, ShowSecret};
use mantlet_types::entry::Event;

use super::call::{Call, Replying};

/// `GET /admin/v1/secrets`.
pub(super) fn list(call: Call) -> Replying {
    call.deed(Event::SecretRead, &[], |_, _| Ok(ListSecrets))
}

/// `GET /admin/v1/secrets/{secret}`.
pub(super) fn show(call: Call) -> Replying {
    call.deed(Event::SecretRead, &[], |params, _| Ok(ShowSecret { name: params.require("secret")? }))
}

/// `PUT /admin/v1/secrets/{secret}`.
pub(super) fn keep(call: Call) -> Replying {
    call.deed_of(Event::SecretChange, |params, request: SecretRequest| {
        KeepSecret::new(params.require("secret")?, request, false)
    })
}

/// `POST /admin/v1/secrets/{secret}/rotate`.
pub(super) fn rotate(call: Call) -> Replying {
    call.deed_of(Event::SecretChange, |params, request: SecretRequest| {
        KeepSecret::new(params.require("secret")?, request, true)
    })
}

/// `DELETE /admin/v1/secrets/{secret}`.
pub(super) fn remove(call: Call) -> Replying {
    call.deed(Event::SecretChange, &[], |params, _| Ok(RemoveSecret { name: params.require("secret")? }))
}
