//! Door 1 for prompts to language models.
//!
//! ```text
//! authenticate → seat → read → authorize → limit → validate → screen → ask → judge → hold → audit
//! ```
//!
//! A prompt names its model inside, so it is read before it is known which route it takes: by then it is known who asks,
//! that they may use some route, and a place among their own is taken. An answer that leaves as it comes has two entries: its
//! intent is durable before its first byte, and its one outcome is written when it ends, however it ends. Where a person may
//! have to look at it first, it comes whole, and leaves whole or in pieces as it was asked for.

use std::sync::Arc;

use mantlet_types::{
    Action, Code, Entry, Rejection,
    entry::{Event, Phase, Token},
    quota::Standing,
};
use tokio::sync::oneshot;

use crate::{
    Gate,
    audit::{self, Fallen, Outcome, Released},
    identity::{self, Arrival},
    perimeter, policy,
    ports::LedgerClosed,
    record::Record,
    reviews,
    routes::{self, Begun, Completion, Prompt, Replied, Running},
    unabandoned::unabandoned,
};

/// The body of a request to a language model, not yet read.
pub trait Letter: Send + 'static {
    /// Reads, bounds and decodes the body, of so many bytes at most.
    ///
    /// # Errors
    /// If the body is too large, too slow, cut off or not what the protocol says.
    fn read(self, bytes_max: usize) -> impl Future<Output = Result<Prompt, Rejection>> + Send;
}

/// An answer, or one that has begun.
pub struct Completed {
    /// It.
    pub served: Served,
    /// The model that answers, as the configuration calls it.
    pub model: Token,
    /// How the caller's own limits stand: that of prompts, and of the budgets the one of which least is left.
    pub standings: Vec<Standing>,
}

/// What leaves.
pub enum Served {
    /// All of it.
    Whole(Completion),
    /// What is yet to come.
    Running(Running),
}

/// Mediates one prompt from arrival to release.
///
/// A client that hangs up cannot skip its entry, and ends what it asked for: an upstream does not work for nobody.
pub async fn complete<L: Letter>(gate: Arc<Gate>, arrival: Arrival, letter: L) -> Released<Completed> {
    let (gated, fallen) = (Arc::clone(&gate), Fallen::of(Event::Completion, &arrival));
    // Dropped with this future, which the work outlives.
    let (_waiting, gone) = oneshot::channel();
    let work = async move { completed(gated, arrival, letter, gone).await };
    unabandoned(work, move || audit::panicked(&gate, &fallen)).await
}

/// Resolves when nobody waits any more.
type Gone = oneshot::Receiver<()>;

async fn completed<L: Letter>(
    gate: Arc<Gate>,
    arrival: Arrival,
    letter: L,
    gone: Gone,
) -> Released<Completed> {
    let mut record = Record::of(&gate, Event::Completion, &arrival);
    match answered(&gate, &mut record, arrival, letter, gone).await {
        Ok(Step::Whole(completed)) => audit::release(&gate, record, Ok((completed, 200))).await,
        Ok(Step::Begun(begun, model)) => begin(gate, record, *begun, model).await,
        Err(rejection) => audit::release(&gate, record, Err(rejection)).await,
    }
}

/// How far a prompt has come.
enum Step {
    Whole(Completed),
    Begun(Box<Begun>, Token),
}

async fn answered<L: Letter>(
    gate: &Gate,
    record: &mut Record,
    arrival: Arrival,
    letter: L,
    gone: Gone,
) -> Result<Step, Rejection> {
    let principal = identity::authenticate(gate, arrival, record)?;
    record.request(Action::Complete, None); // on which route, authorization will say
    let bytes_max = policy::any_route(&principal, gate.now(), record)?;
    let seat = perimeter::seat(gate, &principal)?;
    let opening = perimeter::opening(gate, &principal)?;
    let prompt = letter.read(bytes_max).await?;
    let streams = prompt.stream;
    let permit = policy::authorize_route(principal, &prompt.model, gate.now(), record)?;
    let admission = perimeter::limit_route(gate, permit, seat, &prompt)?;
    opening.admitted();
    record.reserved(admission.reservation());
    let (model, standings) = (admission.permit().model().clone(), admission.standings().to_vec());
    let valid = routes::validate(gate, admission, prompt, record)?;
    let screened = routes::screen(gate, valid, record).await?;
    let replied = tokio::select! {
        replied = routes::ask(gate, screened) => replied?,
        _ = gone => return Err(Code::Cancelled.into()),
    };
    match replied {
        Replied::Whole(completing) => {
            let judged = routes::judge(gate, *completing, record)?;
            let completion = reviews::hold_answer(gate, judged, record).await?;
            let served = match streams {
                true => Served::Running(Running::whole(completion)),
                false => Served::Whole(completion),
            };
            Ok(Step::Whole(Completed { served, model, standings }))
        }
        Replied::Begun(begun) => Ok(Step::Begun(begun, model)),
    }
}

/// Lets an answer begin to leave, once its intent is durable.
async fn begin(gate: Arc<Gate>, mut record: Record, begun: Begun, model: Token) -> Released<Completed> {
    let standings = begun.admission().standings().to_vec();
    match audit::intend(&gate, &mut record).await {
        Ok(receipt) => {
            let outcome = Outcome::of(Arc::clone(&gate), record);
            let served = Served::Running(routes::run(&gate, begun, outcome));
            audit::begun(receipt, Completed { served, model, standings })
        }
        Err(rejection) => audit::release(&gate, record, Err(rejection)).await,
    }
}

/// How an answer is logged whose process ended before it did.
const INTERRUPTED: &str = "interrupted";

/// Writes the outcomes of answers that were under way when the process ended: their intents are in the log, and nobody else
/// will.
///
/// # Errors
/// 503 if the log does not take them.
pub fn interrupted(gate: &Gate, intents: &[Entry]) -> Result<(), Rejection> {
    for intent in intents.iter().filter(|intent| intent.event == Event::Completion) {
        let outcome = Entry {
            phase: Phase::Outcome,
            intent_idx: Some(intent.idx),
            status: Some(Code::Unavailable.http()),
            error_code: Some(Token::of(INTERRUPTED)),
            ..intent.clone()
        };
        gate.ledger.note(outcome).map_err(|LedgerClosed| Rejection::new(Code::AuditUnavailable))?;
    }
    Ok(())
}
