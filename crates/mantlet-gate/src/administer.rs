//! Door 2: everything that reads or changes the gate's own state.
//!
//! ```text
//! authenticate → read → authorize → second person (where required) → act → audit (intent, then outcome)
//! ```
//!
//! A request is read once it is known who asks, and before the lock: a slow or large one holds up nobody else.
//! A change is decided on the directory that it changes: changes run one at a time, each against the newest
//! snapshot. The intent is durable before the act begins, so no change is ever without a trace.

mod erased;
mod own;

use std::sync::Arc;

use mantlet_types::{
    Action, Code, ModelName, PrincipalId, Rejection, Sha256, Version,
    entry::{Decision, Event, Token},
};

use self::erased::{AnyPetition, Asked, Kept};
pub use self::own::{announce, expire_reviews, found, revoke_leaked};
use crate::{
    Gate, Snapshot,
    audit::{self, Fallen, Released},
    directory::{Change, Directory},
    identity::{self, Arrival, Principal},
    perimeter,
    policy::{self, Policy, Target},
    ports::Model,
    record::Record,
    snapshot::Settings,
    unabandoned::unabandoned,
};

/// Leave to act, given by door 2 alone. The store and the registry take no change without one.
#[derive(Debug)]
pub struct Warrant {
    /// The index of the intent's entry, once it is durable.
    intent: Option<u64>,
}

impl Warrant {
    /// The index of the entry that says what is about to be done; none for what changes nothing.
    #[must_use]
    pub const fn intent(&self) -> Option<u64> {
        self.intent
    }
}

/// How the log says that each item of a list was decided by itself.
const PER_ITEM: &str = "decided_per_item";

/// One administrative act.
pub trait Deed: Send + 'static {
    /// What the caller gets.
    type Reply: Send + 'static;

    /// How the log names it.
    fn event(&self) -> Event;

    /// Whether it changes anything. Reads write a single entry; changes an intent and an outcome.
    fn changes(&self) -> bool;

    /// What must be allowed.
    ///
    /// # Errors
    /// If the request is not about anything that exists or could exist.
    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection>;

    /// The HTTP status that goes with a reply, where it is another than 200.
    fn status(_reply: &Self::Reply) -> u16 {
        200
    }

    /// What it is about, beyond the resource: a role, a key id, a user.
    fn subject(&self) -> Option<Token> {
        None
    }

    /// Digest of the signed manifest that it is about, where it is about one.
    fn manifest(&self) -> Option<Sha256> {
        None
    }

    /// Does it.
    ///
    /// # Errors
    /// If the state of things does not allow it, or something outside fails; then nothing was changed.
    fn act(self, office: &Office<'_>) -> impl Future<Output = Result<Done<Self::Reply>, Rejection>> + Send;
}

/// A request for a deed, not yet read.
///
/// A deed is its own petition; one that has a body says here how the body becomes a deed.
pub trait Petition: Send + 'static {
    /// What it asks for.
    type Deed: Deed;

    /// How the log names it.
    fn event(&self) -> Event;

    /// What must be allowed before any of it is read, for petitions that are costly to read.
    ///
    /// # Errors
    /// If the request is not about anything that exists or could exist.
    fn entry_claims(&self, caller: &Principal, directory: &Directory) -> Result<Option<Claims>, Rejection> {
        let _ = (caller, directory);
        Ok(None)
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it does not arrive, or is not what the deed takes.
    fn read(self) -> impl Future<Output = Result<Self::Deed, Rejection>> + Send;
}

impl<D: Deed> Petition for D {
    type Deed = D;

    fn event(&self) -> Event {
        Deed::event(self)
    }

    async fn read(self) -> Result<D, Rejection> {
        Ok(self)
    }
}

