//! From what was typed to what it means. All errors are gathered, so that they can be mended in one go.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use mantlet_gate::{perimeter::Allowlist, reviews::Hold};
use mantlet_types::{ModelName, UpstreamName, id::IdError, limits};

use super::{
    Audit, CertificateFiles, Config, Danger, Durability, Identity, Limits, Log, LogFormat, LogLevel,
    ModelSettings, Review, Server, Store, Upstream,
    error::{ConfigError, ConfigErrors},
    file::{self, ConfigFile, Given, Source},
};
use crate::home::{RootKeySource, RootKeySourceError};

pub(super) const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// A systemd credential is the one place for a root key that leaves no readable file behind, so it is what an empty
/// configuration expects.
const ROOT_KEY_DEFAULT: &str = "mantlet-root-key";

/// When a model's answers are held, in the configuration's words.
const HOLDS: [&str; 4] = ["never", "below_threshold", "sampled", "always"];

/// Of a hundred rows one: enough to find out within weeks whether the model is still right, little enough to look at.
const SAMPLE_DEFAULT: f64 = 0.01;

const NODE_DEFAULT: &str = "node-1";

/// Resolves a whole file.
pub(super) fn resolve(file: &ConfigFile) -> Result<Config, ConfigErrors> {
    let mut resolver = Resolver { file, errors: Vec::new() };
    let sections = &file.sections;
    let danger = Danger {
        single_person: given(sections.danger.single_person.as_ref(), false),
        plaintext: given(sections.danger.plaintext.as_ref(), false),
        audit_os: given(sections.danger.audit_os.as_ref(), false),
        threshold_lowered: given(sections.danger.threshold_lowered.as_ref(), false),
        upstream_plaintext: given(sections.danger.upstream_plaintext.as_ref(), false),
        guard_off: given(sections.danger.guard_off.as_ref(), false),
    };
    let server = resolver.server(&sections.server, danger);
    let identity = resolver.identity(&sections.identity);
    let limits = resolver.limits(&sections.limits);
    let upstreams = resolver.upstreams(&sections.upstream, danger);
    let models = resolver.models(&sections.model, &upstreams);
    let routes = resolver.routes(&sections.route, danger);
    let review = resolver.review(&sections.review);
    let audit = resolver.audit(&sections.audit, danger);
    let store = resolver.store(&sections.store, danger);
    let log = resolver.log(&sections.log);
    let given = file.given.iter().map(|(key, source)| (key.clone(), source_text(file, source))).collect();
    match (audit, store) {
        (Some(audit), Some(store)) if resolver.errors.is_empty() => Ok(Config {
            server,
            identity,
            limits,
            models,
            upstreams,
            routes,
            review,
            audit,
            store,
            log,
            danger,
            given,
        }),
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

fn hold_of(word: &str) -> Option<Hold> {
    match word {
        "never" => Some(Hold::Never),
        "below_threshold" => Some(Hold::BelowThreshold),
        "sampled" => Some(Hold::Sampled(SAMPLE_DEFAULT)),
        "always" => Some(Hold::Always),
        _ => None,
    }
}

fn given<T: Copy>(value: Option<&Given<T>>, default: T) -> T {
    value.map_or(default, |given| given.value)
}

/// A file on its way to its meaning, and what is wrong with it.
pub(super) struct Resolver<'a> {
    pub(super) file: &'a ConfigFile,
    pub(super) errors: Vec<ConfigError>,
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
        let (connections, body) = (server.connections_max.as_ref(), server.body_bytes_max.as_ref());
        // Not above the fixed bound: decoders count on it.
        let body_range = 1_024..=limits::BODY_BYTES_MAX as u32;
        let timeouts = self.timeouts(server);
        Server {
            listen,
            allow: match &server.allow {
                None => Allowlist::Loopback,
                Some(networks) => Allowlist::Listed(self.networks("server.allow", networks)),
            },
            trusted_proxies: self.proxies(server.trusted_proxies.as_deref().unwrap_or_default()),
            probe_listen,
            names: self.host_names(server.names.as_deref().unwrap_or_default()),
            certificate: self.certificate(server),
            grpc_reflection: given(server.grpc_reflection.as_ref(), false),
            strict: given(server.strict.as_ref(), false),
            connections_max: self.size(
                "server.connections_max",
                connections,
                limits::CONNECTIONS_MAX,
                1..=65_536,
            ),
            body_bytes_max: self.size("server.body_bytes_max", body, limits::BODY_BYTES_MAX, body_range),
            handshake_timeout: timeouts[0],
            header_timeout: timeouts[1],
            body_timeout: timeouts[2],
            inference_timeout: timeouts[3],
            drain_timeout: timeouts[4],
        }
    }

    fn timeouts(&mut self, server: &file::Server) -> [Duration; 5] {
        [
            ("server.handshake_timeout_ms", &server.handshake_timeout_ms, limits::HANDSHAKE_TIMEOUT),
            ("server.header_timeout_ms", &server.header_timeout_ms, limits::HEADER_TIMEOUT),
            ("server.body_timeout_ms", &server.body_timeout_ms, limits::BODY_TIMEOUT),
            ("server.inference_timeout_ms", &server.inference_timeout_ms, limits::INFERENCE_TIMEOUT),
            ("server.drain_timeout_ms", &server.drain_timeout_ms, limits::DRAIN_TIMEOUT),
        ]
        .map(|(key, typed, default)| {
            let default = i64::try_from(default.as_millis()).unwrap_or(i64::MAX);
            Duration::from_millis(u64::from(self.number(key, typed.as_ref(), default, 100..=600_000)))
        })
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
        let owner = identity.owner.as_ref().and_then(|typed| match typed.value.parse() {
            Ok(owner) => Some(owner),
            Err(error) => {
                let error: IdError = error;
                self.fail(&typed.source, error.to_string(), "see the names: mantlet user list");
                None
            }
        });
        Identity {
            owner,
            key_days: self.number("identity.key_days", days, 90, 1..=365),
            key_overlap_hours: self.number("identity.key_overlap_hours", hours, 24, 0..=168),
            trust_domains: self.trust_domains(&identity.trust_domain),
            issuers: self.issuers(&identity.issuer),
        }
    }

    fn limits(&mut self, typed: &file::Limits) -> Limits {
        const MOST: u32 = 1_000_000;
        let rate = i64::from(limits::RATE_PER_MINUTE_DEFAULT);
        let mut number =
            |key, typed: Option<&Given<i64>>, default| self.number(key, typed, default, 1..=MOST);
        let (rate_per_minute, failures_per_minute, denials_per_minute) = (
            number("limits.rate_per_minute", typed.rate_per_minute.as_ref(), rate),
            number("limits.failures_per_minute", typed.failures_per_minute.as_ref(), 30),
            number("limits.denials_per_minute", typed.denials_per_minute.as_ref(), 60),
        );
        let (minutes, most) = (typed.url_minutes_max.as_ref(), limits::URL_MINUTES_MAX);
        let url_minutes_max = self.number("limits.url_minutes_max", minutes, i64::from(most), 1..=most);
        Limits { rate_per_minute, failures_per_minute, denials_per_minute, url_minutes_max }
    }

    fn models(
        &mut self,
        typed: &[file::Model],
        upstreams: &BTreeMap<UpstreamName, Upstream>,
    ) -> BTreeMap<ModelName, ModelSettings> {
        let mut models = BTreeMap::new();
        for model in typed {
            let threshold = model.threshold.as_ref().map(|threshold| {
                if !(threshold.value > 0.0 && threshold.value <= 1.0) {
                    let hint = "a threshold is a confidence: above 0, at most 1";
                    self.fail(&threshold.source, "`threshold` is out of range", hint);
                }
                threshold.value
            });
            let hold = self.hold(model);
            let upstream = self.upstream_of(model.upstream.as_ref(), upstreams);
            let served_as = model.served_as.as_deref().unwrap_or_default();
            if let (Some(name), None) = (served_as.first(), &model.upstream) {
                let hint = "name the `upstream` where it is called so";
                self.fail(&name.source, "`served_as` without `upstream`", hint);
            }
            let served_as = served_as.iter().map(|name| name.value.clone()).collect();
            let release = self.conditions(model.release.as_ref());
            let aliases = self.aliases(&model.alias);
            let settings = ModelSettings { threshold, hold, upstream, served_as, release, aliases };
            match model.name.value.parse::<ModelName>() {
                Err(error) => {
                    self.fail(&model.name.source, error.to_string(), "see the names: mantlet model list");
                }
                Ok(name) => {
                    if models.insert(name, settings).is_some() {
                        let message = format!("two sections for model `{}`", model.name.value);
                        self.fail(&model.name.source, message, "put both into one `[[model]]`");
                    }
                }
            }
        }
        models
    }

    /// When a model's answers wait for a person.
    fn hold(&mut self, model: &file::Model) -> Hold {
        let hold = self.word("model.hold", model.hold.as_ref(), &HOLDS, hold_of, Hold::Never);
        let Some(share) = &model.hold_sample else { return hold };
        if !(share.value > 0.0 && share.value <= 1.0) {
            self.fail(&share.source, "`hold_sample` is out of range", "a share: above 0, at most 1");
        }
        if !matches!(hold, Hold::Sampled(_)) {
            let hint = "write `hold = \"sampled\"` beside it, or leave it out";
            self.fail(&share.source, "`hold_sample` without `hold = \"sampled\"`", hint);
        }
        Hold::Sampled(share.value)
    }

    fn review(&mut self, review: &file::Review) -> Review {
        let (days, pending) = (review.days.as_ref(), review.pending_per_principal.as_ref());
        Review {
            days: self.number(
                "review.days",
                days,
                limits::REVIEW_DAYS_MAX.into(),
                1..=limits::REVIEW_DAYS_MAX,
            ),
            pending_per_principal: self.size(
                "review.pending_per_principal",
                pending,
                limits::REVIEWS_PENDING_DEFAULT,
                1..=limits::REVIEWS_MAX as u32,
            ),
        }
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
        let node = audit.node.as_ref().map_or(NODE_DEFAULT, |typed| typed.value.as_str()).parse();
        if let (Err(error), Some(typed)) = (&node, &audit.node) {
            let error: &IdError = error;
            self.fail(&typed.source, error.to_string(), "give the node a name such as `node-1`");
        }
        Some(Audit { durability: chosen, anchors, node: node.ok()? })
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
                "say where it is: `inside`, `file:/…`, `credential:NAME`, `env:NAME` or `aws-kms:ARN`; a key that was typed into a \
                 file is no secret any more"
            }
            RootKeySourceError::RelativePath => "write the whole path: `file:/…`",
            RootKeySourceError::Name(_) | RootKeySourceError::Provider | RootKeySourceError::Kms(_) => {
                "`inside`, `file:/…`, `credential:NAME`, `env:NAME` or `aws-kms:ARN`"
            }
        };
        self.fail_unseen("store.root_key", source, &error.to_string(), hint);
    }

    /// Notes an error about a value that must not be shown.
    pub(super) fn fail_unseen(&mut self, key: &str, source: &Source, error: &str, hint: &str) {
        let place = source_text(self.file, source);
        let message = format!("`{key}` ({place}): {error}");
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
