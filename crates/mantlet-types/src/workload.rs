//! The names by which workloads prove who they are: SPIFFE ids in certificates, subjects in tokens.
//!
//! Each is checked once, where it enters, and from then on compared byte by byte: there is no form of a name that
//! means another one. What a name stands for is the directory's business.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::id::IssuerName;

/// Longest SPIFFE id in bytes (SPIFFE-ID, section 2.3).
pub const SPIFFE_ID_BYTES_MAX: usize = 2_048;

/// Longest name of a trust domain in bytes (SPIFFE-ID, section 2.3).
pub const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// Longest subject of a token in bytes (OpenID Connect Core, section 2: `sub`).
pub const SUBJECT_BYTES_MAX: usize = 255;

const SCHEME: &str = "spiffe://";

/// Why a text is no name of a workload. The text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// Not `spiffe://…`.
    #[error("a SPIFFE id is written as `spiffe://TRUST-DOMAIN/PATH`")]
    Scheme,
    /// More than a SPIFFE id may have.
    #[error("a SPIFFE id has at most 2048 bytes")]
    Length,
    /// No name of a trust domain.
    #[error("a trust domain has 1 to 255 lower-case letters, digits, `.`, `_` or `-`")]
    TrustDomain,
    /// No path of a workload.
    #[error(
        "the path of a workload's SPIFFE id has one segment or more of letters, digits, `.`, `_` or `-`, none of them \
         empty, `.` or `..`"
    )]
    Path,
    /// No subject.
    #[error("a subject has 1 to 255 printable ASCII characters")]
    Subject,
    /// No id of an identity.
    #[error("an identity's id is written as 32 lower-case hexadecimal characters")]
    Id,
}

/// Makes a checked text a type of its own, as serde and the rest of the house want it.
macro_rules! text {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = WorkloadError;
            fn try_from(text: String) -> Result<Self, WorkloadError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), &self.0)
            }
        }
    };
}

/// The name of a SPIFFE trust domain: one authority, or several that stand for each other.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustDomain(Arc<str>);

text!(TrustDomain);

impl FromStr for TrustDomain {
    type Err = WorkloadError;
    fn from_str(text: &str) -> Result<Self, WorkloadError> {
        if is_trust_domain(text) { Ok(Self(text.into())) } else { Err(WorkloadError::TrustDomain) }
    }
}

fn is_trust_domain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    (1..=TRUST_DOMAIN_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// The SPIFFE id of a workload (SPIFFE-ID, section 2): a trust domain and a path. An id without a path names a trust
/// domain, which is no workload and is refused here.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId(Arc<str>);

text!(SpiffeId);

impl SpiffeId {
    /// The trust domain as text.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        let rest = self.0.get(SCHEME.len()..).unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    /// The path, which begins with `/`: which of the trust domain's workloads it is.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.get(SCHEME.len() + self.trust_domain().len()..).unwrap_or_default()
    }
}

impl FromStr for SpiffeId {
    type Err = WorkloadError;

    /// Byte by byte and without any decoding: neither percent-encoding, nor a port, nor user information, nor a query
    /// fits the alphabets of trust domain and path (SPIFFE-ID, sections 2.1 and 2.2).
    fn from_str(text: &str) -> Result<Self, WorkloadError> {
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return Err(WorkloadError::Length);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(WorkloadError::Scheme)?;
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_trust_domain(domain) {
            return Err(WorkloadError::TrustDomain);
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let segment = |text: &str| !matches!(text, "" | "." | "..") && text.bytes().all(plain);
        if path.split('/').all(segment) { Ok(Self(text.into())) } else { Err(WorkloadError::Path) }
    }
}

/// The `sub` of a token: whom its issuer speaks of. Printable, so that it can be shown.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(Arc<str>);

text!(Subject);

impl FromStr for Subject {
    type Err = WorkloadError;
    fn from_str(text: &str) -> Result<Self, WorkloadError> {
        let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        let fits = (1..=SUBJECT_BYTES_MAX).contains(&text.len());
        if fits && printable { Ok(Self(text.into())) } else { Err(WorkloadError::Subject) }
    }
}

/// What a workload shows itself as, without any secret that somebody else would have to keep.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum WorkloadIdentity {
    /// The URI of a certificate that its trust domain has issued.
    Spiffe {
        /// The whole of it; nothing below it, and nothing like it.
        spiffe: SpiffeId,
    },
    /// The subject of a token that a configured issuer has signed.
    Token {
        /// The issuer's name in the configuration.
        issuer: IssuerName,
        /// The subject, exactly.
        subject: Subject,
    },
}

