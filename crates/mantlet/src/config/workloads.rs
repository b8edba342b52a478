//! Who vouches for workloads: `[[identity.trust_domain]]` for their certificates, `[[identity.issuer]]` for their
//! tokens. What was typed, and what it means.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use ipnet::IpNet;
use mantlet_gate::identity::{
    token::{Algorithm, Rules, TokenType},
    workload::Holders,
};
use mantlet_types::{
    id::IssuerName,
    workload::{TrustDomain, WorkloadError},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    file::{Given, Source},
    resolve::Resolver,
};
use crate::egress;

/// Keys of an `[[identity.trust_domain]]`.
pub(super) const TRUST_DOMAIN_KEYS: [&str; 3] = ["name", "ca", "projects"];

/// Keys of an `[[identity.issuer]]`.
pub(super) const ISSUER_KEYS: [&str; 11] = [
    "name",
    "issuer",
    "audience",
    "algorithms",
    "typ",
    "jwks",
    "jwks_file",
    "ca",
    "networks",
    "max_age_s",
    "projects",
];

/// Of each kind. Every request with a token looks at all issuers.
const SOURCES_MAX: usize = 32;

/// An issuer's name or an audience, in bytes: what a URL in a header may have.
const TEXT_BYTES_MAX: usize = 1_024;

/// An `[[identity.trust_domain]]` as typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedTrustDomain {
    name: Given<String>,
    ca: Given<String>,
    #[serde(default)]
    projects: Option<BTreeMap<String, Given<String>>>,
}

/// An `[[identity.issuer]]` as typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedIssuer {
    name: Given<String>,
    issuer: Given<String>,
    audience: Given<String>,
    #[serde(default)]
    algorithms: Option<Vec<Given<String>>>,
    #[serde(default)]
    typ: Option<Given<String>>,
    #[serde(default)]
    jwks: Option<Given<String>>,
    #[serde(default)]
    jwks_file: Option<Given<String>>,
    #[serde(default)]
    ca: Option<Given<String>>,
    #[serde(default)]
    networks: Option<Vec<Given<String>>>,
    #[serde(default)]
    max_age_s: Option<Given<i64>>,
    #[serde(default)]
    projects: Option<BTreeMap<String, Given<String>>>,
}

/// `[[identity.trust_domain]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomainSettings {
    /// Its name, as in the ids of its workloads.
    pub name: TrustDomain,
    /// The bundle: PEM certificates of its authorities.
    pub ca: PathBuf,
    /// Who may have its names.
    pub holders: Holders,
}

/// `[[identity.issuer]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSettings {
    /// What identities of applications call it.
    pub name: IssuerName,
    /// What its tokens must be.
    pub rules: Rules,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// At its own place.
    Fetched {
        /// `https://host[:port]`
        origin: String,
        /// The path of the key set there.
        path: String,
        /// Whose certificates count there; the system's authorities if absent.
        ca: Option<PathBuf>,
        /// Networks beside the public internet that the name may resolve to.
        networks: Vec<IpNet>,
        /// After this they are fetched again.
        max_age: Duration,
    },
}

impl TrustDomainSettings {
    /// For `config check`.
    pub(super) fn shown(&self) -> Value {
        json!({ "name": self.name, "ca": self.ca, "projects": projects(&self.holders) })
    }
}

impl IssuerSettings {
    /// For `config check`.
    pub(super) fn shown(&self) -> Value {
        let Rules { issuer, audience, algorithms, typ, holders } = &self.rules;
        let algorithms: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let mut shown = json!({
            "name": self.name, "issuer": issuer, "audience": audience, "algorithms": algorithms, "typ": typ_word(*typ),
            "projects": projects(holders),
        });
        match &self.keys {
            KeySource::File(path) => shown["jwks_file"] = json!(path),
            KeySource::Fetched { origin, path, ca, networks, max_age } => {
                shown["jwks"] = json!(format!("{origin}{path}"));
                shown["ca"] = json!(ca);
                shown["networks"] = networks.iter().map(ToString::to_string).collect();
                shown["max_age_s"] = json!(max_age.as_secs());
            }
        }
        shown
    }
}

