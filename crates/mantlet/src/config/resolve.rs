//! From what was typed to what it means. All errors are gathered, so that they can be mended in one go.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use mantlet_types::{ModelName, id::IdError, limits};

use super::{
    Allow, Audit, CertificateFiles, Config, Danger, Durability, Identity, Limits, Log, LogFormat, LogLevel,
    Metrics, ModelSettings, Server, Store,
    error::{ConfigError, ConfigErrors},
    file::{self, ConfigFile, Given, Source},
    nearest::nearest,
};
use crate::home::{RootKeySource, RootKeySourceError};

const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// A systemd credential is the one place for a root key that leaves no readable file behind, so it is what an empty
/// configuration expects.
const ROOT_KEY_DEFAULT: &str = "mantlet-root-key";

const NODE_DEFAULT: &str = "node-1";

/// Resolves a whole file.
pub(super) fn resolve(file: ConfigFile) -> Result<Config, ConfigErrors> {
    let mut resolver = Resolver { file: &file, errors: Vec::new() };
    let sections = &file.sections;
    let danger = Danger {
        single_person: given(sections.danger.single_person.as_ref(), false),
        plaintext: given(sections.danger.plaintext.as_ref(), false),
        audit_os: given(sections.danger.audit_os.as_ref(), false),
        threshold_lowered: given(sections.danger.threshold_lowered.as_ref(), false),
    };
    let server = resolver.server(&sections.server, danger);
    let identity = resolver.identity(&sections.identity);
    let limits = resolver.limits(&sections.limits);
    let models = resolver.models(&sections.model);
    let audit = resolver.audit(&sections.audit, danger);
    let store = resolver.store(&sections.store, danger);
    let metrics = Metrics { enabled: given(sections.metrics.enabled.as_ref(), true) };
    let log = resolver.log(&sections.log);
    let given = file.given.iter().map(|(key, source)| (key.clone(), source_text(&file, source))).collect();
    match (audit, store) {
        (Some(audit), Some(store)) if resolver.errors.is_empty() => {
            Ok(Config { server, identity, limits, models, audit, store, metrics, log, danger, given })
        }
        _ => Err(ConfigErrors(resolver.errors)),
    }
}

fn source_text(file: &ConfigFile, source: &Source) -> String {
    match source {
        Source::File(span) => format!("line {}", file.line(span)),
        Source::Env(name) => format!("env {name}"),
        Source::Flag(name) => format!("flag {name}"),
    }
}

fn given<T: Copy>(value: Option<&Given<T>>, default: T) -> T {
    value.map_or(default, |given| given.value)
}

struct Resolver<'a> {
    file: &'a ConfigFile,
    errors: Vec<ConfigError>,
}

