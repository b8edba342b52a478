//! Every setting: its value in a configuration, why its default is what it is, and whether a running server takes a
//! change. `config check`, reloading, the hints for unknown keys and the page of defaults all read this table.

use serde_json::{Value, json};

use mantlet_gate::{perimeter::Allowlist, reviews::Hold};

use super::Config;

/// One setting.
pub(super) struct Setting {
    /// `section.name`, or the section alone where it is a list.
    pub(super) key: &'static str,
    /// Its value.
    pub(super) value: fn(&Config) -> Value,
    /// Why its default is what it is.
    pub(super) reason: &'static str,
    /// Why a running server cannot take a change; `None` if it can.
    pub(super) restart: Option<&'static str>,
}

impl Setting {
    pub(super) fn section(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(section, _)| section)
    }

    pub(super) fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }
}

/// The keys of a `[[model]]`.
pub(super) const MODEL_KEYS: [&str; 8] =
    ["name", "threshold", "hold", "hold_sample", "upstream", "served_as", "release", "alias"];

const BOUND_ONCE: Option<&str> = Some("the socket is bound once, at start");
const READ_AT_START: Option<&str> = Some("open connections keep the bounds that they began with");
const WRITER: Option<&str> = Some("the log's writer is set up once, at start");

fn list<T: ToString>(items: &[T]) -> Value {
    items.iter().map(ToString::to_string).collect()
}

fn model(name: &mantlet_types::ModelName, settings: &super::ModelSettings) -> Value {
    let (hold, sample) = match settings.hold {
        Hold::Never => ("never", None),
        Hold::BelowThreshold => ("below_threshold", None),
        Hold::Sampled(share) => ("sampled", Some(share)),
        Hold::Always => ("always", None),
    };
    let mut shown = json!({ "name": name.as_str(), "threshold": settings.threshold, "hold": hold });
    if let Some(share) = sample {
        shown["hold_sample"] = json!(share);
    }
    if let Some(upstream) = &settings.upstream {
        shown["upstream"] = json!(upstream);
        shown["served_as"] = json!(settings.served_as);
    }
    if !settings.release.is_empty() {
        shown["release"] = super::release::shown(&settings.release);
    }
    if !settings.aliases.is_empty() {
        shown["alias"] = super::release::shown_aliases(&settings.aliases);
    }
    shown
}

