//! An answer that leaves while it comes.
//!
//! One task pulls pieces from the upstream, passes them through the filter and hands them on, one at a time, so that an
//! upstream is never read faster than its client reads. It ends when the answer does, when it must not go on, or when
//! nobody takes it any more; each of these is its one outcome in the log.

use std::sync::Arc;

use mantlet_types::{Code, Rejection};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Completion, Event, Events,
    answer::Usage,
    ask::{Begun, rejection},
    charge::Charge,
    filter::Filter,
    judge::Tally,
};
use crate::{Gate, audit::Outcome};

/// Pieces that may wait for their client.
const WAITING_MAX: usize = 4;

/// An answer that has begun, to be taken piece by piece. Dropping it ends it.
#[derive(Debug)]
pub struct Running(mpsc::Receiver<Part>);

/// A part of an answer that leaves.
#[derive(Debug)]
pub enum Part {
    /// A piece.
    Event(Event),
    /// It has ended, whole.
    Done(Usage),
    /// It has ended, and is not whole.
    Failed(Rejection),
}

impl Running {
    /// A whole answer, for whoever has asked for pieces. Nothing drives it: all of it is there.
    pub(crate) fn whole(completion: Completion) -> Self {
        let (events, usage) = completion.into_pieces();
        let (sender, receiver) = mpsc::channel(events.len() + 1);
        for part in events.into_iter().map(Part::Event).chain([Part::Done(usage)]) {
            let _ = sender.try_send(part); // there is room for each
        }
        Self(receiver)
    }

    /// The next part, when it is there; `None` after the last.
    pub fn poll_part(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<Part>> {
        self.0.poll_recv(context)
    }
}

/// Lets a begun answer run.
pub(crate) fn run(gate: &Arc<Gate>, begun: Begun, outcome: Outcome) -> Running {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let gate = Arc::clone(gate);
    tokio::spawn(async move { drive(&gate, begun, outcome, sender).await });
    Running(receiver)
}

/// How an answer ended that did not end well.
enum End {
    /// Its client is gone.
    Cancelled,
    /// It must not go on.
    Failed(Rejection),
}

async fn drive(gate: &Gate, begun: Begun, outcome: Outcome, sender: mpsc::Sender<Part>) {
    let Begun { admission, first, mut events, mut filter, turn } = begun;
    let ends = Instant::now() + admission.permit().route().rules.stream_time_max;
    let (mut tally, mut charge) = (Tally::new(), Charge::new(admission.reservation()));
    let counts = Counts { tally: &mut tally, charge: &mut charge };
    let pieces = pass((first, events.as_mut()), &mut filter, counts, &sender);
    let ended = tokio::select! {
        biased;
        ended = pieces => ended,
        () = sender.closed() => Err(End::Cancelled),
        () = tokio::time::sleep_until(ends) => {
            Err(End::Failed(Rejection::unavailable("the answer takes longer than the route allows")))
        }
    };
    if ended.is_err() {
        charge.cut_off();
    }
    let usage = charge.usage();
    let concluded = outcome.conclude(|mut record| {
        tally.tell(gate, &mut record);
        record.entry().sanitized = filter.done();
        match &ended {
            Ok(()) => record.answered(200),
            Err(End::Cancelled) => record.rejected(&Code::Cancelled.into()),
            Err(End::Failed(rejection)) => {
                if let Some(cause) = &rejection.cause {
                    tracing::warn!(request_id = ?record.request_id(), %cause, "an answer has ended early");
                }
                record.rejected(rejection)
            }
        }
    });
    // The connection to the upstream ends here, before anybody waits for a client to take the last part; and what it took is
    // settled, so that whoever has the whole answer sees it in the next one's headers.
    drop((events, turn, admission, charge));
    let last = match (ended, concluded) {
        (Err(End::Cancelled), _) => return,
        (_, Err(rejection)) | (Err(End::Failed(rejection)), _) => Part::Failed(rejection),
        (Ok(()), Ok(())) => Part::Done(usage),
    };
    let _ = sender.send(last).await; // whoever is gone takes nothing
}

/// What is counted of pieces: as they come, and as they leave.
struct Counts<'a> {
    tally: &'a mut Tally,
    charge: &'a mut Charge,
}

/// Passes pieces on until the answer ends.
async fn pass(
    (first, events): (Option<Event>, &mut dyn Events),
    filter: &mut Filter,
    counts: Counts<'_>,
    sender: &mpsc::Sender<Part>,
) -> Result<(), End> {
    let mut next = first;
    while let Some(event) = next {
        counts.charge.came(&event);
        hand_on(filter.push(event).map_err(End::Failed)?, counts.tally, sender).await?;
        next = events.next().await.map_err(|fault| End::Failed(rejection(fault)))?;
    }
    filter.finish().map_err(End::Failed)
}

async fn hand_on(events: Vec<Event>, tally: &mut Tally, sender: &mpsc::Sender<Part>) -> Result<(), End> {
    for event in events {
        tally.add(&event);
        sender.send(Part::Event(event)).await.map_err(|_| End::Cancelled)?;
    }
    Ok(())
}
