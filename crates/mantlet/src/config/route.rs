//! `[[route]]`: ways to language models. The operator says where they run and by which key they are asked; what is checked
//! on the way is here too.

mod limits;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use mantlet_gate::{
    budget::RouteLimits,
    routes::{
        Rules,
        rules::{Guard, HoldAnswers, Mode, Output, System},
    },
};
use mantlet_guard::output as guard;
use mantlet_secrets::SecretRef;
use mantlet_types::{ProjectId, RouteName, entry::Token};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use self::limits::LIMIT_KEYS;
use self::limits::LimitsSection;
use super::{Danger, file::Given, resolve::Resolver};
use crate::{egress::Destination, server::llm};

/// The keys of a `[[route]]`.
pub(super) const ROUTE_KEYS: [&str; 27] = [
    "name",
    "project",
    "upstream",
    "secret",
    "ca",
    "networks",
    "rename",
    "fallback",
    "models",
    "options",
    "system",
    "system_prompt",
    "guard",
    "output",
    "limits",
    "hold",
    "hold_sample",
    "remote_hosts",
    "hosted_tools",
    "request_bytes_max",
    "answer_bytes_max",
    "messages_max",
    "choices_max",
    "concurrent_max",
    "timeout_ms",
    "idle_timeout_ms",
    "stream_timeout_ms",
];

/// The keys of a `[[route.fallback]]`.
pub(super) const FALLBACK_KEYS: [&str; 5] = ["upstream", "secret", "ca", "networks", "rename"];

/// The keys of a `[route.guard]`.
pub(super) const GUARD_KEYS: [&str; 3] = ["user", "document", "tool"];

/// The keys of a `[route.output]`.
pub(super) const OUTPUT_KEYS: [&str; 5] = ["canaries", "keep_system", "link_hosts", "redact", "html"];

/// Project that a route belongs to unless it is said otherwise: the one that every home has.
const PROJECT: &str = "home";

/// Connecting crosses the Internet, with a name to resolve and a handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A model that thinks before its first word takes a minute.
const TIMEOUT_MS: i64 = 60_000;

/// Between two words nobody thinks for so long.
const IDLE_TIMEOUT_MS: i64 = 30_000;

/// The longest answers of large models take some minutes.
const STREAM_TIMEOUT_MS: i64 = 600_000;

/// A long conversation with a document of some hundred pages.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A quarter of a million tokens: more than models answer at once.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Conversations of agents have some hundred turns.
const MESSAGES_MAX: usize = 512;

/// Answers to one prompt are charged as one request.
const CHOICES_MAX: i64 = 4;

/// Two principals can use all of it, each as many as they may have under way.
const CONCURRENT_MAX: usize = 128;

/// When a route's answers are held, in the configuration's words.
const HOLDS: [&str; 4] = ["never", "flagged", "sampled", "always"];

/// As for models: of a hundred answers one.
const SAMPLE_DEFAULT: f64 = 0.01;

/// What no route has to list: options that change how an answer reads, and neither what the upstream does beside it nor what
/// it keeps.
const OPTIONS: [&str; 19] = [
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "dimensions",
    "user",
    "safety_identifier",
    "prompt_cache_key",
];

