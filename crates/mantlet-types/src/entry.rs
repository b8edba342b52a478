//! The audit entry `mantlet.audit/1`: metadata only.
//!
//! There is no free-text member. Every string is an enum's name, a checked identifier or a digest, so an input, a
//! key or an output has no place to land in. Fields are declared in the order of their names: serialized without
//! white space, an entry is canonical JSON (RFC 8785) because all members are strings, integers and arrays.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    Action, Kid, ModelName, NodeId, PrincipalId, ProjectId, RequestId, RouteName, Sha256, Timestamp, Version,
    limits::ID_BYTES_MAX, workload::IdentityId,
};

/// One entry. The writer fills in `idx`, `node` and `ts`; everything else comes from the door that made it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// How the principal was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authn: Option<Authn>,
    /// Rows in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<IpAddr>,
    /// Confidence of a one-row answer in basis points; the least of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence_bp: Option<u32>,
    /// What a completion cost, in millionths of the currency that the route's prices are in; absent where it has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<u64>,
    /// For an aggregate: how many events it stands for. Exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What policy said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Why not, as a code of the rejection table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<Token>,
    /// What kind of event this is.
    pub event: Event,
    /// For an aggregate: the first of the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ts: Option<Timestamp>,
    /// What the guard found in a prompt: `clean`, `suspect` or `attack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Token>,
    /// Which of a workload's identities was shown, by its short form: `consumer identity list` has the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityId>,
    /// Leaf index in this node's log.
    pub idx: u64,
    /// Digest of a prompt as it arrived, under a key of the home's, so that nobody finds out a text by guessing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_digest: Option<Sha256>,
    /// Length of the request body in bytes. Never its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_length: Option<u64>,
    /// Tokens of a prompt, as the upstream counted them or, where it did not, as they were estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// On an outcome: the index of its intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_idx: Option<u64>,
    /// The public part of the API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Kid>,
    /// From the end of the headers to the decision, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Digest of the package that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_digest: Option<Sha256>,
    /// The version that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_version: Option<Version>,
    /// The node whose log this is.
    pub node: NodeId,
    /// The class answered, for models with a closed set of labels; `__uncertain` for a withheld one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_class: Option<Token>,
    /// Digest of what left of a completion, under a key of the home's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_digest: Option<Sha256>,
    /// Tokens of a completion, counted like those of its prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Whether this is the whole story or one end of it.
    pub phase: Phase,
    /// Generation of policy and directory that decided; on the outcome of a change, the one that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_gen: Option<u64>,
    /// The policies that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_ids: Vec<Token>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// The project of the resource; whose part of the log this belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// What it was about, as `Kind:key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Token>,
    /// The route that a prompt took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteName>,
    /// The language model that was asked, as the configuration calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_model: Option<Token>,
    /// What was done to a completion before it left: what was taken out of it, or why it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sanitized: Vec<Token>,
    /// What the input screen remarked on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub screen: Vec<Token>,
    /// The HTTP status answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Which of several things of this kind: a role, a user, a key id that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Token>,
    /// W3C trace id, 32 hexadecimal characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Token>,
    /// When, never earlier than the entry before.
    pub ts: Timestamp,
    /// The format's version: 1.
    pub v: u8,
}

impl Entry {
    /// An entry of this kind with everything else open.
    #[must_use]
    pub fn new(event: Event, node: NodeId) -> Self {
        Self {
            action: None,
            authn: None,
            batch: None,
            client_ip: None,
            confidence_bp: None,
            cost_micros: None,
            count: None,
            decision: None,
            error_code: None,
            event,
            first_ts: None,
            guard: None,
            identity: None,
            idx: 0,
            input_digest: None,
            input_length: None,
            input_tokens: None,
            intent_idx: None,
            key_id: None,
            latency_us: None,
            model: None,
            model_digest: None,
            model_version: None,
            node,
            output_class: None,
            output_digest: None,
            output_tokens: None,
            phase: Phase::Single,
            policy_gen: None,
            policy_ids: Vec::new(),
            principal: None,
            project: None,
            request_id: None,
            resource: None,
            route: None,
            route_model: None,
            sanitized: Vec::new(),
            screen: Vec::new(),
            status: None,
            subject: None,
            trace_id: None,
            ts: Timestamp::from_micros(0),
            v: 1,
        }
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in entries.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text,)* } }
        }
    };
}

