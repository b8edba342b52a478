//! The upstream's turn: the only place that asks one.
//!
//! Upstreams are tried in the configuration's order until one begins to answer. From its first piece on there is no other: a
//! caller must not get two halves of two answers. Who gives up drops the future, which ends the connection.

use std::time::Duration;

use mantlet_types::{Rejection, entry::Token, quota::Standing};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Answer, Event, Events, Prompt, Reply, Upstream, UpstreamFault,
    prompt::{Content, Role, Task, Turn},
    rules::System,
    screen::ScreenedPrompt,
};
use crate::perimeter::RouteAdmission;

/// A prompt on its way to an upstream. Only the gate makes one.
pub struct Forwarded {
    prompt: Prompt,
    model: Token,
}

impl Forwarded {
    /// The prompt, as the guard lets it pass.
    #[must_use]
    pub fn prompt(&self) -> &Prompt {
        &self.prompt
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
    pub(super) forwarded: Forwarded,
    pub(super) first: Option<Event>,
    pub(super) events: Box<dyn Events>,
    /// The principal's turn with the upstream, as long as the answer is coming.
    _turn: OwnedSemaphorePermit,
}

impl Begun {
    pub(crate) fn standing(&self) -> Standing {
        self.admission.standing()
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
pub(crate) async fn ask(screened: ScreenedPrompt) -> Result<Replied, Rejection> {
    let ScreenedPrompt { admission, mut prompt } = screened;
    let permit = admission.permit();
    let route = permit.route().clone();
    settle(&mut prompt, &route.rules.system);
    let forwarded = Forwarded { prompt, model: permit.model().clone() };
    let mut last = Rejection::unavailable("no upstream of the route runs the model");
    for upstream in route.upstreams.iter().filter(|upstream| upstream.serves(&forwarded.model)) {
        match first(upstream.as_ref(), &admission, &forwarded).await {
            Ok(First::Whole(answer)) => {
                return Ok(Replied::Whole(Box::new(Completing { admission, forwarded, answer })));
            }
            Ok(First::Piece(first, events, turn)) => {
                return Ok(Replied::Begun(Box::new(Begun {
                    admission,
                    forwarded,
                    first,
                    events,
                    _turn: turn,
                })));
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
    match upstream.ask(forwarded).await? {
        Reply::Whole(answer) => Ok(First::Whole(answer)),
        Reply::Stream(mut events) => {
            let first = events.next().await?;
            Ok(First::Piece(first, events, turn))
        }
    }
}

pub(super) fn rejection(fault: UpstreamFault) -> Rejection {
    match fault {
        UpstreamFault::Broken(why) | UpstreamFault::Refused(why) => Rejection::unavailable(why),
        UpstreamFault::Busy { why, retry_after } => {
            Rejection::unavailable(why).retry_after(retry_after.max(Duration::from_secs(1)))
        }
    }
}

/// Puts the route's own system prompt first, where it has one. It is a turn of its own, never joined with anybody's text.
fn settle(prompt: &mut Prompt, system: &System) {
    if let (Task::Chat(turns), System::Route(text)) = (&mut prompt.task, system) {
        let parts = vec![Content::Text(text.clone())];
        turns.insert(0, Turn { role: Role::System, parts, ..Turn::default() });
    }
}