/// `[[route]]` as typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteSection {
    name: Given<String>,
    project: Option<Given<String>>,
    upstream: Given<String>,
    secret: Option<Given<String>>,
    ca: Option<Given<String>>,
    networks: Option<Vec<Given<String>>>,
    #[serde(default)]
    rename: BTreeMap<String, Given<String>>,
    #[serde(default)]
    fallback: Vec<FallbackSection>,
    models: Given<Vec<Given<String>>>,
    options: Option<Vec<Given<String>>>,
    system: Option<Given<String>>,
    system_prompt: Option<Given<String>>,
    #[serde(default)]
    guard: GuardSection,
    #[serde(default)]
    output: OutputSection,
    #[serde(default)]
    limits: LimitsSection,
    hold: Option<Given<String>>,
    hold_sample: Option<Given<f64>>,
    remote_hosts: Option<Vec<Given<String>>>,
    hosted_tools: Option<Vec<Given<String>>>,
    request_bytes_max: Option<Given<i64>>,
    answer_bytes_max: Option<Given<i64>>,
    messages_max: Option<Given<i64>>,
    choices_max: Option<Given<i64>>,
    concurrent_max: Option<Given<i64>>,
    timeout_ms: Option<Given<i64>>,
    idle_timeout_ms: Option<Given<i64>>,
    stream_timeout_ms: Option<Given<i64>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FallbackSection {
    upstream: Given<String>,
    secret: Option<Given<String>>,
    ca: Option<Given<String>>,
    networks: Option<Vec<Given<String>>>,
    #[serde(default)]
    rename: BTreeMap<String, Given<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GuardSection {
    user: Option<Given<String>>,
    document: Option<Given<String>>,
    tool: Option<Given<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OutputSection {
    canaries: Vec<Given<String>>,
    keep_system: Option<Given<bool>>,
    link_hosts: Option<Vec<Given<String>>>,
    redact: Option<Vec<Given<String>>>,
    html: Option<Given<bool>>,
}

/// A way to language models.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSettings {
    /// Its name.
    pub name: RouteName,
    /// Whose it is.
    pub project: ProjectId,
    /// The models that callers may name.
    pub models: Vec<Token>,
    /// Where they run, in the order in which they are tried.
    pub upstreams: Vec<RouteUpstream>,
    /// What is allowed on it.
    pub rules: Rules,
}

/// A server that speaks OpenAI's protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteUpstream {
    /// Where it is, with the path that all others are below: exactly this host and port.
    pub url: String,
    /// By which key it is asked.
    pub secret: Option<SecretRef>,
    /// Whom its certificate must be issued by; the system's authorities if absent.
    pub ca: Option<PathBuf>,
    /// Private networks that its name may resolve to.
    pub networks: Vec<IpNet>,
    /// What each of the route's models is called there.
    pub models: BTreeMap<Token, String>,
    /// For a connection, with its TLS handshake.
    pub connect_timeout: Duration,
    /// For the head of an answer, and for all of one that comes whole.
    pub timeout: Duration,
    /// Between two pieces of an answer.
    pub idle_timeout: Duration,
    /// Most prompts at a time.
    pub concurrent_max: usize,
}

/// What is the same for all upstreams of a route.
#[derive(Clone, Copy)]
struct Patience {
    timeout: Duration,
    idle_timeout: Duration,
    concurrent_max: usize,
}

