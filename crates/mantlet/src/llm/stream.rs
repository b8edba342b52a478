//! An answer under way: bytes become events as somebody takes them, and nothing is read ahead.

use std::{collections::VecDeque, time::Duration};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use mantlet_gate::routes::{Event, Events, Pulling, UpstreamFault};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{read, sse::Parser};
use crate::upstream::breaker::Attempt;

/// How the protocol says that an answer has ended.
const DONE: &str = "[DONE]";

/// How long somebody waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// By when its first event has to be there, whatever else comes.
    pub(super) begins: Instant,
    /// Longest pause between two pieces.
    pub(super) idle: Duration,
}

/// The events of one answer.
pub(super) struct Stream {
    body: Incoming,
    parser: Parser,
    waiting: VecDeque<Event>,
    patience: Patience,
    /// Bytes that may still come.
    left: usize,
    ended: bool,
    attempt: Option<Attempt>,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    pub(super) fn new(
        body: Incoming,
        patience: Patience,
        bytes_max: usize,
        attempt: Attempt,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            body,
            parser: Parser::default(),
            waiting: VecDeque::new(),
            patience,
            left: bytes_max,
            ended: false,
            attempt: Some(attempt),
            _place: place,
        }
    }

    async fn pull(&mut self) -> Result<Option<Event>, UpstreamFault> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.answers();
                return Ok(Some(event));
            }
            if self.ended {
                self.answers();
                return Ok(None);
            }
            match self.parser.take_event() {
                Some(data) if data == DONE => self.ended = true,
                Some(data) => self.waiting = read::chunk(&data).map_err(|why| lost(&why))?.into(),
                None => self.more().await?,
            }
        }
    }

    /// Takes more bytes off the wire.
    async fn more(&mut self) -> Result<(), UpstreamFault> {
        // Comments between events are bytes, and no answer: a pause alone would never end.
        let begun = self.attempt.is_none();
        if !begun && Instant::now() >= self.patience.begins {
            return Err(self.waits("it does not begin to answer in time"));
        }
        let pause = Instant::now() + self.patience.idle;
        let ends = if begun { pause } else { pause.min(self.patience.begins) };
        let frame = match tokio::time::timeout_at(ends, self.body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_)) | None) => return Err(self.fails("it breaks off in the middle of its answer")),
            Err(_) => return Err(self.waits("it pauses for too long in its answer")),
        };
        let Ok(bytes) = frame.into_data() else { return Ok(()) };
        let too_long = || lost(&"its answer is longer than the route allows");
        self.left = self.left.checked_sub(bytes.len()).ok_or_else(too_long)?;
        self.parser.feed(&bytes).map_err(|why| lost(&why))
    }

    /// It has begun to answer: from here on the breaker has nothing more to learn.
    fn answers(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.answered();
        }
    }

    /// It is waited for too long, which says nothing of it: what it was asked may take that long.
    fn waits(&mut self, why: &str) -> UpstreamFault {
        if let Some(attempt) = self.attempt.take() {
            attempt.undecided();
        }
        lost(&why)
    }

    fn fails(&mut self, why: &str) -> UpstreamFault {
        if let Some(attempt) = self.attempt.take() {
            attempt.failed();
        }
        lost(&why)
    }
}

fn lost(why: &dyn std::fmt::Display) -> UpstreamFault {
    UpstreamFault::Lost(format!("the upstream: {why}"))
}

impl Events for Stream {
    fn next(&mut self) -> Pulling<'_> {
        Box::pin(self.pull())
    }
}
