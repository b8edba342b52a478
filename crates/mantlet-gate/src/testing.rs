//! A gate over fakes, for tests and benches: a clock that stands still, a ledger and a store that remember, a model
//! of two features, one project with one operator, one application and a key for each.

#![expect(clippy::unwrap_used, reason = "a kit for tests: what cannot be set up must fail the test")]

#[cfg(test)]
mod doors;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod envelopes;
#[cfg(test)]
mod exams;
mod fakes;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod pairs;
mod reviews;
#[cfg(test)]
pub(crate) mod signers;
#[cfg(test)]
mod trace;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use mantlet_types::{
    Kid, ModelName, PrincipalId, ProjectId, Rejection, Role, Sha256, Timestamp, UserId, Version, entry::Event,
};
use zeroize::Zeroizing;

pub use self::{
    fakes::{Compute, FakeClock, FakeLedger, FakeModel, FakePayload, FakeStore, coin_contract},
    reviews::FakeQueue,
};
use crate::{
    Gate, Snapshot,
    directory::{Ceiling, Change, Consumer, Directory, Key, KeyState, ModelRecord, User, VersionRecord},
    identity::{
        self, Arrival, Certificate, Channel, Credential, Peppers, Principal,
        key::{Env, mint},
    },
    mediate::Ask,
    policy::Policy,
    ports::Model,
    record::Record,
    snapshot::{Served, Settings},
    urls::UrlSigner,
};

/// When every test begins: 2026-01-01T00:00:00Z.
pub const BEGIN: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Where every test's requests come from.
pub const CLIENT: &str = "192.0.2.7";

/// The operator's user certificate.
pub const CERTIFICATE: Sha256 = Sha256([0xCE; 32]);

/// The operator; also who the home's owner is.
pub const OPERATOR: &str = "olga";

/// The application.
pub const CONSUMER: &str = "fraud-app";

/// The model.
pub const MODEL: &str = "coin";

/// The project of all of them.
pub const PROJECT: &str = "home";

/// Parsing and checking the policies takes long without optimization; they are the same for all.
static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::new(None).unwrap());

/// A gate over fakes.
pub struct Kit {
    /// The gate.
    pub gate: Arc<Gate>,
    /// Its clock.
    pub clock: Arc<FakeClock>,
    /// Its ledger.
    pub ledger: Arc<FakeLedger>,
    /// Its store.
    pub store: Arc<FakeStore>,
    /// Its queue of held answers.
    pub reviews: Arc<FakeQueue>,
    /// The operator's key.
    pub operator_key: String,
    /// The application's key.
    pub consumer_key: String,
}

impl Default for Kit {
    fn default() -> Self {
        Self::new()
    }
}

impl Kit {
    /// As the module says.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with the first snapshot changed at will.
    pub fn with(change: impl FnOnce(&mut Snapshot)) -> Self {
        let clock = Arc::new(FakeClock::default());
        let ledger = Arc::new(FakeLedger::default());
        let store = Arc::new(FakeStore::default());
        let mut first = snapshot();
        change(&mut first);
        let ports = (Arc::clone(&ledger), Arc::clone(&store), Arc::clone(&clock));
        let reviews = Arc::new(FakeQueue::default());
        let gate = Gate::new(first, ports.0, ports.1, ports.2);
        let gate = gate.with_reviews(Arc::clone(&reviews) as _).with_urls(UrlSigner::new(&[9; 32]));
        let gate = Arc::new(gate);
        let (operator_key, consumer_key) = (String::new(), String::new());
        let mut kit = Self { gate, clock, ledger, store, reviews, operator_key, consumer_key };
        kit.operator_key = kit.key(&format!("user:{OPERATOR}")).1;
        kit.consumer_key = kit.key(&format!("consumer:{CONSUMER}")).1;
        kit
    }

    /// Makes the changes visible, past both doors.
    pub fn change(&self, changes: &[Change]) {
        self.gate.replace(self.gate.snapshot().next(changes, Vec::new(), None));
    }

    /// Makes a key for somebody, valid for 90 days from [`BEGIN`]: its id and text.
    #[must_use]
    pub fn key(&self, owner: &str) -> (Kid, String) {
        let minted = mint(Env::Test, &self.gate.snapshot().peppers).unwrap();
        let key = Key {
            owner: owner.parse::<PrincipalId>().unwrap(),
            hmac: minted.hmac,
            pepper_version: minted.pepper_version,
            created: BEGIN,
            expires: BEGIN.plus_seconds(90 * 86_400),
            state: KeyState::Active,
            networks: Vec::new(),
            handed_over: false,
        };
        self.change(&[Change::PutKey(minted.kid, key)]);
        (minted.kid, minted.secret.reveal().as_str().to_owned())
    }

    /// The record of a key.
    #[must_use]
    pub fn kept(&self, kid: Kid) -> Key {
        self.gate.snapshot().directory.keys[&kid].clone()
    }