impl Resolver<'_> {
    pub(super) fn routes(&mut self, typed: &[RouteSection], danger: Danger) -> Vec<RouteSettings> {
        let mut routes: Vec<RouteSettings> = Vec::with_capacity(typed.len());
        for section in typed {
            let Some(route) = self.route(section, danger) else { continue };
            if routes.iter().any(|other| other.name == route.name) {
                let message = format!("two sections for route `{}`", route.name);
                self.fail(&section.name.source, message, "give each a name of its own");
            }
            routes.push(route);
        }
        routes
    }

    /// `None` if an error was noted without which there is no route.
    fn route(&mut self, typed: &RouteSection, danger: Danger) -> Option<RouteSettings> {
        let name = typed.name.value.parse::<RouteName>();
        if let Err(error) = &name {
            self.fail(&typed.name.source, error.to_string(), "a name such as `assistant`");
        }
        let project = typed.project.as_ref().map_or(PROJECT, |project| &project.value).parse::<ProjectId>();
        if let (Err(error), Some(typed)) = (&project, &typed.project) {
            self.fail(&typed.source, error.to_string(), "see the names: mantlet project list");
        }
        let models = self.route_models(&typed.models);
        let mut millis = |key: &str, typed: &Option<Given<i64>>, default| {
            let key = format!("route.{key}");
            Duration::from_millis(u64::from(self.number(&key, typed.as_ref(), default, 10..=3_600_000)))
        };
        let timeout = millis("timeout_ms", &typed.timeout_ms, TIMEOUT_MS);
        let idle_timeout = millis("idle_timeout_ms", &typed.idle_timeout_ms, IDLE_TIMEOUT_MS);
        let stream_time_max = millis("stream_timeout_ms", &typed.stream_timeout_ms, STREAM_TIMEOUT_MS);
        let concurrent_max =
            self.size("route.concurrent_max", typed.concurrent_max.as_ref(), CONCURRENT_MAX, 1..=4_096);
        let patience = Patience { timeout, idle_timeout, concurrent_max };
        let RouteSection { upstream, secret, ca, networks, rename, .. } = typed.clone();
        let first = FallbackSection { upstream, secret, ca, networks, rename };
        let all = std::iter::once(&first).chain(&typed.fallback);
        let upstreams = all.map(|one| self.route_upstream(one, &models, patience, danger)).collect();
        let limits = self.route_limits(&typed.limits, &models);
        let hold = self.route_hold(typed);
        let rules = Rules { limits, hold, ..self.route_rules(typed, stream_time_max, danger) };
        Some(RouteSettings { name: name.ok()?, project: project.ok()?, models, upstreams, rules })
    }

    fn route_models(&mut self, typed: &Given<Vec<Given<String>>>) -> Vec<Token> {
        if typed.value.is_empty() {
            self.fail(
                &typed.source,
                "`models` names none, so that nobody could ask any",
                "list what callers may ask",
            );
        }
        let mut models = Vec::with_capacity(typed.value.len());
        for model in &typed.value {
            match Token::new(&model.value) {
                Ok(name) if !models.contains(&name) => models.push(name),
                Ok(_) => self.fail(&model.source, "`models` names one twice", "name it once"),
                Err(_) => {
                    let hint = "letters, digits and `. _ : @ # + / -`; call it something else with `rename`";
                    self.fail(&model.source, "not a name that a model can have here", hint);
                }
            }
        }
        models
    }

    fn route_upstream(
        &mut self,
        typed: &FallbackSection,
        models: &[Token],
        patience: Patience,
        danger: Danger,
    ) -> RouteUpstream {
        self.route_url(&typed.upstream, danger);
        for (name, other) in &typed.rename {
            if !models.iter().any(|model| model.as_str() == name) {
                self.fail(
                    &other.source,
                    "`rename` names a model that the route does not list",
                    "add it to `models`",
                );
            }
        }
        let there = |model: &Token| {
            typed
                .rename
                .get(model.as_str())
                .map_or_else(|| model.as_str().to_owned(), |other| other.value.clone())
        };
        RouteUpstream {
            url: typed.upstream.value.clone(),
            secret: typed.secret.as_ref().and_then(|secret| self.secret(secret)),
            ca: typed.ca.as_ref().map(|path| self.path("route.ca", path)),
            networks: self.networks("route.networks", typed.networks.as_deref().unwrap_or_default()),
            models: models.iter().map(|model| (model.clone(), there(model))).collect(),
            connect_timeout: CONNECT_TIMEOUT.min(patience.timeout),
            timeout: patience.timeout,
            idle_timeout: patience.idle_timeout,
            concurrent_max: patience.concurrent_max,
        }
    }

    /// Checks a URL. It is not shown: people put passwords into URLs.
    fn route_url(&mut self, url: &Given<String>, danger: Danger) {
        match Destination::parse(&url.value) {
            Err(error) => {
                let hint = "write `https://host[:port][/v1]`, without user, query or fragment";
                self.fail(&url.source, format!("`route.upstream`: {error}"), hint);
            }
            Ok(place) if !(place.is_secure() || place.is_loopback() || danger.upstream_plaintext) => {
                let hint = "use https://, or set `upstream_plaintext = true` under `[danger]`";
                self.fail(&url.source, "the key and all prompts would cross the network in the clear", hint);
            }
            Ok(_) => {}
        }
    }

    /// The value may be the secret: the error says the line, and shows nothing of it.
    fn secret(&mut self, typed: &Given<String>) -> Option<SecretRef> {
        let parsed = typed.value.parse::<SecretRef>();
        if let Err(error) = &parsed {
            self.fail_unseen(
                "route.secret",
                &typed.source,
                &error.to_string(),
                "say where it is: `env:NAME`, `file:/…` or `secret:NAME`; a key that was typed into a file is no secret \
                 any more",
            );
        }
        parsed.ok()
    }

    fn route_rules(&mut self, typed: &RouteSection, stream_time_max: Duration, danger: Danger) -> Rules {
        let mode = |this: &mut Self, key: &str, typed: &Option<Given<String>>| {
            let key = format!("route.guard.{key}");
            let mode = this.word(&key, typed.as_ref(), Mode::WORDS, Mode::from_word, Mode::Block);
            if let (Mode::Off, false, Some(typed)) = (mode, danger.guard_off, typed) {
                let hint = "choose `annotate`, or set `guard_off = true` under `[danger]`";
                this.fail(&typed.source, "`off` has nobody look at what comes by this channel", hint);
            }
            mode
        };
        let (request, answer) = (typed.request_bytes_max.as_ref(), typed.answer_bytes_max.as_ref());
        let most = mantlet_types::limits::BODY_BYTES_MAX as u32;
        Rules {
            options: self.options(typed.options.as_deref()),
            system: self.system(typed),
            guard: Guard {
                user: mode(self, "user", &typed.guard.user),
                document: mode(self, "document", &typed.guard.document),
                tool: mode(self, "tool", &typed.guard.tool),
            },
            remote_hosts: words(typed.remote_hosts.as_deref().unwrap_or_default()),
            hosted_tools: words(typed.hosted_tools.as_deref().unwrap_or_default()),
            output: self.output(&typed.output),
            request_bytes_max: self.size("route.request_bytes_max", request, REQUEST_BYTES_MAX, 1_024..=most),
            answer_bytes_max: self.size("route.answer_bytes_max", answer, ANSWER_BYTES_MAX, 1_024..=1 << 26),
            messages_max: self.size(
                "route.messages_max",
                typed.messages_max.as_ref(),
                MESSAGES_MAX,
                1..=16_384,
            ),
            choices_max: self.number("route.choices_max", typed.choices_max.as_ref(), CHOICES_MAX, 1..=128),
            stream_time_max,
            limits: RouteLimits::default(),
            hold: HoldAnswers::Never,
        }
    }

    /// When answers wait for a person.
    fn route_hold(&mut self, typed: &RouteSection) -> HoldAnswers {
        let of = |word: &str| match word {
            "never" => Some(HoldAnswers::Never),
            "flagged" => Some(HoldAnswers::Flagged),
            "sampled" => Some(HoldAnswers::Sampled(SAMPLE_DEFAULT)),
            "always" => Some(HoldAnswers::Always),
            _ => None,
        };
        let hold = self.word("route.hold", typed.hold.as_ref(), &HOLDS, of, HoldAnswers::Never);
        let Some(share) = &typed.hold_sample else { return hold };
        if !(share.value > 0.0 && share.value <= 1.0) {
            self.fail(&share.source, "`hold_sample` is out of range", "a share: above 0, at most 1");
        }
        if !matches!(hold, HoldAnswers::Sampled(_)) {
            let hint = "write `hold = \"sampled\"` beside it, or leave it out";
            self.fail(&share.source, "`hold_sample` without `hold = \"sampled\"`", hint);
        }
        HoldAnswers::Sampled(share.value)
    }

    /// What cannot be kept is an error: a rule that nobody keeps would be believed in.
    fn output(&mut self, typed: &OutputSection) -> Output {
        for canary in &typed.canaries {
            if let Err(error) = guard::Rules::new().canary(&canary.value) {
                // Not shown: it is as good as a secret.
                let hint = "take a long random word, such as `openssl rand -hex 16` gives";
                self.fail_unseen("route.output.canaries", &canary.source, &error.to_string(), hint);
            }
        }
        for host in typed.link_hosts.iter().flatten() {
            if let Err(error) = guard::Rules::new().links([host.value.as_str()]) {
                self.fail(&host.source, format!("`route.output.link_hosts`: {error}"), "write a host alone");
            }
        }
        for kind in typed.redact.iter().flatten() {
            if kind.value.parse::<guard::Kind>().is_err() {
                let known = guard::Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join("`, `");
                let message = "`route.output.redact`: nothing of this kind is redacted";
                self.fail(&kind.source, message, format!("known kinds: `{known}`"));
            }
        }
        Output {
            canaries: typed.canaries.iter().map(|text| text.value.clone()).collect(),
            keep_system: typed.keep_system.as_ref().is_none_or(|keep| keep.value),
            link_hosts: typed.link_hosts.as_deref().map(words),
            redact: words(typed.redact.as_deref().unwrap_or_default()),
            html: typed.html.as_ref().is_none_or(|html| html.value),
        }
    }

    fn options(&mut self, typed: Option<&[Given<String>]>) -> BTreeSet<Box<str>> {
        let Some(typed) = typed else { return OPTIONS.iter().map(|name| (*name).into()).collect() };
        let known: BTreeSet<&str> = OPTIONS.into_iter().chain(llm::CHAT_OPTIONS).collect();
        for option in typed.iter().filter(|option| !known.contains(option.value.as_str())) {
            let listed = known.iter().copied().collect::<Vec<_>>().join("`, `");
            self.fail(&option.source, "no option that routes know", format!("known options: `{listed}`"));
        }
        typed.iter().map(|option| option.value.as_str().into()).collect()
    }

    fn system(&mut self, typed: &RouteSection) -> System {
        let own = |word: &str| ["caller", "route"].contains(&word).then_some(word == "route");
        match (
            self.word("route.system", typed.system.as_ref(), &["caller", "route"], own, false),
            &typed.system_prompt,
        ) {
            (true, Some(prompt)) => System::Route(prompt.value.clone()),
            (true, None) => {
                if let Some(system) = &typed.system {
                    self.fail(
                        &system.source,
                        "`system = \"route\"` without `system_prompt`",
                        "write the prompt",
                    );
                }
                System::Caller
            }
            (false, Some(prompt)) => {
                let hint = "add `system = \"route\"`, so that callers bring none of their own";
                self.fail(&prompt.source, "`system_prompt` without `system = \"route\"`", hint);
                System::Caller
            }
            (false, None) => System::Caller,
        }
    }
}

