//! The published pages, and what this server says of itself in either form of the protocol.

use crate::server::{
    json::Writer,
    reply::{self, Reply},
};

/// What this server is called, in either form of the protocol.
pub(in crate::server) const NAME: &str = "mantlet";

/// The protocol's version.
pub(in crate::server) const PROTOCOL_VERSION: &str = "2";

/// Extensions of the protocol that both of its forms have.
pub(in crate::server) const EXTENSIONS: [&str; 4] =
    ["binary_tensor_data", "model_configuration", "model_repository", "statistics"];

/// An extension of our own, over REST alone.
const EXPLAIN_EXTENSION: &str = "mantlet_explain";

pub(super) fn live(_: bool) -> Reply {
    reply::json(br#"{"live":true}"#.to_vec())
}

pub(super) fn ready(ready: bool) -> Reply {
    if ready {
        return reply::json(br#"{"ready":true}"#.to_vec());
    }
    reply::with_body(
        http::StatusCode::SERVICE_UNAVAILABLE,
        "application/json",
        br#"{"ready":false}"#.to_vec(),
    )
}

/// Says which protocol this is, and of the software nothing but its name: the protocol wants a version, so it gets the
/// protocol's own.
pub(super) fn server(_: bool) -> Reply {
    let mut json = Writer::with_capacity(160);
    json.object();
    json.member("name", NAME);
    json.member("version", PROTOCOL_VERSION);
    json.key("extensions");
    json.array();
    EXTENSIONS.iter().chain(&[EXPLAIN_EXTENSION]).for_each(|extension| json.string(extension));
    json.end_array();
    json.end_object();
    reply::json(json.into_bytes())
}