fn projects(holders: &Holders) -> Value {
    holders.projects().map(|(project, begin)| (project.to_string(), json!(begin))).collect()
}

const TYP_WORDS: &[&str] = &["at+jwt", "JWT", "absent"];

fn typ_word(typ: TokenType) -> &'static str {
    match typ {
        TokenType::AccessToken => "at+jwt",
        TokenType::Jwt => "JWT",
        TokenType::Absent => "absent",
    }
}

fn typ_of(word: &str) -> Option<TokenType> {
    [TokenType::AccessToken, TokenType::Jwt, TokenType::Absent].into_iter().find(|typ| typ_word(*typ) == word)
}

impl Resolver<'_> {
    pub(super) fn trust_domains(&mut self, typed: &[TypedTrustDomain]) -> Vec<TrustDomainSettings> {
        let mut domains: Vec<TrustDomainSettings> = Vec::new();
        self.few(typed.get(SOURCES_MAX).map(|one| &one.name), "trust domains");
        for one in typed {
            let ca = self.path("identity.trust_domain.ca", &one.ca);
            let holders = self.holders("identity.trust_domain.projects", one.projects.as_ref(), "/");
            match one.name.value.parse::<TrustDomain>() {
                Ok(name) if domains.iter().any(|known| known.name == name) => {
                    let hint = "put all authorities of a trust domain into one file";
                    self.fail(&one.name.source, format!("two sections for trust domain `{name}`"), hint);
                }
                Ok(name) => domains.push(TrustDomainSettings { name, ca, holders }),
                Err(error) => {
                    let error: WorkloadError = error;
                    let hint = "without `spiffe://` and without a path: `prod.example`";
                    self.fail(&one.name.source, error.to_string(), hint);
                }
            }
        }
        domains
    }

    pub(super) fn issuers(&mut self, typed: &[TypedIssuer]) -> Vec<IssuerSettings> {
        let mut issuers: Vec<IssuerSettings> = Vec::new();
        self.few(typed.get(SOURCES_MAX).map(|one| &one.name), "issuers");
        for one in typed {
            let name = one.name.value.parse::<IssuerName>();
            if let Err(error) = &name {
                self.fail(&one.name.source, error.to_string(), "a short name of your own, such as `ci`");
            }
            let rules = self.rules(one);
            let keys = self.key_source(one);
            let (Ok(name), Some(keys)) = (name, keys) else { continue };
            if issuers.iter().any(|known| known.name == name || known.rules.issuer == rules.issuer) {
                let hint = "each issuer has one section, with one name and one `issuer`";
                self.fail(&one.name.source, format!("two sections for issuer `{name}`"), hint);
            }
            issuers.push(IssuerSettings { name, rules, keys });
        }
        issuers
    }

    fn few(&mut self, beyond: Option<&Given<String>>, what: &str) {
        if let Some(beyond) = beyond {
            let hint = "trust fewer";
            self.fail(&beyond.source, format!("there can be at most {SOURCES_MAX} {what}"), hint);
        }
    }

    /// Who may have which names; the home project all of them, if nobody says anything. `all` is how every name begins.
    fn holders(&mut self, key: &str, typed: Option<&BTreeMap<String, Given<String>>>, all: &str) -> Holders {
        let Some(typed) = typed else {
            return Holders::new("home".parse().map(|home| (home, all.into())));
        };
        let mut holders = Vec::with_capacity(typed.len());
        for (project, begin) in typed {
            let printable = begin.value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
            if begin.value.len() > TEXT_BYTES_MAX || !printable || !begin.value.starts_with(all) {
                let hint = match all {
                    "/" => "how the paths of the project's workloads begin: `/ns/red`, or `/` for all",
                    _ => "how the subjects of the project's workloads begin: `repo:red/`, or nothing for all",
                };
                self.fail(&begin.source, format!("`{key}` has something that no name begins with"), hint);
            }
            match project.parse() {
                Ok(project) => holders.push((project, begin.value.as_str().into())),
                Err(_) => {
                    let hint = "`mantlet project create` makes projects";
                    self.fail(
                        &begin.source,
                        format!("`{key}` has something that is no project's name"),
                        hint,
                    );
                }
            }
        }
        Holders::new(holders)
    }

    fn rules(&mut self, typed: &TypedIssuer) -> Rules {
        // Compared byte by byte with what tokens say, so nothing about it is made prettier.
        if !typed.issuer.value.starts_with("https://") {
            let hint = "exactly what its tokens have as `iss`, which begins with `https://`";
            self.fail(&typed.issuer.source, "`identity.issuer.issuer` is no issuer", hint);
        }
        for (key, text) in [("issuer", &typed.issuer), ("audience", &typed.audience)] {
            let printable = text.value.bytes().all(|byte| byte.is_ascii_graphic());
            if !(1..=TEXT_BYTES_MAX).contains(&text.value.len()) || !printable {
                let hint = format!("1 to {TEXT_BYTES_MAX} printable characters without spaces");
                self.fail(&text.source, format!("`identity.issuer.{key}` cannot be in a token"), hint);
            }
        }
        Rules {
            issuer: typed.issuer.value.clone(),
            audience: typed.audience.value.clone(),
            algorithms: self.algorithms(typed),
            typ: self.word(
                "identity.issuer.typ",
                typed.typ.as_ref(),
                TYP_WORDS,
                typ_of,
                TokenType::AccessToken,
            ),
            holders: self.holders("identity.issuer.projects", typed.projects.as_ref(), ""),
        }
    }

    fn algorithms(&mut self, typed: &TypedIssuer) -> Vec<Algorithm> {
        let Some(listed) = &typed.algorithms else {
            return vec![Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
        };
        let words = Algorithm::ALL.map(Algorithm::as_str);
        if listed.is_empty() {
            let hint = format!("some of `{}`", words.join("`, `"));
            self.fail(&typed.name.source, "an issuer without algorithms signs nothing", hint);
        }
        let key = "identity.issuer.algorithms";
        let named = |one| self.word(key, Some(one), &words, Algorithm::named, Algorithm::Es256);
        listed.iter().map(named).collect()
    }

    fn key_source(&mut self, typed: &TypedIssuer) -> Option<KeySource> {
        let (url, file) = (typed.jwks.as_ref(), typed.jwks_file.as_ref());
        match (url, file) {
            (Some(url), None) => self.fetched(typed, url),
            (None, Some(file)) => {
                let unused = [
                    typed.ca.as_ref().map(|it| &it.source),
                    typed.networks.as_ref().and_then(|them| them.first()).map(|it| &it.source),
                    typed.max_age_s.as_ref().map(|it| &it.source),
                ];
                for source in unused.into_iter().flatten() {
                    let hint = "`ca`, `networks` and `max_age_s` belong to `jwks`";
                    self.fail(source, "nothing is fetched for `jwks_file`", hint);
                }
                Some(KeySource::File(self.path("identity.issuer.jwks_file", file)))
            }
            _ => {
                let hint = "`jwks = \"https://…\"` to fetch them, or `jwks_file = \"/…\"`";
                self.fail(&typed.name.source, "an issuer's keys are in one place", hint);
                None
            }
        }
    }

    fn fetched(&mut self, typed: &TypedIssuer, url: &Given<String>) -> Option<KeySource> {
        let parsed = egress::Destination::parse(&url.value);
        let rest = url.value.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
        let (Ok(_), Some((authority, path))) = (&parsed, rest) else {
            let said = parsed.err().map_or_else(|| "not `https://HOST/PATH`".to_owned(), |e| e.to_string());
            self.url_error(&url.source, &said);
            return None;
        };
        let max_age = self.number("identity.issuer.max_age_s", typed.max_age_s.as_ref(), 300, 10..=3_000);
        let networks = typed.networks.as_deref().unwrap_or_default();
        Some(KeySource::Fetched {
            origin: format!("https://{authority}"),
            path: format!("/{path}"),
            ca: typed.ca.as_ref().map(|ca| self.path("identity.issuer.ca", ca)),
            networks: self.networks("identity.issuer.networks", networks),
            max_age: Duration::from_secs(u64::from(max_age)),
        })
    }

    fn url_error(&mut self, source: &Source, said: &str) {
        let hint = "the whole URL of the key set: `https://issuer.example/.well-known/jwks.json`";
        self.fail(source, format!("`identity.issuer.jwks`: {said}"), hint);
    }
}
