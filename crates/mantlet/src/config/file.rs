//! What was typed: `mantlet.toml` with the place of every value, before it means anything.

use std::{borrow::Cow, collections::BTreeMap, ops::Range, sync::Arc};

use miette::NamedSource;
use serde::{Deserialize, Deserializer};
use toml::{Spanned, de::DeTable, de::DeValue};

use super::{
    env_vars::{self, EnvVar},
    error::{ConfigError, ConfigErrors},
    nearest::nearest,
    release::{ALIAS_KEYS, RELEASE_KEYS, TypedAlias, TypedRelease},
    route::{FALLBACK_KEYS, GUARD_KEYS, LIMIT_KEYS, OUTPUT_KEYS, ROUTE_KEYS, RouteSection},
    settings::{MODEL_KEYS, SETTINGS},
    shown::{message, shown},
    upstream::{UPSTREAM_KEYS, UpstreamSection},
    workloads::{ISSUER_KEYS, TRUST_DOMAIN_KEYS, TypedIssuer, TypedTrustDomain},
};

/// Far more than any configuration: a home with a thousand models has some 60 KiB.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file, at these bytes.
    File(Range<usize>),
    /// An environment variable.
    Env(&'static str),
    /// A flag on the command line.
    Flag(&'static str),
}

/// A value with where it came from.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) source: Source,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { source: Source::File(spanned.span()), value: spanned.into_inner() })
    }
}

type Text = Option<Given<String>>;
type Texts = Option<Vec<Given<String>>>;
type Number = Option<Given<i64>>;
type Flag = Option<Given<bool>>;

/// The configuration as typed.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    pub(super) sections: Sections,
    /// Which settings were given, and where.
    pub(super) given: BTreeMap<String, Source>,
    /// The text as errors may show it, byte for byte in its place.
    pub(super) text: Arc<NamedSource<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sections {
    pub(super) server: Server,
    pub(super) identity: Identity,
    pub(super) limits: Limits,
    pub(super) model: Vec<Model>,
    pub(super) review: Review,
    pub(super) upstream: Vec<UpstreamSection>,
    pub(super) route: Vec<RouteSection>,
    pub(super) audit: Audit,
    pub(super) store: Store,
    pub(super) log: Log,
    pub(super) danger: Danger,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) listen: Text,
    pub(super) allow: Texts,
    pub(super) trusted_proxies: Texts,
    pub(super) probe_listen: Text,
    pub(super) names: Texts,
    pub(super) certificate: Text,
    pub(super) key: Text,
    pub(super) grpc_reflection: Flag,
    pub(super) strict: Flag,
    pub(super) connections_max: Number,
    pub(super) body_bytes_max: Number,
    pub(super) handshake_timeout_ms: Number,
    pub(super) header_timeout_ms: Number,
    pub(super) body_timeout_ms: Number,
    pub(super) inference_timeout_ms: Number,
    pub(super) drain_timeout_ms: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Identity {
    pub(super) owner: Text,
    pub(super) key_days: Number,
    pub(super) key_overlap_hours: Number,
    pub(super) trust_domain: Vec<TypedTrustDomain>,
    pub(super) issuer: Vec<TypedIssuer>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) rate_per_minute: Number,
    pub(super) failures_per_minute: Number,
    pub(super) denials_per_minute: Number,
    pub(super) url_minutes_max: Number,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) name: Given<String>,
    #[serde(default)]
    pub(super) threshold: Option<Given<f64>>,
    #[serde(default)]
    pub(super) hold: Text,
    #[serde(default)]
    pub(super) hold_sample: Option<Given<f64>>,
    #[serde(default)]
    pub(super) upstream: Text,
    #[serde(default)]
    pub(super) served_as: Texts,
    #[serde(default)]
    pub(super) release: Option<TypedRelease>,
    #[serde(default)]
    pub(super) alias: Vec<TypedAlias>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Review {
    pub(super) days: Number,
    pub(super) pending_per_principal: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Audit {
    pub(super) durability: Text,
    pub(super) anchors: Texts,
    pub(super) node: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) root_key: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) format: Text,
    pub(super) level: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Danger {
    pub(super) single_person: Flag,
    pub(super) plaintext: Flag,
    pub(super) audit_os: Flag,
    pub(super) threshold_lowered: Flag,
    pub(super) upstream_plaintext: Flag,
    pub(super) guard_off: Flag,
}