/// What a deed needs leave for.
#[derive(Clone, Debug, PartialEq)]
pub enum Claims {
    /// Every one of these, the principal action first. A deed that needs no right does not exist: an empty list is
    /// denied.
    All(Vec<(Action, Target)>),
    /// To be this principal: for what anybody may do with their own credentials, whatever their roles.
    Own(PrincipalId),
    /// One decision per item: the deed lists only what [`policy::permits`] says this caller may see. For reads only.
    PerItem,
}

/// What a deed may use.
pub struct Office<'a> {
    /// The gate.
    pub gate: &'a Gate,
    /// What the deed was decided on.
    pub snapshot: &'a Arc<Snapshot>,
    /// Who acts.
    pub caller: &'a Principal,
    /// Leave to act.
    pub warrant: &'a Warrant,
}

/// What a deed did.
pub struct Done<R> {
    /// What the caller gets.
    pub reply: R,
    /// What changed in the directory: made durable and visible before the reply leaves.
    pub changes: Vec<Change>,
    /// Models loaded along the way, to be served from the next snapshot on.
    pub loaded: Vec<Arc<dyn Model>>,
    /// Versions that answer nobody from the next snapshot on, until they are loaded again.
    pub unloaded: Vec<(ModelName, Version)>,
    /// Settings that hold from the next snapshot on.
    pub settings: Option<Settings>,
}

impl<R> Done<R> {
    /// A reply without any change.
    #[must_use]
    pub fn read(reply: R) -> Self {
        Self::changed(reply, Vec::new())
    }

    /// A reply with changes to the directory.
    #[must_use]
    pub fn changed(reply: R, changes: Vec<Change>) -> Self {
        Self { reply, changes, loaded: Vec::new(), unloaded: Vec::new(), settings: None }
    }
}

/// Administers one deed from arrival to release, whether or not its caller waits for that.
pub async fn administer<P: Petition>(
    gate: Arc<Gate>,
    arrival: Arrival,
    petition: P,
) -> Released<<P::Deed as Deed>::Reply> {
    let reply = Kept::empty();
    let petition = Box::new(Asked { asked: petition, reply: reply.clone() });
    administer_any(gate, arrival, petition).await.replied(|| reply.take())
}

/// As [`administer`], whose reply waits where the petition says.
async fn administer_any(gate: Arc<Gate>, arrival: Arrival, petition: Box<dyn AnyPetition>) -> Released<()> {
    let (gated, fallen) = (Arc::clone(&gate), Fallen::of(petition.event(), &arrival));
    let work = async move { administered(&gated, arrival, petition).await };
    unabandoned(work, move || audit::panicked(&gate, &fallen)).await
}

async fn administered(gate: &Gate, arrival: Arrival, petition: Box<dyn AnyPetition>) -> Released<()> {
    let mut record = Record::of(gate, petition.event(), &arrival);
    let outcome = perform(gate, &mut record, arrival, petition).await;
    if outcome.as_ref().is_err_and(|rejection| rejection.code == Code::NotFound) {
        // INVARIANT (metadata only): a name that nothing has, or that is not the caller's to know, is a caller's text.
        record.entry().subject = None;
    }
    audit::release(gate, record, outcome.map(|status| ((), status))).await
}

