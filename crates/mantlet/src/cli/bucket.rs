//! `mantlet model publish`, and URLs of what was published: packages in buckets, by URLs that the bucket's own credential signs.
//!
//! The server has no part in what a bucket gives away, and cannot take it back. So whoever publishes, or has such a URL made,
//! asks the server first, by the right and with the entry that exporting takes.

use bytes::Bytes;
use http::Method;
use mantlet_gate::ports::Clock;
use mantlet_types::{Sha256, Timestamp, reference::ModelRef};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    args::{Common, Publish, SignUrl},
    exit::Failure,
    import::{unreachable, way},
    print,
    session::Session,
    share::version_path,
    transport,
};
use crate::{
    config::env_vars,
    import::fetch,
    ledger::SystemClock,
    s3::{Credential, Place, S3Error, Service},
};

/// How long a URL lives that this command itself uses, in seconds: as long as a transfer may take.
pub(super) const TRANSFER_SECONDS: u32 = 900;

/// An error with its advice.
pub(super) fn unusable(error: &S3Error) -> Failure {
    Failure::new(error.to_string())
}

/// The bucket's service and credential, as the environment says in the names that Amazon's own programs read.
pub(super) fn service(endpoint: Option<&str>) -> Result<(Service, Credential), Failure> {
    let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let need = |name: &'static str| {
        read(name).ok_or_else(|| {
            Failure::new(format!("`{name}` is not set"))
                .hint("buckets are asked with the credential in the environment, as by Amazon's own programs")
        })
    };
    let region = read(env_vars::AWS_REGION.name).or_else(|| read(env_vars::AWS_DEFAULT_REGION.name));
    let region = region.ok_or_else(|| Failure::new(format!("`{}` is not set", env_vars::AWS_REGION.name)))?;
    let endpoint = endpoint.map(str::to_owned).or_else(|| read(env_vars::AWS_ENDPOINT_URL.name));
    let service = Service::new(&region, endpoint.as_deref()).map_err(|error| unusable(&error))?;
    let ends = read(env_vars::AWS_CREDENTIAL_EXPIRATION.name).map(|text| text.parse::<Timestamp>());
    let ends = ends
        .transpose()
        .map_err(|error| Failure::new(format!("`{}`: {error}", env_vars::AWS_CREDENTIAL_EXPIRATION.name)))?;
    let credential = Credential {
        id: need(env_vars::AWS_ACCESS_KEY_ID.name)?,
        secret: Zeroizing::new(need(env_vars::AWS_SECRET_ACCESS_KEY.name)?),
        token: read(env_vars::AWS_SESSION_TOKEN.name).map(Zeroizing::new),
        ends,
    };
    Ok((service, credential))
}

/// Where a package is, of all that were published below a prefix: by model, and by the digest of its bytes.
fn place(prefix: &Place, model: &ModelRef, sha256: Sha256) -> Place {
    prefix.below(&format!("{}/{sha256}.package", model.model))
}

/// Puts a version's package into a bucket.
pub async fn publish(common: &Common, command: Publish) -> Result<(), Failure> {
    let Publish { model, to, outside } = command;
    let prefix = Place::parse(&to).map_err(|error| unusable(&error))?;
    let (service, credential) = service(outside.endpoint.as_deref())?;
    let session = Session::open(common).await?;
    let reply = match transport::request(Method::POST, &version_path(&model, "export"), None) {
        Ok(request) => session.send(request).await,
        Err(failure) => Err(failure),
    };
    session.close().await;
    let reply = reply?;
    if reply.status != 200 {
        reply.json()?;
        return Err(Failure::new("the server sent no package"));
    }
    let body: Bytes = reply.body;
    let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let sha256: [u8; 32] =
        sha256.as_ref().try_into().map_err(|_| Failure::new("the cryptographic provider failed"))?;
    let sha256 = Sha256(sha256);
    let (place, now) = (place(&prefix, &model, sha256), SystemClock.now());
    let seconds = credential.seconds(TRANSFER_SECONDS, now).map_err(|error| unusable(&error))?;
    let url = service.presign(&Method::PUT, &place, &credential, now, seconds);
    let url = url.map_err(|error| unusable(&error))?;
    let bytes = body.len();
    fetch::put(&url, &way(&outside, Vec::new())?, body).await.map_err(|error| unreachable(&error))?;
    if common.json {
        let place = place.to_string();
        return print::json(&json!({ "place": place, "sha256": sha256, "bytes": bytes }));
    }
    print::line(place.to_string())?;
    print::note(format_args!("{bytes} bytes with SHA-256 {sha256}"));
    Ok(())
}

/// A URL of the bucket's for what was published there, made here and known to nobody else.
pub async fn url(common: &Common, command: SignUrl, via: &str) -> Result<(), Failure> {
    let SignUrl { model, seconds, method, network, once, file, endpoint, .. } = command;
    if network.is_some() || once || file.is_some() {
        return Err(Failure::new("a bucket's URL knows no network, no single use and no file of a package")
            .hint("leave --via away: the server's own URLs do"));
    }
    let prefix = Place::parse(via).map_err(|error| unusable(&error))?;
    let (service, credential) = service(endpoint.as_deref())?;
    let session = Session::open(common).await?;
    // Nobody gets this one. Asking for it takes the right to export, leaves the entry, and says which bytes they are.
    let wish = json!({ "seconds": 1, "method": "HEAD" });
    let reply = session.call(Method::POST, &version_path(&model, "export/url"), Some(&wish)).await;
    session.close().await;
    let reply = reply?;
    let sha256: Sha256 = print::cell(&reply, "sha256")
        .parse()
        .map_err(|_| Failure::new("the server did not say which package it is"))?;
    let (place, now) = (place(&prefix, &model, sha256), SystemClock.now());
    let wished = seconds.unwrap_or(mantlet_types::limits::URL_SECONDS_DEFAULT);
    let seconds = credential.seconds(wished, now).map_err(|error| unusable(&error))?;
    let method = if method == mantlet_gate::urls::UrlMethod::Head { Method::HEAD } else { Method::GET };
    let url = service.presign(&method, &place, &credential, now, seconds);
    let url = url.map_err(|error| unusable(&error))?;
    let expires = now.plus_seconds(i64::from(seconds)).to_string();
    if common.json {
        let document: Value = json!({
            "url": url, "place": place.to_string(), "sha256": sha256, "bytes": reply["bytes"],
            "digest": reply["digest"], "model": model.model, "version": reply["version"],
            "method": method.as_str(), "expires": expires,
        });
        return print::json(&document);
    }
    print::line(url)?;
    print::note(format_args!(
        "good until {expires}, or until the bucket's credential {} ends; {} bytes with SHA-256 {sha256}; whoever has it \
         cannot be stopped from here",
        credential.id,
        print::cell(&reply, "bytes"),
    ));
    Ok(())
}
