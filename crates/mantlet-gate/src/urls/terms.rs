//! What a signed URL says: everything that its signature covers, and the text that is signed.

use std::{str::FromStr, sync::Arc};

use ipnet::IpNet;
use mantlet_types::{
    ModelName, Sha256, Timestamp, UserId, Version,
    url::{UrlId, UrlKid},
};
use serde::{Deserialize, Serialize};

/// The one method that a URL answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UrlMethod {
    /// The bytes.
    #[default]
    Get,
    /// That they are there, how many there are, and their digest.
    Head,
}

impl UrlMethod {
    /// HTTP's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// No such method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`GET` or `HEAD`")]
pub struct UrlMethodError;

impl FromStr for UrlMethod {
    type Err = UrlMethodError;
    fn from_str(text: &str) -> Result<Self, UrlMethodError> {
        [Self::Get, Self::Head].into_iter().find(|method| method.as_str() == text).ok_or(UrlMethodError)
    }
}

/// What a signed URL says: everything that its signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlTerms {
    /// The method.
    pub method: UrlMethod,
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: Version,
    /// What the registry keeps the version's package under: the digest of every byte of it.
    pub package: Sha256,
    /// The only file of the package that may be had; all of the package if absent.
    pub file: Option<Arc<str>>,
    /// Not valid from here on; whole seconds.
    pub expires: Timestamp,
    /// Which key signed.
    pub kid: UrlKid,
    /// Who had it signed: whoever brings it has what this person may have, and no more.
    pub user: UserId,
    /// Which URL this is.
    pub id: UrlId,
    /// Where it may come from; anywhere that the allowlist admits if absent.
    pub network: Option<IpNet>,
    /// Whether it is good for one answer only.
    pub once: bool,
}

impl UrlTerms {
    /// The moment in seconds since 1970.
    #[must_use]
    pub fn expires_seconds(&self) -> i64 {
        self.expires.micros().div_euclid(1_000_000)
    }

    /// What is signed: one line for each member, in an order that never changes. No member but the last can contain the
    /// end of a line, so no two terms have one text.
    #[must_use]
    pub fn canonical(&self) -> String {
        let Self { method, model, version, package, file, kid, user, id, network, once, .. } = self;
        let network = network.map_or_else(|| "-".to_owned(), |network| network.to_string());
        let (uses, expires) = (if *once { "once" } else { "many" }, self.expires_seconds());
        let scope = file.as_ref().map_or_else(|| "package".to_owned(), |name| format!("file {name}"));
        format!(
            "mantlet.url/1\n{}\n{model}\n{version}\n{package}\n{expires}\n{kid}\n{user}\n{id}\n{network}\n{uses}\n{scope}",
            method.as_str()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_said_is_in_what_is_signed() {
        let terms = UrlTerms {
            method: UrlMethod::Get,
            model: "loans".parse().unwrap(),
            version: Version::FIRST,
            package: Sha256([7; 32]),
            file: None,
            expires: Timestamp::from_micros(1_790_000_000_000_000),
            kid: UrlKid::FIRST,
            user: "alice".parse().unwrap(),
            id: UrlId([1; 16]),
            network: None,
            once: false,
        };
        let others = [
            UrlTerms { method: UrlMethod::Head, ..terms.clone() },
            UrlTerms { model: "loan".parse().unwrap(), ..terms.clone() },
            UrlTerms { version: Version::try_from(2).unwrap(), ..terms.clone() },
            UrlTerms { package: Sha256([8; 32]), ..terms.clone() },
            UrlTerms { file: Some("package".into()), ..terms.clone() },
            UrlTerms { file: Some("a\nb".into()), ..terms.clone() },
            UrlTerms { expires: terms.expires.plus_seconds(1), ..terms.clone() },
            UrlTerms { kid: UrlKid::FIRST.next().unwrap(), ..terms.clone() },
            UrlTerms { user: "bob".parse().unwrap(), ..terms.clone() },
            UrlTerms { id: UrlId([2; 16]), ..terms.clone() },
            UrlTerms { network: Some("10.0.0.0/8".parse().unwrap()), ..terms.clone() },
            UrlTerms { once: true, ..terms.clone() },
        ];
        let texts: std::collections::BTreeSet<String> =
            others.iter().chain([&terms]).map(UrlTerms::canonical).collect();
        assert_eq!(texts.len(), others.len() + 1);
        assert!("get".parse::<UrlMethod>().is_err());
        assert_eq!(
            terms.canonical().lines().collect::<Vec<_>>(),
            [
                "mantlet.url/1",
                "GET",
                "loans",
                "1",
                &"07".repeat(32),
                "1790000000",
                "k1",
                "alice",
                &"01".repeat(16),
                "-",
                "many",
                "package"
            ]
        );
    }
}
