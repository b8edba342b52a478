//! A gate over fakes, for tests and benches: a clock that stands still, a ledger and a store that remember, a model
//! of two features, one project with one operator, one application and a key for each.

#![expect(clippy::unwrap_used, reason = "a kit for tests: what cannot be set up must fail the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use mantlet_types::{
    Code, Contract, Datatype, Entry, Kid, ModelName, NodeId, PrincipalId, ProjectId, Rejection, Role, Sha256,
    Tensor, TensorData, TensorSpec, Timestamp, UserId, Version,
    contract::{Confidence, Disclosure, Fallback, Feature, FeatureKind, Judgment, Label, Layout, Task},
    entry::Event,
    question::{Question, Rows, Scalar},
};
use zeroize::Zeroizing;

use crate::{
    Gate, Snapshot,
    administer::Warrant,
    directory::{Ceiling, Change, Consumer, Directory, Key, KeyState, ModelRecord, User, VersionRecord},
    identity::{
        self, Arrival, Certificate, Channel, Credential, Peppers, Principal,
        key::{Env, mint},
    },
    infer::ModelInput,
    mediate::{Ask, Payload},
    policy::Policy,
    ports::{
        Acknowledgement, Clock, EngineFault, Ledger, LedgerClosed, Model, Placement, RawOutput, Receipt,
        Store, StoreFault,
    },
    record::Record,
    snapshot::{Served, Settings},
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

/// A clock that stands still until it is moved.
pub struct FakeClock(AtomicI64);

impl FakeClock {
    /// Moves it by so many seconds, back too.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.micros(), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A ledger in memory.
pub struct FakeLedger {
    node: NodeId,
    closed: AtomicBool,
    /// Entries that somebody waited for, and those that nobody did, in order.
    pub entries: Mutex<Vec<Entry>>,
    /// Failures before authentication.
    pub failures: Mutex<Vec<(Code, IpAddr)>>,
    /// Denials over the budget.
    pub denials: Mutex<Vec<Entry>>,
}

impl FakeLedger {
    fn new() -> Self {
        Self {
            node: "node-1".parse().unwrap(),
            closed: AtomicBool::new(false),
            entries: Mutex::default(),
            failures: Mutex::default(),
            denials: Mutex::default(),
        }
    }

    /// Seals it.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Takes all entries out.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries.lock().unwrap())
    }

    fn push(&self, mut entry: Entry) -> Result<u64, LedgerClosed> {
        if !self.is_open() {
            return Err(LedgerClosed);
        }
        let mut entries = self.entries.lock().unwrap();
        entry.idx = entries.len() as u64;
        entries.push(entry);
        Ok(entries.len() as u64 - 1)
    }
}

impl Ledger for FakeLedger {
    fn node(&self) -> &NodeId {
        &self.node
    }

    fn append(&self, entry: Entry) -> Result<Acknowledgement, LedgerClosed> {
        let idx = self.push(entry)?;
        Ok(Box::pin(async move { Ok(Receipt { token: format!("receipt-{idx}").into(), idx }) }))
    }

    fn note(&self, entry: Entry) -> Result<(), LedgerClosed> {
        self.push(entry).map(drop)
    }

    fn failure(&self, code: Code, ip: IpAddr) {
        self.failures.lock().unwrap().push((code, ip));
    }

    fn denial(&self, _code: Code, entry: &Entry) {
        self.denials.lock().unwrap().push(entry.clone());
    }

    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst)
    }
}

/// A store in memory.
#[derive(Default)]
pub struct FakeStore {
    broken: AtomicBool,
    /// Everything committed, in order.
    pub changes: Mutex<Vec<Change>>,
}

impl FakeStore {
    /// From here on it takes nothing.
    pub fn fail(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
}

impl Store for FakeStore {
    fn commit<'a>(
        &'a self,
        _: &'a Warrant,
        changes: &'a [Change],
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), StoreFault>> + Send + 'a>> {
        Box::pin(async move {
            if self.broken.load(Ordering::SeqCst) {
                return Err(StoreFault("broken".to_owned()));
            }
            self.changes.lock().unwrap().extend_from_slice(changes);
            Ok(())
        })
    }
}

/// What a fake model computes: the output tensors of these input tensors.
pub type Compute = dyn Fn(Vec<Tensor>) -> Result<Vec<Tensor>, EngineFault> + Send + Sync;

/// A model that does as it is told.
pub struct FakeModel {
    contract: Arc<Contract>,
    placement: Placement,
    compute: Box<Compute>,
}

