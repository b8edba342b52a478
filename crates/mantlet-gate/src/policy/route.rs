//! Deciding which route a prompt takes: the first that leads to the model and that the principal may use.

use std::sync::Arc;

use mantlet_types::{
    Action, Code, PrincipalId, Rejection, Resource, Timestamp,
    entry::{Decision, Token},
};

use super::asker::Asker;
use crate::{identity::Principal, record::Record, routes::Route};

/// Leave to send prompts on a route: the proof that authorization took place.
pub struct RoutePermit {
    principal: Principal,
    route: Arc<Route>,
    model: Token,
}

impl RoutePermit {
    /// Who may.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The route.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The model on it.
    #[must_use]
    pub fn model(&self) -> &Token {
        &self.model
    }
}

/// Whether the principal may use any route at all: nobody else's prompts are read.
///
/// # Errors
/// 404, as for a model that does not exist.
pub(crate) fn any_route(
    principal: &Principal,
    now: Timestamp,
    record: &mut Record,
) -> Result<usize, Rejection> {
    // Which of them it takes, the body says; until then none of them allows more than this.
    if let Some(bytes_max) = permitted(principal, now).map(|route| route.rules.request_bytes_max).max() {
        return Ok(bytes_max);
    }
    record.decision(Decision::Deny, &[]);
    Err(Code::NotFound.into())
}

/// The routes that a principal may use, in the configuration's order.
pub fn permitted(principal: &Principal, now: Timestamp) -> impl Iterator<Item = &Arc<Route>> {
    let may = move |route: &&Arc<Route>| {
        let resource = Resource::Route(route.name.clone());
        listed(principal, route)
            && Asker::from(principal).decide(Action::Complete, &resource, now).is_allowed()
    };
    principal.snapshot().settings.routes.iter().filter(may)
}

/// Whether a policy could allow it at all; saves asking the engine about every route that there is.
fn listed(principal: &Principal, route: &Route) -> bool {
    match principal.id() {
        PrincipalId::Consumer(id) => {
            let consumer = principal.snapshot().directory.consumers.get(id);
            consumer.is_some_and(|consumer| consumer.routes.contains(&route.name))
        }
        PrincipalId::User(_) | PrincipalId::Component(_) => true,
    }
}

/// Decides on a prompt for a model.
///
/// # Errors
/// 404 for a model that no route leads to, or none that this principal may use; which of these is not said.
pub(crate) fn authorize_route(
    principal: Principal,
    named: &str,
    now: Timestamp,
    record: &mut Record,
) -> Result<RoutePermit, Rejection> {
    let routes = principal.snapshot().settings.routes.clone();
    let leading = routes.iter().filter_map(|route| Some((route, route.model(named)?)));
    for (route, model) in leading {
        let resource = Resource::Route(route.name.clone());
        let verdict = Asker::from(&principal).decide(Action::Complete, &resource, now);
        record.request(Action::Complete, Some(&resource));
        record.decision(verdict.decision, &verdict.policies);
        record.entry().project = Some(route.project.clone());
        if verdict.is_allowed() {
            record.entry().route = Some(route.name.clone());
            record.entry().route_model = Some(model.clone());
            let (route, model) = (Arc::clone(route), model.clone());
            return Ok(RoutePermit { principal, route, model });
        }
    }
    // INVARIANT (metadata only): a name that no route has is a caller's text, and none of the log's business.
    if record.entry().decision.is_none() {
        record.decision(Decision::Deny, &[]);
    }
    Err(Code::NotFound.into())
}
