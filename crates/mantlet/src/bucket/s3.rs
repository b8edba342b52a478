//! Buckets that speak Amazon's protocol: URLs by Signature Version 4 in the query ("Authenticating Requests: Using Query
//! Parameters", Amazon S3 API Reference).

use std::fmt;

use http::Method;
use mantlet_types::{Timestamp, limits::PRESIGNED_SECONDS_MAX};
use zeroize::Zeroizing;

use super::{BucketError, Place, endpoint};
use crate::sigv4::{AMAZON, Moment, Scope, encoded};

/// What of a session's end is believed where nobody says when it is, in seconds: the least that sessions have by default.
const SESSION_SECONDS: u32 = 3_600;

/// Who asks the bucket.
pub struct Credential {
    /// The key's id.
    pub id: String,
    /// The key.
    pub secret: Zeroizing<String>,
    /// Of a credential that ends: its token.
    pub token: Option<Zeroizing<String>>,
    /// When it ends, if somebody says.
    pub ends: Option<Timestamp>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Credential {
    /// Seconds that a URL may live: as wished, and never beyond seven days or the credential's own end.
    ///
    /// # Errors
    /// If the credential has ended.
    pub fn seconds(&self, wished: u32, now: Timestamp) -> Result<u32, BucketError> {
        let left = match (self.ends, &self.token) {
            (Some(ends), _) => {
                let seconds = (ends.micros() - now.micros()).div_euclid(1_000_000);
                u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
            }
            (None, Some(_)) => SESSION_SECONDS,
            (None, None) => u32::MAX,
        };
        match wished.min(left).min(PRESIGNED_SECONDS_MAX) {
            0 => Err(BucketError::Ended),
            seconds => Ok(seconds),
        }
    }
}

/// Where buckets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    region: String,
    /// Scheme and authority of a service that is not Amazon's.
    endpoint: Option<String>,
}

impl Service {
    /// Amazon's in a region, or another that speaks its protocol.
    ///
    /// # Errors
    /// If either is not what it should be.
    pub fn new(region: &str, elsewhere: Option<&str>) -> Result<Self, BucketError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || region.len() > 64 || !region.bytes().all(plain) {
            return Err(BucketError::Region);
        }
        let endpoint = elsewhere.map(|text| endpoint(text, false)).transpose()?;
        Ok(Self { region: region.to_owned(), endpoint })
    }

    /// Origin, authority and path of an object. Amazon's buckets are hosts; elsewhere they are the path's first part, and
    /// so are those with dots in their names, which no certificate of Amazon's is for.
    fn locate(&self, place: &Place) -> (String, String) {
        let Place { bucket, key, .. } = place;
        let key = encoded(key, true);
        match &self.endpoint {
            Some(endpoint) => (endpoint.clone(), format!("/{bucket}/{key}")),
            None if bucket.contains('.') => {
                (format!("https://s3.{}.amazonaws.com", self.region), format!("/{bucket}/{key}"))
            }
            None => (format!("https://{bucket}.s3.{}.amazonaws.com", self.region), format!("/{key}")),
        }
    }

    /// A URL by which whoever has it may do this to an object, for so many seconds from now.
    ///
    /// # Errors
    /// If the clock is out of its range.
    pub fn presign(
        &self,
        method: &Method,
        place: &Place,
        credential: &Credential,
        now: Timestamp,
        seconds: u32,
    ) -> Result<String, BucketError> {
        let (origin, path) = self.locate(place);
        let host = origin.split_once("://").map_or(origin.as_str(), |(_, authority)| authority);
        let Moment { second, day } = Moment::of(now).ok_or(BucketError::Clock)?;
        let scope = Scope { dialect: AMAZON, day: &day, region: &self.region, service: "s3" };
        let mut arguments = vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", format!("{}/{}", credential.id, scope.text())),
            ("X-Amz-Date", second.clone()),
            ("X-Amz-Expires", seconds.to_string()),
            ("X-Amz-SignedHeaders", "host".to_owned()),
        ];
        if let Some(token) = &credential.token {
            arguments.insert(4, ("X-Amz-Security-Token", token.to_string()));
        }
        let query: Vec<String> =
            arguments.iter().map(|(name, value)| format!("{name}={}", encoded(value, false))).collect();
        let query = query.join("&");
        let request = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let text = scope.to_sign("AWS4-HMAC-SHA256", &second, &request);
        let signature = scope.sign(&credential.secret, &text);
        Ok(format!("{origin}{path}?{query}&X-Amz-Signature={signature}"))
    }
}

#[cfg(test)]
mod tests;
