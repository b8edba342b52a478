//! How people name a version: `NAME`, `NAME@3`, `NAME@champion`, `NAME@live`.
//!
//! One spelling for commands, paths and bodies, read in one place. What an alias stands for only the directory knows, so
//! a reference is resolved where the directory is, and what is recorded afterwards is always a number.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{ModelName, Version, id::IdError, limits::ID_BYTES_MAX};

/// The word for whichever version callers get. No alias can have this name.
pub const LIVE: &str = "live";

/// How aliases look.
const ALIAS_FORM: &str =
    "has 1 to 64 lower-case letters, digits, `.`, `_` or `-`, begins with a letter and is not `live`";

/// How a version is named.
const REF_FORM: &str = "is named by its number, by an alias, or as `live`";

/// A name that people give to a version of a model, and may give to another later. It begins with a letter, so it is
/// never taken for a number, and it is never `live`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Alias(Arc<str>);

impl Alias {
    /// The alias as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Alias {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let is_alias = text.len() <= ID_BYTES_MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(plain)
            && text != LIVE;
        if is_alias {
            Ok(Self(text.into()))
        } else {
            Err(IdError { noun: "version's alias", form: ALIAS_FORM })
        }
    }
}

impl TryFrom<String> for Alias {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Alias> for String {
    fn from(alias: Alias) -> Self {
        alias.0.as_ref().to_owned()
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alias({})", &self.0)
    }
}

/// A version of a model that is known otherwise: by its number, as the live one, or by an alias.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VersionRef {
    /// This one.
    Number(Version),
    /// Whichever is live.
    Live,
    /// Whichever is called so.
    Alias(Alias),
}

impl From<Version> for VersionRef {
    fn from(version: Version) -> Self {
        Self::Number(version)
    }
}

impl FromStr for VersionRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == LIVE {
            return Ok(Self::Live);
        }
        let number = text.parse().map(Self::Number);
        number
            .or_else(|_| text.parse().map(Self::Alias))
            .map_err(|_| IdError { noun: "version", form: REF_FORM })
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(version) => version.fmt(f),
            Self::Live => f.write_str(LIVE),
            Self::Alias(alias) => alias.fmt(f),
        }
    }
}

/// A number as a number, everything else as text; as text, a number may come, too.
impl<'de> Deserialize<'de> for VersionRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = VersionRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a version's number, an alias, or `live`")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<VersionRef, E> {
                let number = u32::try_from(number).map_err(E::custom)?;
                Version::try_from(number).map(VersionRef::Number).map_err(E::custom)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<VersionRef, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A model, or one version of it: `NAME[@VERSION|@ALIAS|@live]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelRef {
    /// The model.
    pub model: ModelName,
    /// The version, if one is named.
    pub version: Option<VersionRef>,
}

impl FromStr for ModelRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        // No model name has an `@`.
        let (model, version) = match text.split_once('@') {
            Some((model, version)) => (model, Some(version.parse()?)),
            None => (text, None),
        };
        Ok(Self { model: model.parse()?, version })
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.model),
            None => self.model.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_number_an_alias_or_live_and_never_two_of_them() {
        let read = |text: &str| text.parse::<VersionRef>();
        assert_eq!(read("12").unwrap(), VersionRef::Number(12.try_into().unwrap()));
        assert_eq!(read("live").unwrap(), VersionRef::Live);
        assert_eq!(read("champion").unwrap(), VersionRef::Alias("champion".parse().unwrap()));
        for bad in ["", "0", "012", "+1", "1a", "-a", ".", "Live", "LIVE", "a b", "a/b", "a@b", "é"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!("live".parse::<Alias>().is_err() && "7".parse::<Alias>().is_err());
        assert!("a".repeat(ID_BYTES_MAX + 1).parse::<Alias>().is_err());
    }

    #[test]
    fn a_model_is_named_with_or_without_a_version() {
        for text in ["tumors", "tumors@3", "tumors@live", "0x@champion.eu-1"] {
            assert_eq!(text.parse::<ModelRef>().unwrap().to_string(), text);
        }
        for bad in ["@1", "tumors@", "tumors@1@2", "tumors@@live", "Tumors@1", "tumors@0"] {
            assert!(bad.parse::<ModelRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn in_json_a_number_comes_as_one_or_as_text() {
        let read = |text: &str| serde_json::from_str::<VersionRef>(text);
        assert_eq!(read("3").unwrap(), read("\"3\"").unwrap());
        assert_eq!(read("\"live\"").unwrap(), VersionRef::Live);
        for bad in ["0", "-1", "4294967296", "1.5", "null", "\"\"", "[1]"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