/// What the environment and the command line say instead of the file. The command line wins.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    listen: Option<Given<String>>,
    log_level: Option<Given<String>>,
    log_format: Option<Given<String>>,
    plaintext: Option<Given<bool>>,
}

impl Overlay {
    /// What the environment says. An empty variable says nothing.
    #[must_use]
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Self {
        let read = |variable: EnvVar| {
            let value = env(variable.name).filter(|value| !value.is_empty())?;
            Some(Given { value, source: Source::Env(variable.name) })
        };
        Self {
            listen: read(env_vars::LISTEN),
            log_level: read(env_vars::LOG),
            log_format: read(env_vars::LOG_FORMAT),
            plaintext: None,
        }
    }

    /// `--listen ADDR`.
    #[must_use]
    pub fn listen(mut self, address: Option<String>) -> Self {
        let given = address.map(|value| Given { value, source: Source::Flag("--listen") });
        self.listen = given.or(self.listen);
        self
    }

    /// `--plaintext-loopback`.
    #[must_use]
    pub fn plaintext_loopback(mut self, given: bool) -> Self {
        let flag = given.then_some(Given { value: true, source: Source::Flag("--plaintext-loopback") });
        self.plaintext = flag.or(self.plaintext);
        self
    }
}

impl ConfigFile {
    /// Reads the text of a configuration. `name` is what errors call the file.
    ///
    /// # Errors
    /// If it is no TOML, or has unknown keys or values of another type.
    pub fn parse_named(name: &str, text: &str) -> Result<Self, ConfigErrors> {
        if text.len() > FILE_BYTES_MAX {
            let error = ConfigError::new(format!("`{name}` is longer than {FILE_BYTES_MAX} bytes"));
            return Err(error.into());
        }
        let source = Arc::new(NamedSource::new(name, shown(text)));
        let located = |error: ConfigError| error.within(&source);
        // A value that is not shown is not repeated either.
        let hidden = |span: Range<usize>| source.inner().get(span.clone()) != text.get(span);
        let document = DeTable::parse(text).map_err(|error| located(syntax(&error, hidden)))?;
        let mut given = BTreeMap::new();
        let unknown: Vec<ConfigError> =
            unknown_keys(document.get_ref(), &mut given).into_iter().map(located).collect();
        if !unknown.is_empty() {
            return Err(ConfigErrors(unknown));
        }
        let sections = toml::from_str(text).map_err(|error| located(syntax(&error, hidden)))?;
        Ok(Self { sections, given, text: source })
    }

    /// [`ConfigFile::parse_named`] for `mantlet.toml`.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str) -> Result<Self, ConfigErrors> {
        Self::parse_named("mantlet.toml", text)
    }

    /// Puts the overlay's values in place of the file's.
    #[must_use]
    pub fn overlaid(mut self, overlay: Overlay) -> Self {
        let Overlay { listen, log_level, log_format, plaintext } = overlay;
        let sections = &mut self.sections;
        put(&mut self.given, "server.listen", &mut sections.server.listen, listen);
        put(&mut self.given, "log.level", &mut sections.log.level, log_level);
        put(&mut self.given, "log.format", &mut sections.log.format, log_format);
        put(&mut self.given, "danger.plaintext", &mut sections.danger.plaintext, plaintext);
        self
    }

    /// The line of a place in the file, counted from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.inner().as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

fn put<T>(
    given: &mut BTreeMap<String, Source>,
    key: &str,
    slot: &mut Option<Given<T>>,
    value: Option<Given<T>>,
) {
    if let Some(value) = value {
        given.insert(key.to_owned(), value.source.clone());
        *slot = Some(value);
    }
}

fn syntax(error: &toml::de::Error, hidden: impl Fn(Range<usize>) -> bool) -> ConfigError {
    // The parser's messages may have several lines, the first of which says what is wrong.
    let said = error.message().lines().next().unwrap_or("not a configuration");
    match error.span() {
        Some(span) if hidden(span.clone()) => {
            let said = said.split([':', '`', '"']).next().unwrap_or_default();
            ConfigError::new(format!("{said}: the value is not shown, as it may be a secret")).at(span)
        }
        Some(span) => ConfigError::new(message(said)).at(span),
        None => ConfigError::new(message(said)),
    }
}

