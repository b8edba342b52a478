//! The upstream's turn: the only place that asks one.
//!
//! Upstreams are tried in the configuration's order until one begins to answer. From its first piece on there is no other: a
//! caller must not get two halves of two answers. Who gives up drops the future, which ends the connection.

use std::time::Duration;

use mantlet_types::{Rejection, entry::Token};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Answer, Event, Events, Prompt, Reply, Upstream, UpstreamFault,
    filter::Filter,
    frame::frame,
    meter::Did,
    prompt::{Content, Role, Task},
    rules::{HoldAnswers, System},
    screen::ScreenedPrompt,
};
use crate::{Gate, perimeter::RouteAdmission};

/// A prompt on its way to an upstream. Only the gate makes one.
pub struct Forwarded {
    prompt: Prompt,
    model: Token,
    /// The system prompt as it was written.
    system: String,
    /// What was asked, where a person may have to look at it.
    asked: Option<Value>,
}

impl Forwarded {
    /// What was asked, as it was before it was put between lines, where a person may have to look at it.
    pub(super) fn into_asked(self) -> Option<Value> {
        self.asked
    }

    /// The prompt, as the guard lets it pass.
    #[must_use]
    pub fn prompt(&self) -> &Prompt {
        &self.prompt
    }

    /// The system prompt as it was written.
    pub(super) fn system(&self) -> &str {
        &self.system
    }

    /// The model, as the configuration calls it.
    #[must_use]
    pub fn model(&self) -> &Token {
        &self.model
    }
}

/// An answer, bound to its prompt. Only this module makes one, only the gate reads it.
pub(crate) struct Completing {
    pub(super) admission: RouteAdmission,
    pub(super) forwarded: Forwarded,
    pub(super) answer: Answer,
}

/// An answer that has begun, bound to its prompt.
pub(crate) struct Begun {
    pub(super) admission: RouteAdmission,
    pub(super) first: Option<Event>,
    pub(super) events: Box<dyn Events>,
    /// The principal's turn with the upstream, as long as the answer is coming.
    pub(super) turn: OwnedSemaphorePermit,
    /// What it passes through.
    pub(super) filter: Filter,
}

impl Begun {
    pub(crate) fn admission(&self) -> &RouteAdmission {
        &self.admission
    }
}

/// What has come of asking.
pub(crate) enum Replied {
    Whole(Box<Completing>),
    Begun(Box<Begun>),
}

/// Asks the route's upstreams, one after another.
///
/// # Errors
/// 503 if none answers; 400 if one does not take the prompt.
pub(crate) async fn ask(gate: &Gate, screened: ScreenedPrompt) -> Result<Replied, Rejection> {
    let ScreenedPrompt { admission, mut prompt } = screened;
    let permit = admission.permit();
    let route = permit.route().clone();
    let system = system_of(&prompt, &route.rules.system);
    let asked = (route.rules.hold != HoldAnswers::Never).then(|| prompt.shown());
    let key = gate.pseudonyms.as_ref().and_then(|names| names.tenant(permit.principal().id()));
    frame(&mut prompt, &route.rules.system, key)?;
    let forwarded = Forwarded { prompt, model: permit.model().clone(), system, asked };
    let mut last = Rejection::unavailable("no upstream of the route runs the model");
    let serving = route.upstreams.iter().enumerate().filter(|(_, one)| one.serves(&forwarded.model));
    for (place, upstream) in serving {
        let begun = first(upstream.as_ref(), &admission, &forwarded).await;
        gate.meter.did(&route.name, place, Did::of(&begun));
        match begun {
            Ok(First::Whole(answer)) => {
                return Ok(Replied::Whole(Box::new(Completing { admission, forwarded, answer })));
            }
            Ok(First::Piece(first, events, turn)) => {
                let filter = Filter::new(&route.rules, &forwarded)?;
                let begun = Begun { admission, first, events, filter, turn };
                return Ok(Replied::Begun(Box::new(begun)));
            }
            Err(UpstreamFault::Refused(why)) => return Err(Rejection::invalid("body").because(why)),
            Err(fault) => {
                let rejection = rejection(fault);
                tracing::warn!(route = %route.name, why = rejection.cause.as_deref(), "an upstream did not answer");
                last = rejection;
            }
        }
    }
    Err(last)
}

enum First {
    Whole(Answer),
    Piece(Option<Event>, Box<dyn Events>, OwnedSemaphorePermit),
}

/// Asks one upstream, on the principal's turn, until it begins to answer.
async fn first(
    upstream: &dyn Upstream,
    admission: &RouteAdmission,
    forwarded: &Forwarded,
) -> Result<First, UpstreamFault> {
    let turn = admission.place().turn(upstream.concurrent_max()).await;
    let turn = turn.ok_or_else(|| UpstreamFault::Broken("the share is closed".to_owned()))?;
    let reservation = admission.reservation();
    // Before it is: whoever hangs up in the middle leaves nobody who could say whether it was.
    reservation.sent();
    let begun = async {
        match upstream.ask(forwarded).await? {
            Reply::Whole(answer) => Ok(First::Whole(answer)),
            Reply::Stream(mut events) => {
                let first = events.next().await?;
                Ok(First::Piece(first, events, turn))
            }
        }
    };
    begun.await.inspect_err(|fault| match fault {
        UpstreamFault::Lost(_) => reservation.lost(),
        UpstreamFault::Broken(_) | UpstreamFault::Busy { .. } | UpstreamFault::Refused(_) => {
            reservation.returned();
        }
    })
}

pub(super) fn rejection(fault: UpstreamFault) -> Rejection {
    match fault {
        UpstreamFault::Broken(why) | UpstreamFault::Lost(why) | UpstreamFault::Refused(why) => {
            Rejection::unavailable(why)
        }
        UpstreamFault::Busy { why, retry_after } => {
            Rejection::unavailable(why).retry_after(retry_after.max(Duration::from_secs(1)))
        }
    }
}

/// The system prompt that must not leave: the caller's or the route's, without what is said to the model about boundaries.
fn system_of(prompt: &Prompt, system: &System) -> String {
    if let System::Route(text) = system {
        return text.clone();
    }
    let Task::Chat(turns) = &prompt.task else { return String::new() };
    let own = turns.iter().filter(|turn| matches!(turn.role, Role::System | Role::Developer));
    let texts = own.flat_map(|turn| &turn.parts).filter_map(|part| match part {
        Content::Text(text) => Some(text.as_str()),
        Content::Document { .. } | Content::Image { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