impl FakeModel {
    /// A model of this contract.
    pub fn new(
        contract: Contract,
        compute: impl Fn(Vec<Tensor>) -> Result<Vec<Tensor>, EngineFault> + Send + Sync + 'static,
    ) -> Self {
        Self { contract: Arc::new(contract), placement: Placement::Inline, compute: Box::new(compute) }
    }

    /// The model of [`coin_contract`]: of the two features the first is the probability of `heads`.
    #[must_use]
    pub fn coin() -> Self {
        Self::new(coin_contract(), |tensors| Ok(vec![coin(&tensors)]))
    }

    /// The same, run in the pool.
    #[must_use]
    pub fn pooled(self) -> Self {
        Self { placement: Placement::Pool, ..self }
    }
}

impl Model for FakeModel {
    fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    fn placement(&self, _: usize) -> Placement {
        self.placement
    }

    fn run(&self, input: ModelInput) -> Result<RawOutput, EngineFault> {
        (self.compute)(input.into_tensors()).map(RawOutput)
    }
}

/// Two numbers in; the probabilities of `tails` and `heads` out; answers from 0.7 on.
#[must_use]
pub fn coin_contract() -> Contract {
    let number = |name: &str| Feature {
        name: name.into(),
        kind: FeatureKind::Number { seen: None, accepted: None },
        optional: false,
    };
    let label = |text: &str| Label { text: text.into(), number: None };
    let spec =
        |name: &str| TensorSpec { name: name.into(), datatype: Datatype::Fp32, shape: vec![None, Some(2)] };
    Contract {
        model: MODEL.parse().unwrap(),
        version: Version::FIRST,
        project: PROJECT.parse().unwrap(),
        digest: Sha256([0xD1; 32]),
        inputs: vec![spec("x")],
        outputs: vec![spec("probabilities")],
        features: vec![number("bias"), number("wind")],
        layout: Layout::Matrix,
        task: Task::Classify { probabilities: 0, label: None, labels: vec![label("tails"), label("heads")] },
        judgment: Judgment {
            confidence: Confidence::Probability { temperature: 1.0 },
            threshold: 0.7,
            fallback: Fallback::default(),
        },
        disclosure: Disclosure::default(),
        options: Vec::new(),
        batch_rows_max: 1_000,
    }
}

fn coin(tensors: &[Tensor]) -> Tensor {
    let TensorData::Fp32(values) = &tensors[0].data else { unreachable!("validated") };
    let data = values.chunks_exact(2).flat_map(|row| [1.0 - row[0], row[0]]).collect();
    Tensor { name: "probabilities".into(), shape: tensors[0].shape.clone(), data: TensorData::Fp32(data) }
}

/// A body that is there already.
pub struct FakePayload(pub Result<Question, Rejection>);

impl FakePayload {
    /// So many rows that the coin model is sure of.
    #[must_use]
    pub fn rows(rows: usize) -> Self {
        let row = vec![Scalar::Number(0.9), Scalar::Number(0.0)];
        Self(Ok(Question { rows: Rows::Ordered(vec![row; rows]), body_bytes: 10, ..Question::default() }))
    }
}

impl Payload for FakePayload {
    async fn read(self, _: &Contract) -> Result<Question, Rejection> {
        self.0
    }
}

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
        let clock = Arc::new(FakeClock(AtomicI64::new(BEGIN.micros())));
        let ledger = Arc::new(FakeLedger::new());
        let store = Arc::new(FakeStore::default());
        let mut first = snapshot();
        change(&mut first);
        let ports = (Arc::clone(&ledger), Arc::clone(&store), Arc::clone(&clock));
        let gate = Arc::new(Gate::new(first, ports.0, ports.1, ports.2));
        let mut kit =
            Self { gate, clock, ledger, store, operator_key: String::new(), consumer_key: String::new() };
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
        let certificate = Certificate { digest: CERTIFICATE, user: OPERATOR.parse().unwrap() };
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
        settings: Arc::new(Settings {
            single_person: false,
            rate_per_minute: 60,
            failures_per_minute: 10,
            denials_per_minute: 5,
            local_owner: Some(OPERATOR.parse().unwrap()),
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
        disabled: false,
        project: project.clone(),
        models: BTreeSet::from([model.clone()]),
        monitor: false,
        expires: BEGIN.plus_seconds(365 * 86_400),
        rate_per_minute: 60,
    };
    let author: UserId = "ada".parse().unwrap();
    let version = VersionRecord {
        author: author.clone(),
        data_authors: BTreeSet::new(),
        digest: Sha256([0xD1; 32]),
        package: Sha256([0xD2; 32]),
        registered: BEGIN,
        was_live: true,
    };
    let record = ModelRecord {
        project: project.clone(),
        live: Some(Version::FIRST),
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

#[cfg(test)]
mod doors;