/// The door itself; what it says of what was done is the HTTP status that goes with the reply.
async fn perform(
    gate: &Gate,
    record: &mut Record,
    arrival: Arrival,
    petition: Box<dyn AnyPetition>,
) -> Result<u16, Rejection> {
    let caller = identity::authenticate(gate, arrival, record)?;
    perimeter::limit_deed(gate, &caller)?;
    if let Some(claims) = petition.entry_claims(&caller, &caller.snapshot().directory)? {
        authorize(&caller, &claims, true, gate, record)?;
    }
    let deed = petition.read().await?;
    record.entry().subject = deed.subject();
    // What a claim at the entry has told stays told.
    if let Some(manifest) = deed.manifest() {
        record.entry().model_digest = Some(manifest);
    }
    // What is decided must be decided on the state that is changed, so the snapshot is taken again under the lock.
    let _one_at_a_time = if deed.changes() { Some(gate.changing.lock().await) } else { None };
    let caller = identity::renew(gate, caller)?;
    record.principal(&caller);
    let claims = deed.claims(&caller, &caller.snapshot().directory)?;
    let mut warrant = authorize(&caller, &claims, deed.changes(), gate, record)?;
    if deed.changes() {
        warrant.intent = Some(intend(gate, record).await?);
    }
    let snapshot = Arc::clone(caller.snapshot());
    let office = Office { gate, snapshot: &snapshot, caller: &caller, warrant: &warrant };
    let changes = deed.changes();
    let done = deed.act(&office).await;
    if let (Claims::PerItem, Err(rejection)) = (&claims, &done)
        && matches!(rejection.code, Code::NotFound | Code::Forbidden)
    {
        record.decision(Decision::Deny, &[Token::of(PER_ITEM)]);
    }
    let status = commit(gate, &snapshot, &warrant, done?).await?;
    if changes {
        record.came_of(gate);
    }
    Ok(status)
}

/// All claims must hold; the second person, where one is required, is one of them (policy F11, F24, F25).
fn authorize(
    caller: &Principal,
    claims: &Claims,
    changes: bool,
    gate: &Gate,
    record: &mut Record,
) -> Result<Warrant, Rejection> {
    match claims {
        Claims::All(claims) if !claims.is_empty() => {
            for (action, target) in claims {
                policy::authorize_deed(caller, *action, target, gate.now(), record)?;
            }
        }
        Claims::Own(owner) if owner == caller.id() => {
            record.decision(Decision::Allow, &[Token::of("own_credential")]);
        }
        Claims::PerItem if !changes => record.decision(Decision::Allow, &[Token::of(PER_ITEM)]),
        Claims::All(_) | Claims::Own(_) | Claims::PerItem => return Err(Code::Forbidden.into()),
    }
    Ok(Warrant { intent: None })
}

/// Writes the intent and waits for it to be durable; where it is in the log.
async fn intend(gate: &Gate, record: &mut Record) -> Result<u64, Rejection> {
    audit::intend(gate, record).await.map(|receipt| receipt.idx)
}

/// Makes the changes durable, then visible. INVARIANT (durable-first): no snapshot shows what a restart would lose.
async fn commit<R>(
    gate: &Gate,
    snapshot: &Snapshot,
    warrant: &Warrant,
    done: Done<R>,
) -> Result<R, Rejection> {
    let Done { reply, changes, loaded, unloaded, settings } = done;
    let mut generation = snapshot.generation;
    let policy = policy_after(snapshot, &changes)?;
    if !changes.is_empty() {
        let committed = gate.store.commit(warrant, &changes).await;
        generation = committed.map_err(|fault| Rejection::unavailable(fault.to_string()))?;
    }
    if !(changes.is_empty() && loaded.is_empty() && unloaded.is_empty() && settings.is_none()) {
        let next = snapshot.next(&changes, loaded, settings).without(&unloaded);
        let policy = policy.unwrap_or_else(|| next.policy.renewed());
        gate.replace(Snapshot { generation, policy, ..next });
    }
    Ok(reply)
}

/// The policies after these changes, if they are others than before. INVARIANT (policy-of-directory): what decides is what
/// the directory of the same snapshot says is in force, and it is made before the directory becomes durable.
fn policy_after(snapshot: &Snapshot, changes: &[Change]) -> Result<Option<Policy>, Rejection> {
    let touches = |change: &Change| matches!(change, Change::PutPolicies(..) | Change::RemovePolicies(_));
    if !changes.iter().any(touches) {
        return Ok(None);
    }
    let made = Policy::of(&snapshot.directory.with(changes).policies);
    made.map(Some).map_err(|error| Rejection::new(Code::Conflict).detailed(error.to_string()))
}
