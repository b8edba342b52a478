//! Azure's containers: URLs with a service's shared access signature ("Create a service SAS", Azure Storage REST API, for
//! versions from 2020-12-06), signed with the account's key.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use mantlet_types::Timestamp;
use zeroize::Zeroizing;

use super::{BucketError, Place, endpoint};
use crate::sigv4::{encoded, mac};

/// The version by which the signature is read.
const VERSION: &str = "2021-12-02";

/// An account, its key, and where it is.
pub struct Service {
    account: String,
    key: Zeroizing<Vec<u8>>,
    base: String,
    /// Whether it can be reached over TLS alone.
    secure: bool,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("account", &self.account)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// An account with its key in base 64, at Azure's or at a stand-in whose URLs begin so.
    ///
    /// # Errors
    /// If any of these is none.
    pub fn new(account: &str, key: &str, elsewhere: Option<&str>) -> Result<Self, BucketError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(3..=24).contains(&account.len()) || !account.bytes().all(plain) {
            return Err(BucketError::Account);
        }
        let key = STANDARD.decode(key).map(Zeroizing::new);
        let key =
            key.ok().filter(|key| !key.is_empty()).ok_or(BucketError::Key("the storage account's key"))?;
        let base = match elsewhere {
            Some(text) => endpoint(text, true)?,
            None => format!("https://{account}.blob.core.windows.net"),
        };
        let secure = base.starts_with("https://");
        Ok(Self { account: account.to_owned(), key, base, secure })
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// A URL by which whoever has it may do this to an object, for so many seconds from now. One to read answers `HEAD` as well
    /// as `GET`, so there is none for `HEAD` alone.
    ///
    /// # Errors
    /// If there are no such URLs, or the clock is out of its range.
    pub fn presign(
        &self,
        method: &Method,
        place: &Place,
        now: Timestamp,
        seconds: u32,
    ) -> Result<String, BucketError> {
        let permissions = match *method {
            Method::GET => "r",
            Method::PUT => "cw",
            _ => return Err(BucketError::Method),
        };
        let ends = now.plus_seconds(i64::from(seconds)).encode().ok_or(BucketError::Clock)?;
        let ends: String = ends.iter().take(19).map(|byte| char::from(*byte)).chain(['Z']).collect();
        let Place { bucket, key, .. } = place;
        let resource = format!("/blob/{}/{bucket}/{key}", self.account);
        let protocol = if self.secure { "https" } else { "https,http" };
        // Permissions, start, end, resource, identifier, address, protocol, version, kind, snapshot, encryption scope, and five
        // headers of the reply.
        let text =
            [permissions, "", &ends, &resource, "", "", protocol, VERSION, "b", "", "", "", "", "", "", ""];
        let signature = STANDARD.encode(mac(&self.key, &text.join("\n")));
        let query = [
            ("sv", VERSION),
            ("spr", protocol),
            ("se", ends.as_str()),
            ("sr", "b"),
            ("sp", permissions),
            ("sig", signature.as_str()),
        ];
        let query = query.map(|(name, value)| format!("{name}={}", encoded(value, false))).join("&");
        Ok(format!("{}/{bucket}/{}?{query}", self.base, encoded(key, true)))
    }
}

#[cfg(test)]
mod tests;