fn millis(duration: std::time::Duration) -> Value {
    json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// All settings, in the order of the documentation.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "server.listen",
        value: |c| json!(c.server.listen.to_string()),
        reason: "nobody but this machine can reach a server that nobody has thought about yet",
        restart: BOUND_ONCE,
    },
    Setting {
        key: "server.allow",
        value: |c| match &c.server.allow {
            Allowlist::Loopback => Value::Null,
            Allowlist::Listed(networks) => list(networks),
        },
        reason: "absent admits loopback only, so that a changed `listen` alone opens nothing; an empty list admits \
                 nobody",
        restart: None,
    },
    Setting {
        key: "server.trusted_proxies",
        value: |c| list(&c.server.trusted_proxies),
        reason: "whoever is trusted here chooses the address that others are seen as; nobody is, unless named",
        restart: None,
    },
    Setting {
        key: "server.probe_listen",
        value: |c| json!(c.server.probe_listen.map(|address| address.to_string())),
        reason: "load balancers that cannot speak TLS get health at an address of its own; none without need",
        restart: BOUND_ONCE,
    },
    Setting {
        key: "server.names",
        value: |c| list(&c.server.names),
        reason: "the own certificate names localhost and the loopback addresses; further names must be among those \
                 that the home was made for, since its authority vouches for no others",
        restart: None,
    },
    Setting {
        key: "server.certificate",
        value: |c| json!(c.server.certificate.as_ref().map(|files| &files.certificate)),
        reason: "without one, the home's own authority issues one that clients can verify by `ca.pem`; with one, \
                 `names` is not used",
        restart: None,
    },
    Setting {
        key: "server.key",
        value: |c| json!(c.server.certificate.as_ref().map(|files| &files.key)),
        reason: "belongs to `certificate`",
        restart: None,
    },
    Setting {
        key: "server.grpc_reflection",
        value: |c| json!(c.server.grpc_reflection),
        reason: "clients have the protocol's own descriptions; a server that describes itself helps whoever explores it",
        restart: Some("what a server offers is settled once, at start"),
    },
    Setting {
        key: "server.strict",
        value: |c| json!(c.server.strict),
        reason: "the kernel keeps the server from writing packages and reading private keys where it can, and the log \
                 says where it cannot; with this, the server does not serve there",
        restart: READ_AT_START,
    },
    Setting {
        key: "server.connections_max",
        value: |c| json!(c.server.connections_max),
        reason: "an idle connection costs at most 8 KiB, so all of them fit into 16 MiB; one address has a quarter of \
                 them, or 64 if that is more",
        restart: READ_AT_START,
    },
    Setting {
        key: "server.body_bytes_max",
        value: |c| json!(c.server.body_bytes_max),
        reason: "a batch of 1,000 rows of 100 numbers is 2 MB of JSON; four times that, before and after \
                 decompression, so that compression buys no larger request",
        restart: READ_AT_START,
    },
    Setting {
        key: "server.handshake_timeout_ms",
        value: |c| millis(c.server.handshake_timeout),
        reason: "a handshake takes two round trips; five seconds cover the slowest honest link",
        restart: READ_AT_START,
    },
    Setting {
        key: "server.header_timeout_ms",
        value: |c| millis(c.server.header_timeout),
        reason: "headers fit into a few packets; a client that trickles them holds a connection for nothing",
        restart: READ_AT_START,
    },
    Setting {
        key: "server.body_timeout_ms",
        value: |c| millis(c.server.body_timeout),
        reason: "the largest body passes at 2.2 Mbit/s",
        restart: READ_AT_START,
    },
    Setting {
        key: "server.inference_timeout_ms",
        value: |c| millis(c.server.inference_timeout),
        reason: "callers have given up after ten seconds, and a hanging model must not hold the pool",
        restart: None,
    },
    Setting {
        key: "server.drain_timeout_ms",
        value: |c| millis(c.server.drain_timeout),
        reason: "longer than a request may take, shorter than the 30 seconds after which orchestrators kill",
        restart: READ_AT_START,
    },
    Setting {
        key: "identity.owner",
        value: |c| json!(c.identity.owner),
        reason: "whoever owns the files acts at the control socket as this person, with this person's rights and name \
                 in the log; as nobody, unless named",
        restart: None,
    },
    Setting {
        key: "identity.key_days",
        value: |c| json!(c.identity.key_days),
        reason: "a forgotten key ends within a quarter; a rotation a quarter is bearable",
        restart: None,
    },
    Setting {
        key: "identity.key_overlap_hours",
        value: |c| json!(c.identity.key_overlap_hours),
        reason: "a day is enough to roll out the new key, and short enough that the old one is not forgotten",
        restart: None,
    },
    Setting {
        key: "identity.trust_domain",
        value: |c| c.identity.trust_domains.iter().map(|domain| domain.shown()).collect(),
        reason: "nobody vouches for workloads by certificates, unless named; a bundle vouches for its own trust \
                 domain alone, and is read again on every reload; its names are the home project's, unless `projects` gives \
                 them to others",
        restart: None,
    },
    Setting {
        key: "identity.issuer",
        value: |c| c.identity.issuers.iter().map(|issuer| issuer.shown()).collect(),
        reason: "nobody vouches for workloads by tokens, unless named; of an issuer's tokens those count that say `typ` \
                 `at+jwt`, are for `audience`, and are signed by `ES256`, `EdDSA` or `RS256`, and its keys are fetched \
                 every 300 seconds, unless said otherwise; its subjects are the home project's, unless `projects` gives them to \
                 others",
        restart: None,
    },
    Setting {
        key: "limits.rate_per_minute",
        value: |c| json!(c.limits.rate_per_minute),
        reason: "one a second is a person's or a small application's need; whoever copies a model needs millions",
        restart: None,
    },
    Setting {
        key: "limits.failures_per_minute",
        value: |c| json!(c.limits.failures_per_minute),
        reason: "many clients behind one address may mistype; guessing a key of 256 bits at this rate is hopeless",
        restart: None,
    },
    Setting {
        key: "limits.denials_per_minute",
        value: |c| json!(c.limits.denials_per_minute),
        reason: "one a second is read by nobody in full; more are counted exactly in one entry",
        restart: None,
    },
    Setting {
        key: "limits.url_minutes_max",
        value: |c| json!(c.limits.url_minutes_max),
        reason: "whoever has a signed URL has the package, so one lives for fifteen minutes unless said otherwise, and \
                 for an hour at most, the customary life of a download link; here that can be made less",
        restart: None,
    },
    Setting {
        key: "model",
        value: |c| c.models.iter().map(|(name, settings)| model(name, settings)).collect(),
        reason: "a model's package says how it is to be judged; here its threshold can be raised, and its answers held \
                 for a person (`hold`: `never`, `below_threshold`, `sampled` with `hold_sample`, `always`); somebody has \
                 to look at what is held, so nothing is unless somebody says so; and here alone is said at which \
                 `[[upstream]]` a model runs that does not run here; what a version must be to go live (`[model.release]`) and \
                 who may give which alias (`[[model.alias]]`) only you know, so nothing is asked of versions beyond the \
                 people whom it takes, and an ML engineer names what is approved or was live",
        restart: None,
    },
    Setting {
        key: "upstream",
        value: |c| c.upstreams.iter().map(|(name, upstream)| upstream.shown(name)).collect(),
        reason: "nothing leaves this server unless somebody says where to; the keys of an upstream are in \
                 `docs/how-to/serve-a-model-that-runs-elsewhere.md`",
        restart: None,
    },
    Setting {
        key: "route",
        value: |c| c.routes.iter().map(super::RouteSettings::shown).collect(),
        reason: "no language model is asked unless somebody says which and where; the guard blocks in every channel, and \
                 options that have an upstream keep or fetch something are in no route's list; the keys of a route are in \
                 `docs/how-to/llm-routes.md`",
        restart: None,
    },
    Setting {
        key: "review.days",
        value: |c| json!(c.review.days),
        reason: "who asked cannot wait longer than a week, and what was asked is not kept for longer than somebody may \
                 decide it; at most 7",
        restart: None,
    },
    Setting {
        key: "review.pending_per_principal",
        value: |c| json!(c.review.pending_per_principal),
        reason: "one application must not bury what others wait for; beyond it rows leave as the fallback, and the log \
                 says so",
        restart: None,
    },
    Setting {
        key: "audit.durability",
        value: |c| json!(c.audit.durability.as_str()),
        reason: "no answer leaves before its entry is on the disk; sharing one sync among the requests of a few \
                 milliseconds costs each of them little",
        restart: WRITER,
    },
    Setting {
        key: "audit.anchors",
        value: |c| json!(c.audit.anchors),
        reason: "only you know a place that the home's owner cannot rewrite; without one, the log proves itself only",
        restart: WRITER,
    },
    Setting {
        key: "audit.node",
        value: |c| json!(c.audit.node.as_str()),
        reason: "the first node of a home; it is part of the log's origin, so it does not follow the host's name",
        restart: WRITER,
    },
    Setting {
        key: "store.root_key",
        value: |c| json!(c.store.root_key.to_string()),
        reason: "a systemd credential leaves no readable file behind; `mantlet init` writes what it chose",
        restart: Some("what lies at rest is sealed under it"),
    },
    Setting {
        key: "log.format",
        value: |c| json!(c.log.format.as_str()),
        reason: "people read terminals, programs read everything else",
        restart: Some("the log's subscriber is set up once, at start"),
    },
    Setting {
        key: "log.level",
        value: |c| json!(c.log.level.as_str()),
        reason: "starts, stops, reloads and failures; requests are in the audit log",
        restart: Some("the log's subscriber is set up once, at start"),
    },
    Setting {
        key: "danger.single_person",
        value: |c| json!(c.danger.single_person),
        reason: "separation of duties needs several people; a laptop has one",
        restart: None,
    },
    Setting {
        key: "danger.plaintext",
        value: |c| json!(c.danger.plaintext),
        reason: "keys and data would cross the wire in the clear; for benches on loopback only",
        restart: BOUND_ONCE,
    },
    Setting {
        key: "danger.audit_os",
        value: |c| json!(c.danger.audit_os),
        reason: "an acknowledged entry could be lost in a power loss",
        restart: None,
    },
    Setting {
        key: "danger.threshold_lowered",
        value: |c| json!(c.danger.threshold_lowered),
        reason: "answers would be served that the model's author would have a person look at",
        restart: None,
    },
    Setting {
        key: "danger.upstream_plaintext",
        value: |c| json!(c.danger.upstream_plaintext),
        reason: "what models elsewhere are asked and answer would cross the network in the clear",
        restart: None,
    },
    Setting {
        key: "danger.guard_off",
        value: |c| json!(c.danger.guard_off),
        reason: "a route could be told not to look at what comes by a channel, and nobody would know of an attack",
        restart: None,
    },
];