    /// A request over TLS without a certificate.
    #[must_use]
    pub fn arrival(&self, credential: Credential) -> Arrival {
        Arrival {
            request_id: self.gate.request_id(),
            ip: CLIENT.parse().unwrap(),
            trace_id: None,
            channel: Channel::Tls(None),
            credential,
        }
    }

    /// A request with a key.
    #[must_use]
    pub fn bearer(&self, key: &str) -> Arrival {
        self.arrival(Credential::Bearer(Zeroizing::new(key.to_owned())))
    }

    /// A request of the operator, with the second factor.
    #[must_use]
    pub fn operator(&self) -> Arrival {
        let certificate = Certificate {
            digest: CERTIFICATE,
            user: OPERATOR.parse().unwrap(),
            expires: BEGIN.plus_seconds(90 * 86_400),
        };
        Arrival { channel: Channel::Tls(Some(certificate)), ..self.bearer(&self.operator_key) }
    }

    /// A request of the home's owner at the control socket.
    #[must_use]
    pub fn local_owner(&self) -> Arrival {
        Arrival { channel: Channel::Control, ..self.arrival(Credential::LocalOwner) }
    }

    /// Authenticates, past the doors.
    ///
    /// # Errors
    /// As the step itself.
    pub fn authenticate(&self, arrival: Arrival) -> Result<Principal, Rejection> {
        let mut record = Record::of(&self.gate, Event::Inference, &arrival);
        identity::authenticate(&self.gate, arrival, &mut record)
    }
}

/// The first 65 characters of a key, with the checksum that belongs to them.
#[must_use]
pub fn resealed(head: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(head.as_bytes()) as usize;
    let mut crc = String::new();
    for _ in 0..6 {
        crc.insert(0, char::from(DIGITS[rest % 62]));
        rest /= 62;
    }
    format!("{head}{crc}")
}

/// A question to the coin model.
#[must_use]
pub fn ask() -> Ask {
    Ask { model: MODEL.parse().unwrap(), version: None, action: mantlet_types::Action::Predict }
}

/// A person with these roles in the project.
#[must_use]
pub fn user(roles: &[Role]) -> User {
    let project: ProjectId = PROJECT.parse().unwrap();
    User {
        projects: BTreeSet::from([project.clone()]),
        bindings: roles.iter().map(|role| (*role, BTreeSet::from([project.clone()]))).collect(),
        ..User::default()
    }
}

fn snapshot() -> Snapshot {
    let model: ModelName = MODEL.parse().unwrap();
    let versions: BTreeMap<Version, Arc<dyn Model>> =
        BTreeMap::from([(Version::FIRST, Arc::new(FakeModel::coin()) as Arc<dyn Model>)]);
    Snapshot {
        generation: 1,
        directory: directory(),
        policy: POLICY.renewed(),
        models: [(model, Served { versions })].into(),
        peppers: Arc::new(Peppers::new(1, &[7; 32])),
        workloads: identity::Workloads::default(),
        settings: Arc::new(Settings {
            failures_per_minute: 10,
            denials_per_minute: 5,
            local_owner: Some(OPERATOR.parse().unwrap()),
            ..Settings::default()
        }),
    }
}

fn directory() -> Directory {
    let project: ProjectId = PROJECT.parse().unwrap();
    let model: ModelName = MODEL.parse().unwrap();
    let operator = User {
        ceiling: Some(Ceiling {
            roles: BTreeSet::from([Role::Reader, Role::Analyst]),
            models: None,
            rate_per_minute: 600,
        }),
        certificates: BTreeSet::from([CERTIFICATE]),
        ..user(&[Role::Operator])
    };
    let consumer = Consumer {
        routes: Default::default(),
        disabled: false,
        project: project.clone(),
        models: BTreeSet::from([model.clone()]),
        monitor: false,
        expires: BEGIN.plus_seconds(365 * 86_400),
        rate_per_minute: 60,
        identities: BTreeSet::new(),
        removed: Vec::new(),
        keepers: BTreeSet::new(),
    };
    let author: UserId = "ada".parse().unwrap();
    let version = VersionRecord {
        author: author.clone(),
        data_authors: BTreeSet::new(),
        digest: Sha256([0xD1; 32]),
        package: Sha256([0xD2; 32]),
        registered: BEGIN,
        was_live: true,
        promotion: None,
        facts: crate::releases::facts::Facts::default(),
    };
    let record = ModelRecord {
        project: project.clone(),
        live: Some(Version::FIRST),
        former: Vec::new(),
        disabled: None,
        aliases: BTreeMap::new(),
        versions: BTreeMap::from([(Version::FIRST, version)]),
    };
    Directory {
        projects: BTreeSet::from([project]),
        users: [(OPERATOR.parse().unwrap(), operator), (author, user(&[Role::DataScientist]))].into(),
        consumers: [(CONSUMER.parse().unwrap(), consumer)].into(),
        models: BTreeMap::from([(model, record)]),
        ..Directory::default()
    }
}