names! {
    /// Kinds of event.
    Event {
        /// A model was asked.
        Inference = "inference",
        /// A language model was asked.
        Completion = "completion",
        /// The models of routes were listed.
        RouteRead = "route.read",
        /// A model's metadata, readiness or statistics were asked for.
        ModelRead = "model.read",
        /// A package left.
        ModelExport = "model.export",
        /// A URL was signed that gives a package to whoever brings it.
        UrlSign = "url.sign",
        /// A package, or a part of it, was asked for by a signed URL.
        UrlRedeem = "url.redeem",
        /// A key that signs URLs was made or revoked.
        UrlKeyChange = "url_key.change",
        /// The keys that sign URLs were listed.
        UrlKeyRead = "url_key.read",
        /// A secret was kept, replaced or forgotten.
        SecretChange = "secret.change",
        /// Secrets were listed, or the value of one was read.
        SecretRead = "secret.read",
        /// A package was registered.
        ModelRegister = "model.register",
        /// Somebody asked that a version go live.
        ModelRequest = "model.request",
        /// Somebody approved that a version go live.
        ModelApprove = "model.approve",
        /// A version went live.
        ModelActivate = "model.activate",
        /// A version that was live before went live again.
        ModelRollback = "model.rollback",
        /// An evaluation was attached to a version.
        ModelEvaluate = "model.evaluate",
        /// A version was given an alias, or lost one.
        ModelAlias = "model.alias",
        /// A version was withdrawn for good.
        ModelRetire = "model.retire",
        /// Held answers were listed, or one was read.
        ReviewRead = "review.read",
        /// Somebody took a held answer on, or was given it.
        ReviewAssign = "review.assign",
        /// Somebody decided a held answer.
        ReviewDecide = "review.decide",
        /// Somebody had a held answer forgotten.
        ReviewErase = "review.erase",
        /// Decided answers left as labelled rows.
        ReviewExport = "review.export",
        /// Whoever asked looked whether their held answer is decided.
        ReviewPoll = "review.poll",
        /// Held answers were forgotten because their time was over.
        ReviewExpire = "review.expire",
        /// A model was stopped: it answers nobody.
        ModelDisable = "model.disable",
        /// A model that was stopped answers again.
        ModelEnable = "model.enable",
        /// Custom policies were proposed, approved, put in force or withdrawn.
        PolicyChange = "policy.change",
        /// Custom policies were read, or tried.
        PolicyRead = "policy.read",
        /// Break-glass was asked for, approved or begun.
        BreakGlass = "break_glass",
        /// What waits for a second person was read.
        ApprovalRead = "approval.read",
        /// Somebody was not who they said, or said nothing. Aggregated.
        AuthFail = "auth.fail",
        /// A person was added, changed or disabled.
        UserChange = "user.change",
        /// People and bindings were read.
        UserRead = "user.read",
        /// An application was changed or disabled. Its making shows in `key.create`.
        ConsumerChange = "consumer.change",
        /// A project was made.
        ProjectChange = "project.change",
        /// A binding was proposed, approved, made or ended.
        RoleChange = "role.change",
        /// A key was created.
        KeyCreate = "key.create",
        /// A key was rotated.
        KeyRotate = "key.rotate",
        /// A key was revoked.
        KeyRevoke = "key.revoke",
        /// Keys were listed.
        KeyRead = "key.read",
        /// The audit log was read, searched, exported or proved from.
        AuditRead = "audit.read",
        /// Statistics were read.
        MonitorRead = "monitor.read",
        /// The configuration was reloaded, or a reload was rejected.
        ConfigReload = "config.reload",
        /// The node started.
        SysStart = "sys.start",
        /// The node stopped in good order.
        SysStop = "sys.stop",
        /// The node went on with a store that is older than the log, as it was told to.
        SysRestore = "sys.restore",
        /// The root key was replaced, and everything that it wraps with it.
        SysRootKey = "sys.root_key",
        /// Files of the registry that nothing names were taken away.
        SysCollect = "sys.collect",
        /// The node sealed itself.
        SysSeal = "sys.seal",
        /// The clock jumped against the monotonic one.
        ClockJump = "sys.clock_jump",
    }
}

