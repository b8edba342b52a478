//! Google's buckets: URLs by the V4 signing process ("Signatures", Cloud Storage documentation), with an HMAC key or with the
//! RSA key of a service account.

use std::fmt;

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use http::Method;
use mantlet_types::Timestamp;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{BucketError, Place, endpoint};
use crate::sigv4::{GOOGLE, Moment, Scope, encoded, hex};

/// Where buckets are.
const ENDPOINT: &str = "https://storage.googleapis.com";

/// Who asks the bucket.
pub enum Credential {
    /// An HMAC key.
    Hmac {
        /// Its access id.
        id: String,
        /// Its secret.
        secret: Zeroizing<String>,
    },
    /// A service account.
    Account {
        /// Its name, an e-mail address.
        email: String,
        /// Its key.
        key: Box<KeyPair>,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The file of a service account's key, as far as it matters.
#[derive(Deserialize)]
struct AccountFile {
    client_email: String,
    private_key: String,
}

impl Credential {
    /// Reads a service account's key, as Google's console gives it out: JSON with an RSA key in PKCS #8.
    ///
    /// # Errors
    /// If it is none.
    pub fn account(json: &str) -> Result<Self, BucketError> {
        const WHAT: &str = "the service account's file";
        let AccountFile { client_email, private_key } =
            serde_json::from_str(json).map_err(|_| BucketError::Key(WHAT))?;
        let private_key = Zeroizing::new(private_key);
        let der = PrivatePkcs8KeyDer::from_pem_slice(private_key.as_bytes());
        let der = der.map_err(|_| BucketError::Key(WHAT))?;
        let key = KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| BucketError::Key(WHAT))?;
        Ok(Self::Account { email: client_email, key: Box::new(key) })
    }

    /// Its public name.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Hmac { id, .. } => id,
            Self::Account { email, .. } => email,
        }
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Hmac { .. } => "GOOG4-HMAC-SHA256",
            Self::Account { .. } => "GOOG4-RSA-SHA256",
        }
    }

    fn sign(&self, scope: &Scope<'_>, text: &str) -> Result<String, BucketError> {
        match self {
            Self::Hmac { secret, .. } => Ok(scope.sign(secret, text)),
            Self::Account { key, .. } => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
                    .map_err(|_| BucketError::Provider)?;
                Ok(hex(&signature))
            }
        }
    }
}

/// Where buckets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    origin: String,
}

impl Service {
    /// Google's, or a stand-in for it.
    ///
    /// # Errors
    /// If the endpoint is none.
    pub fn new(elsewhere: Option<&str>) -> Result<Self, BucketError> {
        let origin = elsewhere.map(|text| endpoint(text, false)).transpose()?;
        Ok(Self { origin: origin.unwrap_or_else(|| ENDPOINT.to_owned()) })
    }

    /// A URL by which whoever has it may do this to an object, for so many seconds from now.
    ///
    /// # Errors
    /// If the clock is out of its range, or the cryptographic provider fails.
    pub fn presign(
        &self,
        method: &Method,
        place: &Place,
        credential: &Credential,
        now: Timestamp,
        seconds: u32,
    ) -> Result<String, BucketError> {
        let host = self.origin.split_once("://").map_or(self.origin.as_str(), |(_, host)| host);
        let path = format!("/{}/{}", place.bucket, encoded(&place.key, true));
        let Moment { second, day } = Moment::of(now).ok_or(BucketError::Clock)?;
        // One region for all: Google finds the bucket by its name.
        let scope = Scope { dialect: GOOGLE, day: &day, region: "auto", service: "storage" };
        let prefix = GOOGLE.prefix;
        let query = [
            ("Algorithm", credential.algorithm().to_owned()),
            ("Credential", format!("{}/{}", credential.id(), scope.text())),
            ("Date", second.clone()),
            ("Expires", seconds.to_string()),
            ("SignedHeaders", "host".to_owned()),
        ];
        let query =
            query.map(|(name, value)| format!("{prefix}-{name}={}", encoded(&value, false))).join("&");
        let request = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let text = scope.to_sign(credential.algorithm(), &second, &request);
        let signature = credential.sign(&scope, &text)?;
        Ok(format!("{}{path}?{query}&{prefix}-Signature={signature}", self.origin))
    }
}

#[cfg(test)]
mod tests;
