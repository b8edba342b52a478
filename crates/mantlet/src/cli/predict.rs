//! `mantlet predict`: the client.

use std::{io::Read, path::Path};

use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::{Value, json};

use super::{
    args::{Asking, Common, Predict},
    exit::{Exit, Failure},
    identity, print,
    session::{self, Session},
    share::path_in,
    transport::{self, Trust},
};
use crate::config::env_vars::API_KEY;

/// Asks the model; exit code 1 if the answer is that it is not sure.
pub async fn run(common: &Common, command: Predict) -> Result<(), Failure> {
    let body = body(&command.asking.input)?;
    let reply = ask(common, &command.asking, "v1", "predict", &body).await?;
    print::json(&reply)?;
    let unsure = |answer: &Value| answer["result"].is_null() || !answer["action"].is_null();
    let withheld = reply["results"].as_array().map_or_else(|| unsure(&reply), |rows| rows.iter().any(unsure));
    let is_held = |answer: &Value| answer["outcome"] == "review";
    let held = reply["results"].as_array().map_or_else(|| is_held(&reply), |rows| rows.iter().any(is_held));
    match (withheld, held) {
        (_, true) => {
            let (model, request) = (&command.asking.which.model.model, print::cell(&reply, "request_id"));
            Err(Failure::no("a person will decide")
                .hint(format!("what was decided: mantlet review poll {model} {request}")))
        }
        (true, false) => Err(Failure::no("the model is not sure; a person should decide")),
        (false, false) => Ok(()),
    }
}

/// Sends a question by whatever way there is to the server.
pub(super) async fn ask(
    common: &Common,
    asking: &Asking,
    protocol: &str,
    verb: &str,
    body: &Value,
) -> Result<Value, Failure> {
    let path = path_in(protocol, &asking.which.reference()?, verb);
    reach(common, asking.ca.as_deref(), Method::POST, &path, Some(body)).await
}

/// Sends a request by whatever way there is to the server.
pub(super) async fn reach(
    common: &Common,
    ca: Option<&Path>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, Failure> {
    let key = std::env::var(API_KEY.name).ok().filter(|key| !key.is_empty());
    match (&common.identity, key, session::url(common)) {
        (Some(_), _, _) | (None, None, None) => Session::running(common)?.call(method, path, body).await,
        (None, Some(key), url) => {
            let request = transport::request(method, path, body)?;
            let asked = send_over_tls(common, ca, url, request, &key).await;
            // What a key does not open is not there for it, whoever holds the key.
            asked.map_err(|failure| match (failure.exit, &failure.hint) {
                (Exit::No, None) => failure.hint(format!(
                    "this was asked by the key in {name}; unset {name} to ask as the home's owner",
                    name = API_KEY.name
                )),
                _ => failure,
            })
        }
        (None, None, Some(_)) => {
            let failure = Failure::new("a key is needed to ask a server by its URL");
            let failure = failure.hint(format!("set {}, or name an identity with --as", API_KEY.name));
            Err(Failure { exit: Exit::Unauthenticated, ..failure })
        }
    }
}

/// Asks a server by its URL; what is not said of it is the home's.
pub async fn over_tls(
    common: &Common,
    ca: Option<&Path>,
    url: Option<String>,
    path: &str,
    body: &Value,
    key: &str,
) -> Result<Value, Failure> {
    let request = transport::request(Method::POST, path, Some(body))?;
    send_over_tls(common, ca, url, request, key).await
}

async fn send_over_tls(
    common: &Common,
    ca: Option<&Path>,
    url: Option<String>,
    mut request: Request<Bytes>,
    key: &str,
) -> Result<Value, Failure> {
    let (url, trust) = match (url, ca) {
        (Some(url), Some(ca)) => (url, Trust::file(ca)?),
        (url, ca) => {
            let home = session::home(common)?;
            let config = session::config(&home)?;
            let trust = ca.map_or_else(|| session::trust(&home, &config), Trust::file)?;
            (url.unwrap_or_else(|| session::local_url(&home, &config)), trust)
        }
    };
    let bearer = identity::bearer(key)
        .ok_or_else(|| Failure::new(format!("{} holds characters that no key has", API_KEY.name)))?;
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    transport::tls(url.trim_end_matches('/'), trust, None, request).await?.json()
}

/// The request: a file that has `features` (or `inputs`) is taken as it is, anything else is the features.
pub(super) fn body(input: &Path) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = if input == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(input).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| Failure::new(format!("cannot read `{}`: {error}", input.display())))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!("`{}` is not JSON: {error}", input.display()))
            .hint(r#"write `{"features": {"name": value, …}}`"#)
    })?;
    let whole = value
        .as_object()
        .is_some_and(|object| object.contains_key("features") || object.contains_key("inputs"));
    Ok(if whole { value } else { json!({ "features": value }) })
}
