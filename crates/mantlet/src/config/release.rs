//! `[model.release]`, what versions must be to go live, and `[[model.alias]]`, who may call them what. What was typed, and
//! what it means.

use std::collections::{BTreeMap, BTreeSet};

use mantlet_gate::releases::{
    alias::{AliasRule, Bearing, NAMING},
    conditions::Conditions,
    facts::Figure,
};
use mantlet_models::evaluate::FIGURES;
use mantlet_types::{Alias, Sha256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{file::Given, nearest::nearest, resolve::Resolver};

/// Keys of a `[model.release]`.
pub(super) const RELEASE_KEYS: [&str; 5] = ["scan", "signed_by", "evaluated_on", "at_least", "at_most"];

/// Keys of a `[[model.alias]]`.
pub(super) const ALIAS_KEYS: [&str; 3] = ["name", "state", "by"];

/// What the scanner has to have said, in the configuration's words.
const SCANS: [&str; 2] = ["any", "clean"];

/// Before a digest in hexadecimal, as other tools write them.
const SHA256: &str = "sha256:";

/// A `[model.release]` as typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedRelease {
    scan: Option<Given<String>>,
    signed_by: Option<Given<Vec<Given<String>>>>,
    evaluated_on: Option<Given<String>>,
    at_least: BTreeMap<String, Given<f64>>,
    at_most: BTreeMap<String, Given<f64>>,
}

/// A `[[model.alias]]` as typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedAlias {
    name: Given<String>,
    #[serde(default)]
    state: Option<Given<String>>,
    #[serde(default)]
    by: Option<Vec<Given<String>>>,
}

impl Resolver<'_> {
    pub(super) fn conditions(&mut self, typed: Option<&TypedRelease>) -> Conditions {
        let Some(typed) = typed else { return Conditions::default() };
        let clean = |word: &str| SCANS.contains(&word).then_some(word == "clean");
        let scan_clean = self.word("model.release.scan", typed.scan.as_ref(), &SCANS, clean, false);
        let fingerprint = "the SHA-256 of a trusted key's `.pub` file";
        if let Some(listed) = typed.signed_by.as_ref().filter(|listed| listed.value.is_empty()) {
            let hint = "leave it out for any trusted key, or name one: sha256sum of its `.pub` file";
            self.fail(&listed.source, "`signed_by` names no key, so that nothing could go live", hint);
        }
        let listed = typed.signed_by.iter().flat_map(|listed| &listed.value);
        let signed_by = listed.filter_map(|key| self.digest("signed_by", key, fingerprint)).collect();
        let table = "the `data_digest` of a report that `mantlet evaluate --json` makes";
        let typed_table = typed.evaluated_on.as_ref();
        let evaluated_on = typed_table.and_then(|digest| self.digest("evaluated_on", digest, table));
        let at_least = self.bounds("at_least", &typed.at_least, typed_table.is_some());
        let at_most = self.bounds("at_most", &typed.at_most, typed_table.is_some());
        for (name, least) in &at_least {
            if at_most.get(name).is_some_and(|most| most < least)
                && let Some(typed) = typed.at_most.get(&**name)
            {
                let message = format!("`{name}` is to be at most less than it is to be at least");
                self.fail(&typed.source, message, "nothing could ever go live");
            }
        }
        Conditions { scan_clean, signed_by, evaluated_on, at_least, at_most }
    }

    fn digest(&mut self, key: &str, typed: &Given<String>, what: &str) -> Option<Sha256> {
        let text = typed.value.strip_prefix(SHA256).unwrap_or(&typed.value);
        let digest = text.parse().ok();
        if digest.is_none() {
            let message =
                format!("`{key}` is 64 lower-case hexadecimal characters, with or without `{SHA256}`");
            self.fail(&typed.source, message, what);
        }
        digest
    }

    fn bounds(
        &mut self,
        key: &str,
        typed: &BTreeMap<String, Given<f64>>,
        says_where: bool,
    ) -> BTreeMap<Box<str>, Figure> {
        let mut bounds = BTreeMap::new();
        for (name, bound) in typed {
            if !says_where {
                let hint = "a figure is one of certain data: say which by `evaluated_on`";
                self.fail(&bound.source, format!("`{key}` without `evaluated_on`"), hint);
            }
            if !FIGURES.contains(&name.as_str()) {
                let hint = match nearest(name, FIGURES) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known figures: `{}`", FIGURES.join("`, `")),
                };
                self.fail(&bound.source, format!("`{key}` names no figure of a report"), hint);
            }
            match Figure::try_from(bound.value) {
                Ok(figure) => drop(bounds.insert(name.as_str().into(), figure)),
                Err(error) => self.fail(&bound.source, format!("`{key}`: {error}"), "write a number"),
            }
        }
        bounds
    }

    pub(super) fn aliases(&mut self, typed: &[TypedAlias]) -> BTreeMap<Alias, AliasRule> {
        let mut rules = BTreeMap::new();
        for TypedAlias { name, state, by } in typed {
            let default = AliasRule::default();
            let words = Bearing::ALL.map(Bearing::as_str);
            let bearing = |word: &str| Bearing::ALL.into_iter().find(|bearing| bearing.as_str() == word);
            let state = self.word("model.alias.state", state.as_ref(), &words, bearing, default.state);
            let roles = NAMING.map(mantlet_types::Role::as_str);
            let by = by.as_ref().map_or(default.by, |listed| {
                if listed.is_empty() {
                    self.fail(
                        &name.source,
                        "`by` names no role, so that nobody could give the alias",
                        "leave it out",
                    );
                }
                let role = |word: &str| NAMING.into_iter().find(|role| role.as_str() == word);
                let each = |typed| self.word("model.alias.by", Some(typed), &roles, role, NAMING[0]);
                listed.iter().map(each).collect::<BTreeSet<_>>()
            });
            match name.value.parse::<Alias>() {
                Err(error) => self.fail(&name.source, error.to_string(), "`live` is whatever callers get"),
                Ok(alias) => {
                    if rules.insert(alias, AliasRule { state, by }).is_some() {
                        self.fail(
                            &name.source,
                            "two rules for one alias",
                            "put both into one `[[model.alias]]`",
                        );
                    }
                }
            }
        }
        rules
    }
}

/// Conditions for `config check`.
pub(super) fn shown(conditions: &Conditions) -> Value {
    let mut shown = json!({ "scan": if conditions.scan_clean { "clean" } else { "any" } });
    let mut put = |key: &str, value: Value| shown[key] = value;
    if !conditions.signed_by.is_empty() {
        put("signed_by", json!(conditions.signed_by));
    }
    if let Some(data) = conditions.evaluated_on {
        put("evaluated_on", json!(data));
    }
    for (key, bounds) in [("at_least", &conditions.at_least), ("at_most", &conditions.at_most)] {
        if !bounds.is_empty() {
            put(key, json!(bounds));
        }
    }
    shown
}

/// Rules for `config check`.
pub(super) fn shown_aliases(rules: &BTreeMap<Alias, AliasRule>) -> Value {
    let rule = |(name, rule): (&Alias, &AliasRule)| json!({ "name": name, "state": rule.state.as_str(), "by": rule.by });
    rules.iter().map(rule).collect()
}
