//! What a token claims (RFC 7519, section 4.1), with types; whether it holds is [`super::issuer`]'s.

use mantlet_types::{Timestamp, workload::Subject};
use serde_json::{Map, Value};

use super::TokenFault;

/// The last second that a claim can mean: the end of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// The registered claims that decide. Others have no influence.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) subject: Subject,
    pub(super) audiences: Vec<String>,
    pub(super) expires: Timestamp,
    pub(super) not_before: Option<Timestamp>,
    pub(super) issued: Timestamp,
}

impl Claims {
    pub(super) fn of(payload: &Map<String, Value>) -> Result<Self, TokenFault> {
        let text = |name: &str| payload.get(name).and_then(Value::as_str).ok_or(TokenFault::Claims);
        let moment = |name: &str| payload.get(name).map(numeric_date).transpose();
        Ok(Self {
            issuer: text("iss")?.to_owned(),
            subject: text("sub")?.parse().map_err(|_| TokenFault::Claims)?,
            audiences: audiences(payload.get("aud"))?,
            expires: moment("exp")?.ok_or(TokenFault::Claims)?,
            not_before: moment("nbf")?,
            // Not everybody's standard requires it; without it nobody knows how long a token was made to live.
            issued: moment("iat")?.ok_or(TokenFault::Claims)?,
        })
    }
}

/// One audience or several (RFC 7519, section 4.1.3).
fn audiences(value: Option<&Value>) -> Result<Vec<String>, TokenFault> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(TokenFault::Claims);
    match value {
        Some(Value::Array(several)) => several.iter().map(text).collect(),
        Some(one) => Ok(vec![text(one)?]),
        None => Err(TokenFault::Audience),
    }
}

/// Seconds since 1970, which may have a fraction (RFC 7519, section 2).
fn numeric_date(value: &Value) -> Result<Timestamp, TokenFault> {
    let seconds = value.as_f64().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    let seconds = seconds.ok_or(TokenFault::Claims)?;
    // Exact to a few microseconds, and far from the bounds of the type.
    #[expect(clippy::cast_possible_truncation, reason = "within 2^58")]
    let micros = (seconds * 1e6) as i64;
    Ok(Timestamp::from_micros(micros))
}
