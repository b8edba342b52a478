//! The gate's ports in memory, and a model of two features.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use mantlet_types::{
    Code, Contract, Datatype, Entry, NodeId, Rejection, Sha256, Tensor, TensorData, TensorSpec, Timestamp,
    Version,
    contract::{Confidence, Disclosure, Fallback, Feature, FeatureKind, Judgment, Label, Layout, Task},
    question::{Question, Rows, Scalar},
};

use super::{BEGIN, MODEL, PROJECT};
use crate::{
    administer::Warrant,
    directory::Change,
    infer::ModelInput,
    mediate::Payload,
    ports::{
        Acknowledgement, Clock, EngineFault, Explainer, Ledger, LedgerClosed, Model, Placement, RawOutput,
        Receipt, Store, StoreFault, Threshold,
    },
};

/// A clock that stands still until it is moved.
pub struct FakeClock(AtomicI64);

impl Default for FakeClock {
    fn default() -> Self {
        Self(AtomicI64::new(BEGIN.micros()))
    }
}

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

impl Default for FakeLedger {
    fn default() -> Self {
        Self {
            node: "node-1".parse().unwrap(),
            closed: AtomicBool::new(false),
            entries: Mutex::default(),
            failures: Mutex::default(),
            denials: Mutex::default(),
        }
    }
}

impl FakeLedger {
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
    commits: AtomicU64,
    /// Everything committed, in order.
    pub changes: Mutex<Vec<Change>>,
}

/// The fake store's first generation: far from where a snapshot that counts for itself would get to.
const GENERATIONS: u64 = 1_000;

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
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<u64, StoreFault>> + Send + 'a>> {
        Box::pin(async move {
            if self.broken.load(Ordering::SeqCst) {
                return Err(StoreFault("broken".to_owned()));
            }
            self.changes.lock().unwrap().extend_from_slice(changes);
            Ok(GENERATIONS + self.commits.fetch_add(1, Ordering::SeqCst))
        })
    }
}

/// What a fake model computes: the output tensors of these input tensors.
pub type Compute = dyn Fn(Vec<Tensor>) -> Result<Vec<Tensor>, EngineFault> + Send + Sync;

/// A model that does as it is told.
pub struct FakeModel {
    contract: Arc<Contract>,
    placement: Placement,
    compute: Arc<Compute>,
    explainer: Option<Arc<dyn Explainer>>,
}

impl FakeModel {
    /// A model of this contract.
    pub fn new(
        contract: Contract,
        compute: impl Fn(Vec<Tensor>) -> Result<Vec<Tensor>, EngineFault> + Send + Sync + 'static,
    ) -> Self {
        Self {
            contract: Arc::new(contract),
            placement: Placement::Inline,
            compute: Arc::new(compute),
            explainer: None,
        }
    }

    /// The model of [`coin_contract`]: of the two features the first is the probability of `heads`.
    #[must_use]
    pub fn coin() -> Self {
        Self::new(coin_contract(), |tensors| Ok(vec![coin(&tensors)]))
    }

    /// The same, explained by this.
    #[must_use]
    pub fn explained(self, explainer: impl Explainer + 'static) -> Self {
        Self { explainer: Some(Arc::new(explainer)), ..self }
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

    fn judged_by(&self, threshold: &Threshold) -> Result<Arc<dyn Model>, String> {
        let mut contract = Contract::clone(&self.contract);
        contract.judgment.threshold = threshold(&contract.model, contract.judgment.threshold)?;
        let (contract, compute) = (Arc::new(contract), Arc::clone(&self.compute));
        let explainer = self.explainer.clone();
        Ok(Arc::new(Self { contract, compute, placement: self.placement, explainer }))
    }

    fn placement(&self, _: usize) -> Placement {
        self.placement
    }

    fn run(&self, input: ModelInput) -> Result<RawOutput, EngineFault> {
        (self.compute)(input.into_tensors()).map(RawOutput)
    }

    fn explainer(&self) -> Option<&dyn Explainer> {
        self.explainer.as_deref()
    }
}

/// Two numbers in; the probabilities of `tails` and `heads` out; answers from 0.7 on.
#[must_use]
pub fn coin_contract() -> Contract {
    let number = |name: &str| Feature {
        name: name.into(),
        kind: FeatureKind::Number { seen: None, accepted: None },
        optional: false,
        sensitivity: 1,
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

pub(super) fn coin(tensors: &[Tensor]) -> Tensor {
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