fn words(typed: &[Given<String>]) -> BTreeSet<Box<str>> {
    typed.iter().map(|word| word.value.as_str().into()).collect()
}

impl RouteSettings {
    /// As `config check` shows it: secrets by their reference, and no text of a system prompt or canary.
    pub(super) fn shown(&self) -> Value {
        let Rules { options, system, guard, remote_hosts, hosted_tools, output, .. } = &self.rules;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let upstream = |one: &RouteUpstream| {
            json!({
                "url": one.url,
                "secret": one.secret.as_ref().map(ToString::to_string),
                "ca": one.ca,
                "networks": one.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "models": one.models.iter().map(|(name, there)| (name.as_str(), there)).collect::<BTreeMap<_, _>>(),
                "timeout_ms": millis(one.timeout),
                "idle_timeout_ms": millis(one.idle_timeout),
                "concurrent_max": one.concurrent_max,
            })
        };
        json!({
            "name": self.name.as_str(),
            "project": self.project.as_str(),
            "upstreams": self.upstreams.iter().map(upstream).collect::<Vec<_>>(),
            "models": self.models.iter().map(Token::as_str).collect::<Vec<_>>(),
            "options": options,
            "system": if *system == System::Caller { "caller" } else { "route" },
            "guard": {
                "user": guard.user.as_str(), "document": guard.document.as_str(), "tool": guard.tool.as_str(),
            },
            "output": {
                "canaries": output.canaries.len(), "keep_system": output.keep_system,
                "link_hosts": output.link_hosts, "redact": output.redact, "html": output.html,
            },
            "hold": match self.rules.hold {
                HoldAnswers::Never => "never",
                HoldAnswers::Flagged => "flagged",
                HoldAnswers::Sampled(_) => "sampled",
                HoldAnswers::Always => "always",
            },
            "hold_sample": if let HoldAnswers::Sampled(share) = self.rules.hold { Some(share) } else { None },
            "limits": limits::shown(&self.rules.limits),
            "remote_hosts": remote_hosts,
            "hosted_tools": hosted_tools,
            "request_bytes_max": self.rules.request_bytes_max,
            "answer_bytes_max": self.rules.answer_bytes_max,
            "messages_max": self.rules.messages_max,
            "choices_max": self.rules.choices_max,
            "stream_timeout_ms": millis(self.rules.stream_time_max),
        })
    }
}