impl Resolver<'_> {
    fn server(&mut self, server: &file::Server, danger: Danger) -> Server {
        let typed = server.listen.as_ref();
        let listen = typed.map_or(LISTEN_DEFAULT, |typed| self.address("server.listen", typed));
        if let (true, false, Some(typed)) = (danger.plaintext, listen.ip().is_loopback(), &server.listen) {
            let message = format!("`{listen}` is not loopback, and `[danger] plaintext` is set");
            self.fail(&typed.source, message, "plain HTTP is for loopback alone: serve elsewhere with TLS");
        }
        let probe_listen = server.probe_listen.as_ref().map(|typed| {
            let address = self.address("server.probe_listen", typed);
            if address == listen {
                self.fail(&typed.source, "probes need an address of their own", "use another port");
            }
            address
        });
        let millis = |default: Duration| i64::try_from(default.as_millis()).unwrap_or(i64::MAX);
        let mut timeout = |key, typed: Option<&Given<i64>>, default: Duration| {
            let value = self.number(key, typed, millis(default), 100..=600_000);
            Duration::from_millis(u64::from(value))
        };
        let handshake = server.handshake_timeout_ms.as_ref();
        let handshake_timeout = timeout("server.handshake_timeout_ms", handshake, limits::HANDSHAKE_TIMEOUT);
        let header = server.header_timeout_ms.as_ref();
        let header_timeout = timeout("server.header_timeout_ms", header, limits::HEADER_TIMEOUT);
        let body = server.body_timeout_ms.as_ref();
        let body_timeout = timeout("server.body_timeout_ms", body, limits::BODY_TIMEOUT);
        let inference = server.inference_timeout_ms.as_ref();
        let inference_timeout = timeout("server.inference_timeout_ms", inference, limits::INFERENCE_TIMEOUT);
        let drain = server.drain_timeout_ms.as_ref();
        let drain_timeout = timeout("server.drain_timeout_ms", drain, limits::DRAIN_TIMEOUT);
        Server {
            listen,
            allow: match &server.allow {
                None => Allow::Loopback,
                Some(networks) => Allow::Networks(self.networks("server.allow", networks)),
            },
            trusted_proxies: self.proxies(server.trusted_proxies.as_deref().unwrap_or_default()),
            probe_listen,
            names: self.host_names(server.names.as_deref().unwrap_or_default()),
            certificate: self.certificate(server),
            connections_max: self.size(
                "server.connections_max",
                server.connections_max.as_ref(),
                limits::CONNECTIONS_MAX,
                1..=65_536,
            ),
            // Not above the fixed bound: decoders count on it.
            body_bytes_max: self.size(
                "server.body_bytes_max",
                server.body_bytes_max.as_ref(),
                limits::BODY_BYTES_MAX,
                1_024..=limits::BODY_BYTES_MAX as u32,
            ),
            handshake_timeout,
            header_timeout,
            body_timeout,
            inference_timeout,
            drain_timeout,
        }
    }

    fn certificate(&mut self, server: &file::Server) -> Option<CertificateFiles> {
        match (&server.certificate, &server.key) {
            (Some(certificate), Some(key)) => {
                if certificate.value == key.value {
                    let hint = "keep the key in a file of its own, mode 0600";
                    self.fail(&key.source, "certificate and key are the same file", hint);
                }
                Some(CertificateFiles {
                    certificate: self.path("server.certificate", certificate),
                    key: self.path("server.key", key),
                })
            }
            (Some(alone), None) => {
                self.fail(&alone.source, "`certificate` without `key`", "name the key's file too");
                None
            }
            (None, Some(alone)) => {
                self.fail(&alone.source, "`key` without `certificate`", "name the certificate's file too");
                None
            }
            (None, None) => None,
        }
    }

    fn identity(&mut self, identity: &file::Identity) -> Identity {
        let (days, hours) = (identity.key_days.as_ref(), identity.key_overlap_hours.as_ref());
        let owner = identity.owner.as_ref().and_then(|typed| {
            let parsed = typed.value.parse();
            parsed
                .map_err(|error| {
                    self.fail(&typed.source, format!("{error}"), "see the names: mantlet user list")
                })
                .ok()
        });
        Identity {
            owner,
            key_days: self.number("identity.key_days", days, 90, 1..=365),
            key_overlap_hours: self.number("identity.key_overlap_hours", hours, 24, 0..=168),
        }
    }

    fn limits(&mut self, typed: &file::Limits) -> Limits {
        const MOST: u32 = 1_000_000;
        let rate = i64::from(limits::RATE_PER_MINUTE_DEFAULT);
        let mut number =
            |key, typed: Option<&Given<i64>>, default| self.number(key, typed, default, 1..=MOST);
        Limits {
            rate_per_minute: number("limits.rate_per_minute", typed.rate_per_minute.as_ref(), rate),
            failures_per_minute: number("limits.failures_per_minute", typed.failures_per_minute.as_ref(), 30),
            denials_per_minute: number("limits.denials_per_minute", typed.denials_per_minute.as_ref(), 60),
        }
    }

    fn models(&mut self, typed: &[file::Model]) -> BTreeMap<ModelName, ModelSettings> {
        let mut models = BTreeMap::new();
        for model in typed {
            let threshold = model.threshold.as_ref().map(|threshold| {
                if !(threshold.value > 0.0 && threshold.value <= 1.0) {
                    let hint = "a threshold is a confidence: above 0, at most 1";
                    self.fail(&threshold.source, "`threshold` is out of range", hint);
                }
                threshold.value
            });
            match model.name.value.parse::<ModelName>() {
                Err(error) => {
                    self.fail(&model.name.source, error.to_string(), "see the names: mantlet model list");
                }
                Ok(name) => {
                    if models.insert(name, ModelSettings { threshold }).is_some() {
                        let message = format!("two sections for model `{}`", model.name.value);
                        self.fail(&model.name.source, message, "put both into one `[[model]]`");
                    }
                }
            }
        }
        models
    }

    /// `None` if an error was noted.
    fn audit(&mut self, audit: &file::Audit, danger: Danger) -> Option<Audit> {
        let durability = audit.durability.as_ref();
        let (words, default) = (Durability::WORDS, Durability::Group);
        let chosen = self.word("audit.durability", durability, words, Durability::from_word, default);
        if let (Durability::Os, false, Some(typed)) = (chosen, danger.audit_os, durability) {
            let hint = "choose `group` or `every`, or set `audit_os = true` under `[danger]`";
            self.fail(&typed.source, "`os` loses acknowledged entries in a power loss", hint);
        }
        let anchors =
            audit.anchors.iter().flatten().map(|anchor| self.path("audit.anchors", anchor)).collect();
        let retention = audit.retention_days.as_ref();
        let retention_days = self.number("audit.retention_days", retention, 400, 1..=36_500);
        let node = audit.node.as_ref().map_or(NODE_DEFAULT, |typed| typed.value.as_str()).parse();
        if let (Err(error), Some(typed)) = (&node, &audit.node) {
            let error: &IdError = error;
            self.fail(&typed.source, error.to_string(), "give the node a name such as `node-1`");
        }
        Some(Audit { durability: chosen, anchors, retention_days, node: node.ok()? })
    }

    /// `None` if an error was noted.
    fn store(&mut self, store: &file::Store, danger: Danger) -> Option<Store> {
        let Some(typed) = &store.root_key else {
            return Some(Store { root_key: RootKeySource::Credential(ROOT_KEY_DEFAULT.to_owned()) });
        };
        match typed.value.parse::<RootKeySource>() {
            Err(error) => {
                self.root_key_error(&error, &typed.source);
                None
            }
            Ok(RootKeySource::Inside) if !danger.single_person => {
                let hint =
                    "keep it in a file elsewhere, `file:/…`, or set `single_person = true` under `[danger]`";
                self.fail(&typed.source, "a team's root key cannot be kept inside the home", hint);
                None
            }
            Ok(root_key) => Some(Store { root_key }),
        }
    }

    /// The value may be the key: the error says the line, and shows nothing of it.
    fn root_key_error(&mut self, error: &RootKeySourceError, source: &Source) {
        let hint = match error {
            RootKeySourceError::Literal => {
                "say where it is: `inside`, `file:/…`, `credential:NAME` or `env:NAME`; a key that was typed into a \
                 file is no secret any more"
            }
            RootKeySourceError::RelativePath => "write the whole path: `file:/…`",
            RootKeySourceError::Name(_) | RootKeySourceError::Provider => {
                "`inside`, `file:/…`, `credential:NAME` or `env:NAME`"
            }
        };
        let place = source_text(self.file, source);
        let message = format!("`store.root_key` ({place}): {error}");
        self.errors.push(ConfigError::new(message).hint(hint));
    }

    fn log(&mut self, log: &file::Log) -> Log {
        let (format, level) = (log.format.as_ref(), log.level.as_ref());
        Log {
            format: self.word("log.format", format, LogFormat::WORDS, LogFormat::from_word, LogFormat::Auto),
            level: self.word("log.level", level, LogLevel::WORDS, LogLevel::from_word, LogLevel::Info),
        }
    }
}

