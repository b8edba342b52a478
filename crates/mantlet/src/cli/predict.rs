//! `mantlet predict`: the client.

use std::{io::Read, path::Path};

use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::{
    args::{Asking, Common, Predict},
    exit::{Exit, Failure},
    print,
    session::Session,
    transport,
};
use crate::config::env_vars::API_KEY;

/// Asks the model; exit code 1 if the answer is that it is not sure.
pub async fn run(common: &Common, command: Predict) -> Result<(), Failure> {
    let body = body(&command.asking.input)?;
    let reply = ask(common, &command.asking, "v1", "predict", &body).await?;
    print::json(&reply)?;
    let unsure = |answer: &Value| answer["result"].is_null() || !answer["action"].is_null();
    let withheld = reply["results"].as_array().map_or_else(|| unsure(&reply), |rows| rows.iter().any(unsure));
    if withheld { Err(Failure::no("the model is not sure; a person should decide")) } else { Ok(()) }
}

/// Sends a question by whatever way there is to the server.
pub(super) async fn ask(
    common: &Common,
    asking: &Asking,
    protocol: &str,
    verb: &str,
    body: &Value,
) -> Result<Value, Failure> {
    let version = asking.version_number.map(|version| format!("/versions/{version}")).unwrap_or_default();
    let path = format!("/{protocol}/models/{}{version}/{verb}", asking.model);
    let key = std::env::var(API_KEY.name).ok().filter(|key| !key.is_empty());
    match (key, &asking.url) {
        (Some(key), url) => over_tls(common, url.as_deref(), asking.ca.as_deref(), &path, body, &key).await,
        (None, Some(_)) => {
            let failure = Failure::new("a key is needed to ask a server by its URL");
            let failure = failure.hint(format!("set {}", API_KEY.name));
            Err(Failure { exit: Exit::Unauthenticated, ..failure })
        }
        (None, None) => Session::running(common)?.call(Method::POST, &path, Some(body)).await,
    }
}

/// Asks a server by its URL; what is not said of it is the home's.
pub async fn over_tls(
    common: &Common,
    url: Option<&str>,
    ca: Option<&Path>,
    path: &str,
    body: &Value,
    key: &str,
) -> Result<Value, Failure> {
    let (url, ca) = match (url, ca) {
        (Some(url), Some(ca)) => (url.to_owned(), ca.to_owned()),
        (url, ca) => {
            let (home_url, home_ca) = Session::address(common)?;
            (url.map_or(home_url, str::to_owned), ca.map_or(home_ca, Path::to_owned))
        }
    };
    let url = url.trim_end_matches('/');
    let mut request = transport::request(Method::POST, path, Some(body))?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {key}"))
        .map_err(|_| Failure::new(format!("{} holds characters that no key has", API_KEY.name)))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    transport::tls(url, &ca, request).await?.json()
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
