//! Errors as OpenAI's clients expect them: `{"error": {"message", "type", "param", "code"}}`.

use mantlet_types::{Code, Rejection};

use crate::server::json::Writer;

/// Whether a path is one of the protocol's.
#[must_use]
pub fn speaks(path: &str) -> bool {
    let model = |path: &str| path.strip_prefix("/v1/models/").is_some_and(|rest| !rest.contains('/'));
    matches!(
        path,
        "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings" | "/v1/responses" | "/v1/models"
    ) || model(path)
}

/// A rejection's body.
#[must_use]
pub fn body(rejection: &Rejection) -> Vec<u8> {
    let mut json = Writer::with_capacity(160);
    json.object();
    json.key("error");
    write(&mut json, rejection);
    json.end_object();
    json.into_bytes()
}

/// The error itself.
pub(super) fn write(json: &mut Writer, rejection: &Rejection) {
    json.object();
    json.member("message", &message(rejection));
    json.member("type", kind(rejection.code));
    json.key("param");
    match &rejection.field {
        Some(field) => json.string(field),
        None => json.null(),
    }
    json.member("code", code(rejection.code));
    json.end_object();
}

/// What a person reads. All that can be missing here is a model, or a route that has it.
fn message(rejection: &Rejection) -> String {
    match (rejection.code, &rejection.detail) {
        (Code::NotFound, None) => {
            "not found: this key opens no model of that name; the list of models has those that it opens"
                .to_owned()
        }
        _ => rejection.to_string(),
    }
}

/// The kinds that clients know.
const fn kind(code: Code) -> &'static str {
    match code.http() {
        // What waiting a minute does not help is told apart.
        429 if matches!(code, Code::BudgetSpent) => "insufficient_quota",
        403 if matches!(code, Code::Held) => "held_for_review",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// The protocol's code, where it has one for this.
pub(super) const fn code(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated => "invalid_api_key",
        Code::NotFound => "model_not_found",
        Code::RateLimited => "rate_limit_exceeded",
        Code::Blocked | Code::Withheld => "content_filter",
        code => code.as_str(),
    }
}
