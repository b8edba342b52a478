//! Objects in buckets, Amazon's ([`s3`]), Google's ([`gcs`]) and Azure's ([`azure`]): where they are, and URLs that open one of
//! them for a while.
//!
//! A signed URL is all that is needed to put an object and to get it, so there is no client of buckets here and no second
//! source of cryptography: requests go out by [`crate::egress`].

pub mod azure;
pub mod gcs;
pub mod s3;

use std::fmt;

use http::Method;
use mantlet_models::inspect::Elsewhere;
use mantlet_types::{Timestamp, limits::PRESIGNED_SECONDS_MAX};

/// Why there is no object to speak of, or no URL for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// Not a place in a bucket.
    #[error("a place in a bucket is written as `s3://BUCKET/KEY`, `gs://BUCKET/KEY` or `az://CONTAINER/KEY`")]
    Place,
    /// Not where a service is.
    #[error(
        "an endpoint is `https://HOST[:PORT]`, or `http://` on this machine; Azure's may have a path, the others none"
    )]
    Endpoint,
    /// Not a region.
    #[error("a region has lower-case letters, digits and `-`")]
    Region,
    /// Not the name of an account of Azure's.
    #[error("a storage account has 3 to 24 lower-case letters and digits")]
    Account,
    /// Not a key.
    #[error("{0} is no key")]
    Key(&'static str),
    /// The credential ends before the URL would begin to.
    #[error("the bucket's credential has ended")]
    Ended,
    /// A URL that would give more than it says.
    #[error("a URL of Azure's for `HEAD` would answer `GET` as well")]
    Method,
    /// No such moment.
    #[error("the clock is out of its range")]
    Clock,
    /// The cryptographic provider failed.
    #[error("the cryptographic provider failed")]
    Provider,
}

/// An object: `s3://BUCKET/KEY`, or another scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    at: Elsewhere,
    bucket: String,
    key: String,
}

impl Place {
    /// Whether a text begins as places in buckets do.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        scheme(text).is_some()
    }

    /// Reads a place. An empty key is that of a prefix to which something is yet to be added.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, BucketError> {
        let (at, rest) = scheme(text).ok_or(BucketError::Place)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        // Google's may have underscores, and be longer with dots between; Azure's have neither.
        let (longest, marks): (usize, &[u8]) = match at {
            Elsewhere::S3 => (63, b".-"),
            Elsewhere::Gs => (222, b".-_"),
            Elsewhere::Az => (63, b"-"),
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || marks.contains(&byte);
        let named =
            (3..=longest).contains(&bucket.len()) && bucket.bytes().all(plain) && !bucket.contains("..");
        let edges = [bucket.as_bytes().first(), bucket.as_bytes().last()];
        let named = named && edges.iter().flatten().all(|byte| byte.is_ascii_alphanumeric());
        // Dotted segments are taken out on the way by those who normalize paths.
        let keyed = key.len() <= 1_024
            && !key.contains(|c: char| c.is_control())
            && key.split('/').all(|part| !matches!(part, "." | ".."));
        if named && keyed {
            Ok(Self { at, bucket: bucket.to_owned(), key: key.to_owned() })
        } else {
            Err(BucketError::Place)
        }
    }

    /// Whose bucket it is in.
    #[must_use]
    pub fn at(&self) -> Elsewhere {
        self.at
    }

    /// The object of this name below a prefix.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let prefix = self.key.trim_end_matches('/');
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        Self { at: self.at, bucket: self.bucket.clone(), key }
    }

    /// The last part of its key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

fn scheme(text: &str) -> Option<(Elsewhere, &str)> {
    let all = [Elsewhere::S3, Elsewhere::Gs, Elsewhere::Az];
    all.into_iter().find_map(|at| Some((at, text.strip_prefix(at.as_str())?.strip_prefix("://")?)))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.at.as_str(), self.bucket, self.key)
    }
}

/// A service with buckets, and who asks it.
#[derive(Debug)]
pub enum Bucket {
    /// Amazon's, or another that speaks its protocol.
    S3(s3::Service, s3::Credential),
    /// Google's.
    Gs(gcs::Service, gcs::Credential),
    /// Azure's.
    Az(azure::Service),
}

impl Bucket {
    /// Seconds that a URL may live: as wished, and never beyond seven days or the credential's own end.
    ///
    /// # Errors
    /// If the credential has ended.
    pub fn seconds(&self, wished: u32, now: Timestamp) -> Result<u32, BucketError> {
        match self {
            Self::S3(_, credential) => credential.seconds(wished, now),
            // Neither ends by itself.
            Self::Gs(..) | Self::Az(_) => Ok(wished.clamp(1, PRESIGNED_SECONDS_MAX)),
        }
    }

    /// A URL by which whoever has it may do this to an object, for so many seconds from now.
    ///
    /// # Errors
    /// If the place is another service's, the service has no such URLs, or the clock is out of its range.
    pub fn presign(
        &self,
        method: &Method,
        place: &Place,
        now: Timestamp,
        seconds: u32,
    ) -> Result<String, BucketError> {
        match (self, place.at) {
            (Self::S3(service, credential), Elsewhere::S3) => {
                service.presign(method, place, credential, now, seconds)
            }
            (Self::Gs(service, credential), Elsewhere::Gs) => {
                service.presign(method, place, credential, now, seconds)
            }
            (Self::Az(service), Elsewhere::Az) => service.presign(method, place, now, seconds),
            _ => Err(BucketError::Place),
        }
    }

    /// Headers without which the service takes no object.
    #[must_use]
    pub fn put_headers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::S3(..) | Self::Gs(..) => &[],
            Self::Az(_) => &[("x-ms-blob-type", "BlockBlob")],
        }
    }

    /// What ends every URL that was signed by it, if it is taken away from there.
    #[must_use]
    pub fn credential(&self) -> &str {
        match self {
            Self::S3(_, credential) => &credential.id,
            Self::Gs(_, credential) => credential.id(),
            Self::Az(service) => service.account(),
        }
    }
}

/// An endpoint without its last slash, if it is one; with a path where that may be.
fn endpoint(text: &str, path: bool) -> Result<String, BucketError> {
    let text = text.trim_end_matches('/');
    let there = crate::egress::Destination::parse(text).map_err(|_| BucketError::Endpoint)?;
    let bare = (path || there.base_path().is_empty()) && (there.is_secure() || there.is_loopback());
    if bare { Ok(text.to_owned()) } else { Err(BucketError::Endpoint) }
}