names! {
    /// Whether an entry tells the whole story.
    Phase {
        /// It does.
        Single = "single",
        /// Something is about to be done.
        Intent = "intent",
        /// It was done, or not.
        Outcome = "outcome",
    }
}

names! {
    /// What policy said.
    Decision {
        /// Allowed.
        Allow = "allow",
        /// Denied.
        Deny = "deny",
        /// Could not decide, hence denied.
        Error = "error",
    }
}

names! {
    /// How a principal was authenticated.
    Authn {
        /// An API key.
        ApiKey = "api_key",
        /// An API key and a user certificate.
        ApiKeyAndCertificate = "api_key+certificate",
        /// An API key and the certificate of the workload that it belongs to.
        ApiKeyAndSpiffe = "api_key+spiffe",
        /// A workload's certificate.
        Spiffe = "spiffe",
        /// A token of a configured issuer.
        Token = "token",
        /// A token of a configured issuer and the certificate of the workload that it speaks of.
        TokenAndSpiffe = "token+spiffe",
        /// A URL that the principal had signed, brought by whoever has it.
        SignedUrl = "signed_url",
        /// The control socket's owner.
        LocalOwner = "local_owner",
        /// Mantlet itself.
        Internal = "internal",
    }
}

/// A short string that cannot carry text: letters, digits and `. _ : @ # + / -`, at most 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(std::sync::Arc<str>);

/// The text is not a token. The text is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an audit token")]
pub struct TokenError;

impl Token {
    /// Longest token in bytes: two identifiers and a separator fit.
    pub const BYTES_MAX: usize = 2 * ID_BYTES_MAX;

    /// Checks and keeps a string.
    ///
    /// # Errors
    /// If a character or the length is outside what a token may have.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:@#+/-".contains(&b));
        if fits && plain { Ok(Self(text.into())) } else { Err(TokenError) }
    }

    /// For our own names; a string that is no token becomes `__invalid`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::new(text).unwrap_or_else(|_| Self("__invalid".into()))
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Token {
    type Error = TokenError;
    fn try_from(text: String) -> Result<Self, TokenError> {
        Self::new(&text)
    }
}

impl From<Token> for String {
    fn from(token: Token) -> String {
        token.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_canonical_json() {
        let mut entry = Entry::new(Event::Inference, "node-1".parse().unwrap());
        entry.action = Some(Action::Predict);
        entry.principal = Some("consumer:fraud-app".parse().unwrap());
        entry.policy_ids = vec![Token::of("P15_consumer")];
        let text = serde_json::to_string(&entry).unwrap();
        let sorted: serde_json::Value = serde_json::from_str(&text).unwrap(); // a BTreeMap: sorts its keys
        assert_eq!(text, sorted.to_string());
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }

    #[test]
    fn unknown_members_are_refused() {
        let text = r#"{"event":"inference","idx":0,"node":"n","phase":"single","ts":"2026-01-01T00:00:00Z","v":1,"x":1}"#;
        assert!(serde_json::from_str::<Entry>(text).is_err());
    }

    #[test]
    fn tokens_carry_no_text() {
        assert!(Token::new("Model:breast-cancer").is_ok());
        for bad in ["", "two words", "ünï", "a\n", "\"", "a{b}"] {
            assert!(Token::new(bad).is_err(), "{bad}");
        }
        assert!(Token::new(&"a".repeat(129)).is_err());
    }
}