/// The short form of a [`WorkloadIdentity`]: the first half of a SHA-256, for entries of the audit log and for paths,
/// neither of which takes text from elsewhere. Computing one is the business of whoever has a digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdentityId(pub [u8; 16]);

impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityId({self})")
    }
}

impl FromStr for IdentityId {
    type Err = WorkloadError;
    fn from_str(text: &str) -> Result<Self, WorkloadError> {
        let canonical = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| canonical).ok_or(WorkloadError::Id)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl TryFrom<String> for IdentityId {
    type Error = WorkloadError;
    fn try_from(text: String) -> Result<Self, WorkloadError> {
        text.parse()
    }
}

impl From<IdentityId> for String {
    fn from(id: IdentityId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_is_a_trust_domain_and_a_path() {
        let id: SpiffeId = "spiffe://prod.example/ns/shop/sa/Fraud_1.2-x".parse().unwrap();
        assert_eq!(id.trust_domain(), "prod.example");
        for good in ["spiffe://a/b", "spiffe://a_b-c.1/...", "spiffe://1/.a"] {
            assert!(good.parse::<SpiffeId>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", WorkloadError::Scheme),
            ("prod.example/a", WorkloadError::Scheme),
            ("SPIFFE://prod.example/a", WorkloadError::Scheme),
            ("spiffe:/prod.example/a", WorkloadError::Scheme),
            ("https://prod.example/a", WorkloadError::Scheme),
            ("spiffe:///a", WorkloadError::TrustDomain),
            ("spiffe://Prod.example/a", WorkloadError::TrustDomain),
            ("spiffe://prod.example:443/a", WorkloadError::TrustDomain),
            ("spiffe://me@prod.example/a", WorkloadError::TrustDomain),
            ("spiffe://pröd/a", WorkloadError::TrustDomain),
            ("spiffe://prod.example?x/a", WorkloadError::TrustDomain),
            ("spiffe://prod.example", WorkloadError::Path),
            ("spiffe://prod.example/", WorkloadError::Path),
            ("spiffe://prod.example/a/", WorkloadError::Path),
            ("spiffe://prod.example//a", WorkloadError::Path),
            ("spiffe://prod.example/a//b", WorkloadError::Path),
            ("spiffe://prod.example/./a", WorkloadError::Path),
            ("spiffe://prod.example/a/..", WorkloadError::Path),
            ("spiffe://prod.example/a%2fb", WorkloadError::Path),
            ("spiffe://prod.example/a?b", WorkloadError::Path),
            ("spiffe://prod.example/a#b", WorkloadError::Path),
            ("spiffe://prod.example/a b", WorkloadError::Path),
            ("spiffe://prod.example/a\n", WorkloadError::Path),
            ("spiffe://prod.example/é", WorkloadError::Path),
        ] {
            assert_eq!(bad.parse::<SpiffeId>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn names_of_workloads_are_bounded() {
        let domain = "d".repeat(TRUST_DOMAIN_BYTES_MAX);
        assert!(format!("spiffe://{domain}/a").parse::<SpiffeId>().is_ok());
        assert!(format!("spiffe://{domain}d/a").parse::<SpiffeId>().is_err());
        let path = "p".repeat(SPIFFE_ID_BYTES_MAX - "spiffe://td/".len());
        assert!(format!("spiffe://td/{path}").parse::<SpiffeId>().is_ok());
        assert_eq!(format!("spiffe://td/{path}p").parse::<SpiffeId>(), Err(WorkloadError::Length));
        assert!("s".repeat(SUBJECT_BYTES_MAX).parse::<Subject>().is_ok());
        for bad in [String::new(), "s".repeat(SUBJECT_BYTES_MAX + 1), "a\u{7f}".into(), "ä".into()] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_identity_is_written_in_one_way() {
        let spiffe = r#"{"spiffe":"spiffe://td/a"}"#;
        let token = r#"{"issuer":"ci","subject":"repo:a/b"}"#;
        for text in [spiffe, token] {
            let identity: WorkloadIdentity = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&identity).unwrap(), text);
        }
        for bad in [
            r#"{"spiffe":"spiffe://td/a","issuer":"ci","subject":"x"}"#,
            r#"{"issuer":"ci"}"#,
            r#"{"issuer":"CI","subject":"x"}"#,
            r#"{"spiffe":"td/a"}"#,
            "{}",
        ] {
            assert!(serde_json::from_str::<WorkloadIdentity>(bad).is_err(), "{bad}");
        }
        let id = IdentityId([0xAB; 16]);
        assert_eq!(id.to_string().parse::<IdentityId>().unwrap(), id);
        for bad in ["", "ab", &"AB".repeat(16), &format!("+{}", "a".repeat(31))] {
            assert!(bad.parse::<IdentityId>().is_err(), "{bad}");
        }
    }
}
