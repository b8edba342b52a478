//! The audit entry under construction: steps write down facts as they establish them.

use std::{net::IpAddr, time::Instant};

use mantlet_types::{
    Action, Contract, Entry, ModelName, NodeId, Rejection, RequestId, Resource, Version,
    entry::{Authn, Decision, Event, Phase, Token},
};

use crate::{
    Gate,
    budget::{Reservation, Tokens},
    directory::Directory,
    identity::{Arrival, Principal},
    ports::Behalf,
};

/// Facts about one request, in the order in which they became known.
pub struct Record {
    entry: Entry,
    began: Instant,
    /// Whether somebody is known to have asked: failures before that are aggregated.
    authenticated: bool,
    /// What is reserved for a prompt: whatever of it is taken in the end stands in the entry.
    reserved: Option<Reservation>,
}

impl Record {
    /// A record that knows only where the request came from.
    #[must_use]
    pub fn new(
        event: Event,
        node: NodeId,
        request_id: RequestId,
        ip: IpAddr,
        trace_id: Option<Token>,
    ) -> Self {
        let mut entry = Entry::new(event, node);
        entry.request_id = Some(request_id);
        entry.client_ip = Some(ip);
        entry.trace_id = trace_id;
        Self { entry, began: Instant::now(), authenticated: false, reserved: None }
    }

    /// A record of what has just arrived.
    pub(crate) fn of(gate: &Gate, event: Event, arrival: &Arrival) -> Self {
        Self::new(event, gate.ledger.node().clone(), arrival.request_id, arrival.ip, arrival.trace_id.clone())
    }

    /// A record of what Mantlet does by itself.
    pub(crate) fn internal(gate: &Gate, event: Event) -> Self {
        let mut entry = Entry::new(event, gate.ledger.node().clone());
        entry.authn = Some(Authn::Internal);
        entry.request_id = Some(gate.request_id());
        entry.policy_gen = Some(gate.snapshot().generation);
        Self { entry, began: Instant::now(), authenticated: true, reserved: None }
    }

    /// Who asks.
    pub(crate) fn principal(&mut self, principal: &Principal) {
        self.authenticated = true;
        self.entry.principal = Some(principal.id().clone());
        self.entry.authn = Some(principal.authn());
        self.entry.key_id = principal.kid();
        self.entry.identity = principal.identity();
        self.entry.policy_gen = Some(principal.snapshot().generation);
    }

    /// The generation that a change has made: what the log has seen of the store, an older copy of it is behind.
    pub(crate) fn came_of(&mut self, gate: &Gate) {
        self.entry.policy_gen = Some(gate.snapshot().generation);
    }

    /// What is asked for.
    pub(crate) fn request(&mut self, action: Action, resource: Option<&Resource>) {
        self.entry.action = Some(action);
        self.entry.resource = resource.map(|resource| Token::of(&resource.to_string()));
    }

    /// What policy said, and which policies.
    pub(crate) fn decision(&mut self, decision: Decision, policies: &[Token]) {
        self.entry.decision = Some(decision);
        self.entry.policy_ids = policies.to_vec();
    }

    /// Which model would answer.
    pub(crate) fn contract(&mut self, contract: &Contract) {
        self.entry.project = Some(contract.project.clone());
        self.entry.model = Some(contract.model.clone());
        self.entry.model_version = Some(contract.version);
        self.entry.model_digest = Some(contract.digest);
    }

    /// Which version a deed is about, with the digest of what was registered as it.
    pub(crate) fn version(&mut self, directory: &Directory, version: Option<(&ModelName, Version)>) {
        let known = |(model, version)| Some(directory.models.get(model)?.versions.get(&version)?.digest);
        self.entry.model_version = version.map(|(_, version)| version);
        self.entry.model_digest = version.and_then(known);
    }

    /// Everything else goes straight into the entry.
    pub(crate) fn entry(&mut self) -> &mut Entry {
        &mut self.entry
    }

    /// On whose behalf a model elsewhere is asked.
    pub(crate) fn behalf(&self) -> Behalf {
        Behalf {
            request_id: self.entry.request_id,
            trace_id: self.entry.trace_id.clone(),
            principal: self.entry.principal.clone(),
            ip: self.entry.client_ip,
        }
    }

    /// What is reserved in the budgets.
    pub(crate) fn reserved(&mut self, reservation: &Reservation) {
        self.reserved = Some(reservation.clone());
    }

    /// The intent of what this is about. It says what was reserved: should nobody learn how it ends, that is what it took.
    pub(crate) fn intent(&self) -> Entry {
        let mut intent = self.entry.clone();
        intent.phase = Phase::Intent;
        if let Some(reservation) = &self.reserved {
            spent(&mut intent, reservation, reservation.estimate());
        }
        intent
    }

    pub(crate) fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// The entry of an answer.
    pub(crate) fn answered(mut self, status: u16) -> Entry {
        if let Some(reservation) = &self.reserved {
            let taken = reservation.taken();
            if taken != Tokens::default() {
                spent(&mut self.entry, reservation, taken);
            }
        }
        self.entry.status = Some(status);
        self.entry.latency_us = u64::try_from(self.began.elapsed().as_micros()).ok();
        self.entry
    }

    /// The entry of a rejection.
    pub(crate) fn rejected(mut self, rejection: &Rejection) -> Entry {
        self.entry.error_code = Some(Token::of(rejection.code.as_str()));
        self.answered(rejection.code.http())
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        self.entry.request_id
    }
}

/// What was taken, or may have been.
fn spent(entry: &mut Entry, reservation: &Reservation, tokens: Tokens) {
    entry.input_tokens = Some(tokens.input);
    entry.output_tokens = Some(tokens.output);
    entry.cost_micros = reservation.is_priced().then(|| reservation.cost_of(tokens));
}

impl Record {
    pub(crate) fn client_ip(&self) -> Option<IpAddr> {
        self.entry.client_ip
    }

    pub(crate) fn decision_is(&self, decision: Decision) -> bool {
        self.entry.decision == Some(decision)
    }
}
