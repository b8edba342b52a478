//! `mantlet model publish`, and URLs of what was published: packages in buckets, by URLs that the bucket's own credential signs.
//!
//! The server has no part in what a bucket gives away, and cannot take it back. So whoever publishes, or has such a URL made,
//! asks the server first, by the right and with the entry that exporting takes.

use bytes::Bytes;
use http::Method;
use mantlet_gate::{ports::Clock, urls::UrlMethod};
use mantlet_models::inspect::Elsewhere;
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
    bucket::{Bucket, BucketError, Place, azure, gcs, s3},
    config::env_vars::{self, EnvVar},
    import::fetch,
    ledger::SystemClock,
};

/// How long a URL lives that this command itself uses, in seconds: as long as a transfer may take.
pub(super) const TRANSFER_SECONDS: u32 = 900;

/// An error with its advice.
pub(super) fn unusable(error: &BucketError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        BucketError::Method => {
            failure.hint("leave out --method, or have the server's own URL signed, without --via")
        }
        _ => failure,
    }
}

fn read(variable: &EnvVar) -> Option<String> {
    std::env::var(variable.name).ok().filter(|value| !value.is_empty())
}

fn need(variable: &EnvVar) -> Result<String, Failure> {
    read(variable).ok_or_else(|| {
        Failure::new(format!("`{}` is not set", variable.name)).hint(
            "buckets are asked with the credential in the environment, as by their makers' own programs",
        )
    })
}

/// The service that has a place, and who asks it, as the environment says in the names that the service's own programs read.
pub(super) fn of(place: &Place, endpoint: Option<&str>) -> Result<Bucket, Failure> {
    match place.at() {
        Elsewhere::S3 => amazon(endpoint),
        Elsewhere::Gs => google(endpoint),
        Elsewhere::Az => {
            let (account, key) = (
                need(&env_vars::AZURE_STORAGE_ACCOUNT)?,
                Zeroizing::new(need(&env_vars::AZURE_STORAGE_KEY)?),
            );
            azure::Service::new(&account, &key, endpoint).map(Bucket::Az).map_err(|error| unusable(&error))
        }
    }
}

fn amazon(endpoint: Option<&str>) -> Result<Bucket, Failure> {
    let region = read(&env_vars::AWS_REGION).or_else(|| read(&env_vars::AWS_DEFAULT_REGION));
    let region = region.ok_or_else(|| Failure::new(format!("`{}` is not set", env_vars::AWS_REGION.name)))?;
    let endpoint = endpoint.map(str::to_owned).or_else(|| read(&env_vars::AWS_ENDPOINT_URL));
    let service = s3::Service::new(&region, endpoint.as_deref()).map_err(|error| unusable(&error))?;
    let ends = read(&env_vars::AWS_CREDENTIAL_EXPIRATION).map(|text| text.parse::<Timestamp>());
    let ends = ends
        .transpose()
        .map_err(|error| Failure::new(format!("`{}`: {error}", env_vars::AWS_CREDENTIAL_EXPIRATION.name)))?;
    let credential = s3::Credential {
        id: need(&env_vars::AWS_ACCESS_KEY_ID)?,
        secret: Zeroizing::new(need(&env_vars::AWS_SECRET_ACCESS_KEY)?),
        token: read(&env_vars::AWS_SESSION_TOKEN).map(Zeroizing::new),
        ends,
    };
    Ok(Bucket::S3(service, credential))
}

fn google(endpoint: Option<&str>) -> Result<Bucket, Failure> {
    let service = gcs::Service::new(endpoint).map_err(|error| unusable(&error))?;
    let credential = match read(&env_vars::GS_ACCESS_KEY_ID) {
        Some(id) => {
            let secret = Zeroizing::new(need(&env_vars::GS_SECRET_ACCESS_KEY)?);
            gcs::Credential::Hmac { id, secret }
        }
        None => {
            let path = need(&env_vars::GOOGLE_APPLICATION_CREDENTIALS)?;
            let text = std::fs::read_to_string(&path).map(Zeroizing::new);
            let text = text.map_err(|error| Failure::new(format!("cannot read `{path}`: {error}")))?;
            gcs::Credential::account(&text).map_err(|error| unusable(&error))?
        }
    };
    Ok(Bucket::Gs(service, credential))
}

/// Where a package is, of all that were published below a prefix: by model, and by the digest of its bytes.
fn place(prefix: &Place, model: &ModelRef, sha256: Sha256) -> Place {
    prefix.below(&format!("{}/{sha256}.package", model.model))
}

/// Puts a version's package into a bucket.
pub async fn publish(common: &Common, command: Publish) -> Result<(), Failure> {
    let Publish { model, to, outside } = command;
    let prefix = Place::parse(&to).map_err(|error| unusable(&error))?;
    let service = of(&prefix, outside.endpoint.as_deref())?;
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
    let seconds = service.seconds(TRANSFER_SECONDS, now).map_err(|error| unusable(&error))?;
    let url = service.presign(&Method::PUT, &place, now, seconds);
    let url = url.map_err(|error| unusable(&error))?;
    let bytes = body.len();
    let put = fetch::put(&url, &way(&outside, Vec::new())?, service.put_headers(), body).await;
    put.map_err(|error| unreachable(&error))?;
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
    let service = of(&prefix, endpoint.as_deref())?;
    let now = SystemClock.now();
    let wished = seconds.unwrap_or(mantlet_types::limits::URL_SECONDS_DEFAULT);
    let seconds = service.seconds(wished, now).map_err(|error| unusable(&error))?;
    let verb = if method == UrlMethod::Head { Method::HEAD } else { Method::GET };
    // Tried before anybody is asked: what cannot be made needs no leave.
    service.presign(&verb, &prefix, now, seconds).map_err(|error| unusable(&error))?;
    let session = Session::open(common).await?;
    // Asking takes the right to export, leaves an entry of what is about to be given, and says which bytes they are.
    let wish = json!({ "at": prefix.at(), "seconds": seconds, "method": method });
    let reply = session.call(Method::POST, &version_path(&model, "export/elsewhere"), Some(&wish)).await;
    session.close().await;
    let reply = reply?;
    let sha256: Sha256 = print::cell(&reply, "sha256")
        .parse()
        .map_err(|_| Failure::new("the server did not say which package it is"))?;
    let place = place(&prefix, &model, sha256);
    let url = service.presign(&verb, &place, now, seconds);
    let url = url.map_err(|error| unusable(&error))?;
    let expires = now.plus_seconds(i64::from(seconds)).to_string();
    if common.json {
        let document: Value = json!({
            "url": url, "place": place.to_string(), "sha256": sha256, "bytes": reply["bytes"],
            "digest": reply["digest"], "model": model.model, "version": reply["version"],
            "method": method, "expires": expires,
        });
        return print::json(&document);
    }
    print::line(url)?;
    print::note(format_args!(
        "good until {expires}, or until the bucket's credential {} ends; {} bytes with SHA-256 {sha256}; whoever has it \
         cannot be stopped from here",
        service.credential(),
        print::cell(&reply, "bytes"),
    ));
    Ok(())
}
