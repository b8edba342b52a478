//! Objects in buckets that speak Amazon's protocol: where they are, and URLs that open one of them for a while.
//!
//! A URL is signed by Signature Version 4 in the query ("Authenticating Requests: Using Query Parameters", Amazon S3 API
//! Reference). That is all that is needed to put an object and to get it, so there is no client of buckets here and no second
//! source of cryptography: HMAC and SHA-256 are aws-lc's, requests go out by [`crate::egress`].

use std::fmt;

use aws_lc_rs::{digest, hmac};
use http::Method;
use mantlet_types::Timestamp;
use zeroize::Zeroizing;

/// The longest life of a presigned URL, in seconds: seven days, as Amazon and Google have it.
pub const PRESIGNED_SECONDS_MAX: u32 = 7 * 86_400;

/// What of a session's end is believed where nobody says when it is, in seconds: the least that sessions have by default.
const SESSION_SECONDS: u32 = 3_600;

/// Why there is no object to speak of, or no URL for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum S3Error {
    /// Not a place in a bucket.
    #[error("a place in a bucket is written as `s3://BUCKET/KEY`")]
    Place,
    /// Not where a service is.
    #[error("an endpoint is `https://HOST[:PORT]`, or `http://` on this machine, without a path")]
    Endpoint,
    /// Not a region.
    #[error("a region has lower-case letters, digits and `-`")]
    Region,
    /// The credential ends before the URL would begin to.
    #[error("the bucket's credential has ended")]
    Ended,
    /// No such moment.
    #[error("the clock is out of its range")]
    Clock,
}

/// An object: `s3://BUCKET/KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    bucket: String,
    key: String,
}

impl Place {
    /// Reads a place. An empty key is that of a prefix to which something is yet to be added.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, S3Error> {
        let (bucket, key) = text
            .strip_prefix("s3://")
            .ok_or(S3Error::Place)?
            .split_once('/')
            .unwrap_or((text.strip_prefix("s3://").unwrap_or_default(), ""));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        let named = (3..=63).contains(&bucket.len()) && bucket.bytes().all(plain) && !bucket.contains("..");
        let edges = [bucket.as_bytes().first(), bucket.as_bytes().last()];
        let named = named && edges.iter().flatten().all(|byte| byte.is_ascii_alphanumeric());
        // Dotted segments are taken out on the way by those who normalize paths.
        let keyed = key.len() <= 1_024
            && !key.contains(|c: char| c.is_control())
            && key.split('/').all(|part| !matches!(part, "." | ".."));
        if named && keyed {
            Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
        } else {
            Err(S3Error::Place)
        }
    }

    /// The object of this name below a prefix.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let prefix = self.key.trim_end_matches('/');
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        Self { bucket: self.bucket.clone(), key }
    }

    /// The last part of its key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

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
    pub fn seconds(&self, wished: u32, now: Timestamp) -> Result<u32, S3Error> {
        let left = match (self.ends, &self.token) {
            (Some(ends), _) => {
                let seconds = (ends.micros() - now.micros()).div_euclid(1_000_000);
                u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
            }
            (None, Some(_)) => SESSION_SECONDS,
            (None, None) => u32::MAX,
        };
        match wished.min(left).min(PRESIGNED_SECONDS_MAX) {
            0 => Err(S3Error::Ended),
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
    pub fn new(region: &str, endpoint: Option<&str>) -> Result<Self, S3Error> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || region.len() > 64 || !region.bytes().all(plain) {
            return Err(S3Error::Region);
        }
        let endpoint = endpoint.map(|endpoint| {
            let endpoint = endpoint.trim_end_matches('/');
            let there = crate::egress::Destination::parse(endpoint).map_err(|_| S3Error::Endpoint)?;
            let bare = there.base_path().is_empty() && (there.is_secure() || there.is_loopback());
            if bare { Ok(endpoint.to_owned()) } else { Err(S3Error::Endpoint) }
        });
        Ok(Self { region: region.to_owned(), endpoint: endpoint.transpose()? })
    }

    /// Origin, authority and path of an object. Amazon's buckets are hosts; elsewhere they are the path's first part, and
    /// so are those with dots in their names, which no certificate of Amazon's is for.
    fn locate(&self, place: &Place) -> (String, String) {
        let Place { bucket, key } = place;
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
    ) -> Result<String, S3Error> {
        let (origin, path) = self.locate(place);
        let host = origin.split_once("://").map_or(origin.as_str(), |(_, authority)| authority);
        // `20261122T153000Z`: RFC 3339 without its marks.
        let text = now.encode().ok_or(S3Error::Clock)?;
        let plain: String =
            text.iter().take(19).map(|b| char::from(*b)).filter(|c| !"-:".contains(*c)).collect();
        let (moment, day) = (format!("{plain}Z"), plain.get(..8).unwrap_or_default());
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let mut arguments = vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", format!("{}/{scope}", credential.id)),
            ("X-Amz-Date", moment.clone()),
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
        let hash = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
        let signed = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hash}");
        let first = Zeroizing::new(format!("AWS4{}", credential.secret.as_str()));
        let key = [day, &self.region, "s3", "aws4_request"]
            .into_iter()
            .fold(Zeroizing::new(first.as_bytes().to_vec()), |key, part| Zeroizing::new(mac(&key, part)));
        Ok(format!("{origin}{path}?{query}&X-Amz-Signature={}", hex(&mac(&key, &signed))))
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Percent-encoding as Amazon wants it: everything but RFC 3986's unreserved characters, in upper case.
fn encoded(text: &str, path: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || path && byte == b'/' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests;