/// Every key that no setting has, and on the way the place of every setting that was given. Serde would name the
/// first unknown key only.
fn unknown_keys(document: &DeTable<'_>, given: &mut BTreeMap<String, Source>) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (section, value) in document {
        let name: &str = section.get_ref();
        match (value.get_ref(), keys_of_item(name)) {
            (DeValue::Array(items), Some(known)) => {
                given.insert(name.to_owned(), Source::File(section.span()));
                for item in items.iter().filter_map(|item| item.get_ref().as_table()) {
                    errors.extend(unknown_in(name, item, known));
                    let below = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
                        unknown_below(&format!("{name}.{}", key.get_ref()), value.get_ref())
                    };
                    errors.extend(item.iter().flat_map(below));
                }
            }
            (DeValue::Table(table), _) if keys_of(name).next().is_some() => {
                let known: Vec<&str> = keys_of(name).collect();
                errors.extend(unknown_in(name, table, &known));
                for (key, value) in table {
                    let whole = format!("{name}.{}", key.get_ref());
                    errors.extend(unknown_below(&whole, value.get_ref()));
                    given.insert(whole, Source::File(key.span()));
                }
            }
            // A section's name with a value of another type: serde says what is expected.
            (_, item) if keys_of(name).next().is_some() || item.is_some() => {}
            _ => errors.push(unknown_section(name, section.span())),
        }
    }
    errors
}

/// The same for a table, or the tables of a list, within a section or an item.
fn unknown_below(list: &str, value: &DeValue<'_>) -> Vec<ConfigError> {
    let known: &[&str] = match list {
        "identity.trust_domain" => &TRUST_DOMAIN_KEYS,
        "identity.issuer" => &ISSUER_KEYS,
        "route.fallback" => &FALLBACK_KEYS,
        "route.guard" => &GUARD_KEYS,
        "route.output" => &OUTPUT_KEYS,
        "route.limits" => &LIMIT_KEYS,
        "model.alias" => &ALIAS_KEYS,
        "model.release" => &RELEASE_KEYS,
        _ => return Vec::new(),
    };
    if let Some(table) = value.as_table() {
        return unknown_in(list, table, known);
    }
    let tables = value.as_array().into_iter().flatten().filter_map(|one| one.get_ref().as_table());
    tables.flat_map(|table| unknown_in(list, table, known)).collect()
}

fn unknown_in(section: &str, table: &DeTable<'_>, known: &[&str]) -> Vec<ConfigError> {
    let unknown = table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref()));
    let error = |key: &str, span| {
        let error = ConfigError::new(format!("unknown key `{}` in `[{section}]`", message(key))).at(span);
        // A key in the wrong section is as likely as a key that is misspelt.
        let elsewhere = SETTINGS.iter().find(|setting| setting.name() == key && setting.section() != section);
        match (nearest(key, known.iter().copied()), elsewhere) {
            (_, Some(setting)) => error.hint(format!("`{key}` belongs in `[{}]`", setting.section())),
            (Some(meant), None) => error.hint(format!("did you mean `{meant}`?")),
            (None, None) => error.hint(format!("known keys: `{}`", known.join("`, `"))),
        }
    };
    unknown.map(|(key, _)| error(key.get_ref(), key.span())).collect()
}

fn unknown_section(name: &str, span: Range<usize>) -> ConfigError {
    let error = ConfigError::new(format!("unknown section `{}`", message(name))).at(span);
    let sections = || SETTINGS.iter().map(|setting| setting.section());
    // A key that lacks its section is as likely as a section that is misspelt.
    let elsewhere = SETTINGS.iter().find(|setting| setting.name() == name && setting.section() != name);
    match (nearest(name, sections()), elsewhere) {
        (Some(meant), _) => error.hint(format!("did you mean `{meant}`?")),
        (None, Some(setting)) => error.hint(format!("`{name}` belongs in `[{}]`", setting.section())),
        (None, None) => error,
    }
}

fn keys_of<'s>(section: &'s str) -> impl Iterator<Item = &'static str> + 's {
    let of_section = move |setting: &&super::settings::Setting| setting.section() == section;
    // A list's one setting is the list itself.
    let of_table = move |name: &&'static str| *name != section || keys_of_item(name).is_none();
    SETTINGS.iter().filter(of_section).map(super::settings::Setting::name).filter(of_table)
}

/// The keys of one item, of a section that is a list.
fn keys_of_item(section: &str) -> Option<&'static [&'static str]> {
    match section {
        "model" => Some(&MODEL_KEYS),
        "upstream" => Some(&UPSTREAM_KEYS),
        "route" => Some(&ROUTE_KEYS),
        _ => None,
    }
}