/// Kinds of values.
impl Resolver<'_> {
    fn fail(&mut self, source: &Source, message: impl Into<String>, hint: impl Into<String>) {
        let error = match source {
            Source::File(span) => ConfigError::new(message).at(span.clone()).within(&self.file.text),
            Source::Env(name) => ConfigError::new(format!("`{name}`: {}", message.into())),
            Source::Flag(name) => ConfigError::new(format!("`{name}`: {}", message.into())),
        };
        self.errors.push(error.hint(hint));
    }

    fn address(&mut self, key: &str, typed: &Given<String>) -> SocketAddr {
        typed.value.parse().unwrap_or_else(|_| {
            let hint = "write an address and a port: `127.0.0.1:8443`, `[::1]:8443`";
            self.fail(&typed.source, format!("`{key}` is not an address"), hint);
            LISTEN_DEFAULT
        })
    }

    fn number(
        &mut self,
        key: &str,
        typed: Option<&Given<i64>>,
        default: i64,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let value = typed.map_or(default, |typed| typed.value);
        match u32::try_from(value) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                if let Some(typed) = typed {
                    let hint = format!("a whole number from {} to {}", range.start(), range.end());
                    self.fail(&typed.source, format!("`{key}` is out of range"), hint);
                }
                *range.start()
            }
        }
    }

    fn size(
        &mut self,
        key: &str,
        typed: Option<&Given<i64>>,
        default: usize,
        range: RangeInclusive<u32>,
    ) -> usize {
        let default = i64::try_from(default).unwrap_or(i64::MAX);
        usize::try_from(self.number(key, typed, default, range)).unwrap_or(usize::MAX)
    }

    fn word<T: Copy>(
        &mut self,
        key: &str,
        typed: Option<&Given<String>>,
        words: &[&str],
        parse: fn(&str) -> Option<T>,
        default: T,
    ) -> T {
        let Some(typed) = typed else { return default };
        parse(&typed.value).unwrap_or_else(|| {
            let hint = match nearest(&typed.value, words.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of `{}`", words.join("`, `")),
            };
            self.fail(&typed.source, format!("`{key}` has no such choice"), hint);
            default
        })
    }

    fn path(&mut self, key: &str, typed: &Given<String>) -> PathBuf {
        let path = PathBuf::from(&typed.value);
        if !path.is_absolute() {
            let hint = "write the whole path: a server does not know where it will be started";
            self.fail(&typed.source, format!("`{key}` is not an absolute path"), hint);
        }
        path
    }

    fn networks(&mut self, key: &str, typed: &[Given<String>]) -> Vec<IpNet> {
        let mut networks = Vec::with_capacity(typed.len());
        for network in typed {
            let text = network.value.as_str();
            // A bare address is the network of that address alone.
            match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(parsed) if parsed.trunc() == parsed => networks.push(parsed),
                Ok(parsed) => {
                    let hint = format!("`{}`, or `{}` for the address alone", parsed.trunc(), parsed.addr());
                    self.fail(&network.source, format!("`{key}` has an address inside a network"), hint);
                }
                Err(_) => {
                    let hint = "write networks such as `10.0.0.0/8`, `2001:db8::/32` or single addresses";
                    self.fail(&network.source, format!("`{key}` has something that is no network"), hint);
                }
            }
        }
        networks
    }

    fn proxies(&mut self, typed: &[Given<String>]) -> Vec<IpNet> {
        for network in typed {
            if network.value.parse::<IpNet>().is_ok_and(|network| network.prefix_len() == 0) {
                let hint = "name the proxies' own addresses";
                self.fail(&network.source, "everybody could choose the address to be seen as", hint);
            }
        }
        self.networks("server.trusted_proxies", typed)
    }

    fn host_names(&mut self, typed: &[Given<String>]) -> Vec<String> {
        for name in typed {
            let label = |label: &str| {
                let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
            };
            let text = name.value.as_str();
            let host = text.len() <= 253 && text.split('.').all(label);
            if !host && text.parse::<IpAddr>().is_err() {
                let hint = "names such as `gate.example.com`, or addresses";
                self.fail(&name.source, "`server.names` has something that is no host name", hint);
            }
        }
        typed.iter().map(|name| name.value.clone()).collect()
    }
}
