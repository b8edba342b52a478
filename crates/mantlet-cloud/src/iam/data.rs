//! What the cloud knows of its actions: access levels, resource types and their ARNs, types of condition keys.
//! Embedded, with its date; where it comes from, and under which licences, is in `data/README.md`.

use std::{collections::BTreeMap, io::Read, sync::LazyLock};

use flate2::read::GzDecoder;

static EMBEDDED: LazyLock<Data> = LazyLock::new(|| {
    let mut text = String::new();
    // A file of the build that does not decompress leaves no data, and then no action is known: tests see to it.
    let _ = GzDecoder::new(&include_bytes!("../../data/iam.txt.gz")[..]).read_to_string(&mut text);
    Data::parse(text)
});

/// All services.
#[derive(Debug)]
pub struct Data {
    date: String,
    services: BTreeMap<String, Service>,
}

/// One service.
#[derive(Debug, Default)]
pub struct Service {
    /// Its actions; names lower-case.
    pub actions: BTreeMap<String, Action>,
    /// ARNs of its resource types, `$` for what varies.
    pub resources: BTreeMap<String, String>,
    /// Types of its condition keys; names lower-case.
    pub keys: BTreeMap<String, String>,
}

/// One action.
#[derive(Debug)]
pub struct Action {
    /// Its name, as `s3:GetObject`.
    pub name: String,
    /// What it can do.
    pub level: Level,
    /// Resource types that it is granted on, and whether each is required; none where it has none but `*`.
    pub resources: Vec<(String, bool)>,
}

/// What an action can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// See names.
    List,
    /// See contents.
    Read,
    /// Change contents.
    Write,
    /// Change tags.
    Tagging,
    /// Change who may do what.
    Permissions,
}

impl Data {
    /// The embedded data.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// The day that the data is from, as `2026-09-26`.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.date
    }

    fn parse(text: String) -> Self {
        let mut data = Self { date: String::new(), services: BTreeMap::new() };
        let (mut prefix, mut service) = (String::new(), Service::default());
        for line in text.lines() {
            if let Some(date) = line.strip_prefix("# ") {
                date.clone_into(&mut data.date);
            } else if let Some(next) = line.strip_prefix('@') {
                let before = std::mem::replace(&mut prefix, next.to_owned());
                let finished = std::mem::take(&mut service);
                if !before.is_empty() {
                    data.services.insert(before, finished);
                }
            } else if let Some((key, kind)) = line.strip_prefix('?').and_then(|rest| rest.split_once(' ')) {
                service.keys.insert(key.to_ascii_lowercase(), kind.to_owned());
            } else if let Some((name, arn)) = line.strip_prefix('=').and_then(|rest| rest.split_once(' ')) {
                service.resources.insert(name.to_owned(), arn.to_owned());
            } else if let Some(action) = action(&prefix, line) {
                let name = action.name.split(':').nth(1).unwrap_or_default().to_ascii_lowercase();
                service.actions.insert(name, action);
            }
        }
        data.services.insert(prefix, service);
        drop(text);
        data
    }

    /// The service of a prefix, as `s3`; case does not matter.
    #[must_use]
    pub fn service(&self, prefix: &str) -> Option<&Service> {
        self.services.get(&prefix.to_ascii_lowercase())
    }

    /// The action of a name, as `s3:GetObject`; case does not matter.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        let (prefix, action) = name.split_once(':')?;
        self.service(prefix)?.actions.get(&action.to_ascii_lowercase())
    }

    /// All actions.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.services.values().flat_map(|service| service.actions.values())
    }

    /// Shapes of the ARNs that an action can be granted on, `$` for what varies.
    #[must_use]
    pub fn shapes<'d>(&'d self, action: &'d Action) -> Vec<&'d str> {
        let Some(service) = action.name.split(':').next().and_then(|prefix| self.service(prefix)) else {
            return Vec::new();
        };
        action
            .resources
            .iter()
            .filter_map(|(name, _)| service.resources.get(name).map(String::as_str))
            .collect()
    }

    /// Whether a key can have several values in one request; `None` where that is not known.
    #[must_use]
    pub fn multivalued(&self, key: &str) -> Option<bool> {
        let key = key.to_ascii_lowercase();
        let (prefix, _) = key.split_once(':')?;
        if prefix == "aws" {
            return Some(GLOBAL_MULTIVALUED.contains(&key.as_str()));
        }
        let kind = self.service(prefix)?.keys.get(&key)?;
        Some(kind.starts_with("ArrayOf"))
    }
}

/// Keys of every service that have several values (AWS IAM, "AWS global condition context keys").
const GLOBAL_MULTIVALUED: [&str; 7] = [
    "aws:calledvia",
    "aws:principalorgpaths",
    "aws:principalservicenameslist",
    "aws:resourceorgpaths",
    "aws:sourceorgpaths",
    "aws:tagkeys",
    "aws:vpceorgpaths",
];

fn action(prefix: &str, line: &str) -> Option<Action> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let level = match words.next()? {
        "L" => Level::List,
        "R" => Level::Read,
        "W" => Level::Write,
        "T" => Level::Tagging,
        "P" => Level::Permissions,
        _ => return None,
    };
    let resources = words.map(|word| match word.strip_suffix('!') {
        Some(name) => (name.to_owned(), true),
        None => (word.to_owned(), false),
    });
    Some(Action { name: format!("{prefix}:{name}"), level, resources: resources.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_data_is_whole() {
        let data = Data::embedded();
        assert_eq!(data.date(), "2026-09-26");
        assert_eq!(data.actions().count(), 22_091);
        let put = data.action("S3:putobject").unwrap();
        assert_eq!((put.name.as_str(), put.level), ("s3:PutObject", Level::Write));
        assert!(data.shapes(put).contains(&"arn:$:s3:::$/$"));
        assert_eq!(data.action("iam:PassRole").unwrap().level, Level::Permissions, "an override");
        assert!(data.action("s3:NoSuch").is_none() && data.action("s3").is_none());
        assert_eq!(data.multivalued("aws:TagKeys"), Some(true));
        assert_eq!(data.multivalued("aws:SourceIp"), Some(false));
        assert_eq!(data.multivalued("s3:RequestObjectTagKeys"), Some(true));
    }
}
