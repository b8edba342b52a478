//! Custom policies: tried, proposed, put in force, withdrawn, shown.
//!
//! What is in force is in the store, as part of the directory, and nowhere else. It changes by an applied proposal alone,
//! whole sets at a time: read, validated and held against the rules of [`crate::policy`] when it is proposed, and again
//! when it is put in force, together with what is in force by then.

use std::{collections::BTreeMap, net::IpAddr, net::Ipv4Addr, sync::Arc};

use mantlet_types::{
    Action, Code, PolicyName, Rejection, Resource, Sha256, Timestamp, UserId,
    entry::{Event, Token},
};
use serde::Serialize;

use super::{PolicyFile, Proposal, Proposed, Stage, apply_claims, conflict, propose, user};
use crate::{
    administer::{Claims, Deed, Done, Office},
    approvals::{APPROVAL_SECONDS, Approvers, Item, Waiting, sha256, standing},
    directory::{Change, Directory},
    identity::Principal,
    people::founding::home_project,
    policy::{Conditions, Difference, Policy, PolicyError, SPARED, Target, permits},
};

/// The custom policies as they would be.
type Policies = BTreeMap<PolicyName, PolicyFile>;

/// Proposes that a set of custom policies be in force, in the place of the one that has its name.
#[derive(Clone, Debug)]
pub struct ProposePolicies {
    /// The set's name.
    pub name: PolicyName,
    /// Its Cedar text; without one it is to be withdrawn.
    pub text: Option<Arc<str>>,
}

impl ProposePolicies {
    fn proposal(&self, caller: &Principal, now: Timestamp) -> Result<Proposal, Rejection> {
        Ok(Proposal {
            project: home_project()?,
            proposed_by: user(caller.id())?,
            proposed: now,
            approved_by: Approvers::new(),
            expires: now.plus_seconds(APPROVAL_SECONDS),
            what: Proposed::Policy { name: self.name.clone(), text: self.text.clone() },
        })
    }
}

impl Deed for ProposePolicies {
    type Reply = Stage;

    fn event(&self) -> Event {
        Event::PolicyChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.name, self.text.as_deref())
    }

    fn claims(&self, caller: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        let proposal = self.proposal(caller, Timestamp::from_micros(0))?;
        Ok(Claims::All(vec![(Action::ProposeChange, Target::Change(0, Box::new(proposal)))]))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Stage>, Rejection> {
        let known = office.snapshot.directory.policies.get(&self.name);
        match (&self.text, known) {
            (None, None) => return Err(missing(&self.name)),
            (Some(text), Some(known)) if **text == *known.text => {
                return Err(conflict(format!("policies `{}` are in force as they are", self.name)));
            }
            _ => {}
        }
        planned(&office.snapshot.directory, &self.name, self.text.as_ref())?;
        propose(office, self.proposal(office.caller, office.gate.now())?)
    }
}

/// How the log names a set: by its name and the beginning of its digest, so that an entry says which text it was about.
fn subject(name: &PolicyName, text: Option<&str>) -> Option<Token> {
    let digest = text.map(|text| sha256(text.as_bytes()).to_string());
    let short: String = digest.iter().flat_map(|digest| digest.chars().take(32)).collect();
    Some(Token::of(&if short.is_empty() { name.to_string() } else { format!("{name}/{short}") }))
}

fn missing(name: &PolicyName) -> Rejection {
    Rejection::new(Code::NotFound).detailed(format!("there are no policies `{name}` in force"))
}

/// What would be in force after a change, read and held against every rule.
fn planned(directory: &Directory, name: &PolicyName, text: Option<&Arc<str>>) -> Result<Policy, Rejection> {
    let others = directory.policies.iter().filter(|(other, _)| *other != name);
    let texts: Vec<&str> = others.map(|(_, file)| &*file.text).chain(text.map(|text| &**text)).collect();
    Policy::new(texts).map_err(|error| refused(&error))
}

fn refused(error: &PolicyError) -> Rejection {
    Rejection::argument(error.to_string())
}

/// Puts approved policies in force, or withdraws them.
#[derive(Clone, Copy, Debug)]
pub struct ApplyPolicies {
    /// The change's number.
    pub number: u64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// The set's name.
    pub name: PolicyName,
    /// `in_force` or `withdrawn`.
    pub state: &'static str,
    /// SHA-256 of the text, if it is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Sha256>,
}

impl Deed for ApplyPolicies {
    type Reply = Applied;

    fn event(&self) -> Event {
        Event::PolicyChange
    }

    fn changes(&self) -> bool {
        true
    }

    fn subject(&self) -> Option<Token> {
        Some(Item::Policy(self.number).token())
    }

    fn claims(&self, _: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(apply_claims(directory, &Item::Policy(self.number), self.number))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Applied>, Rejection> {
        let (number, directory) = (self.number, &office.snapshot.directory);
        let proposal = directory.proposals.get(&number).ok_or(Code::NotFound)?;
        let Proposed::Policy { name, text } = &proposal.what else { return Err(Code::NotFound.into()) };
        // What else waits was looked at beside the policies that are in force until now, and approved as a change to these.
        let waits =
            directory.proposals.iter().filter(|(_, other)| matches!(other.what, Proposed::Policy { .. }));
        let done_with = waits.map(|(number, _)| Change::RemoveProposal(*number));
        let Some(text) = text else {
            if !directory.policies.contains_key(name) {
                return Err(missing(name));
            }
            let applied = Applied { name: name.clone(), state: "withdrawn", digest: None };
            let withdrawn = [Change::RemovePolicies(name.clone())];
            return Ok(Done::changed(applied, withdrawn.into_iter().chain(done_with).collect()));
        };
        // Other sets may have come into force since it was proposed.
        planned(directory, name, Some(text))?;
        let waiting = Waiting::proposal(number, proposal);
        let single_person = office.snapshot.settings.single_person;
        let file = PolicyFile {
            text: Arc::clone(text),
            digest: sha256(text.as_bytes()),
            change: number,
            proposed_by: proposal.proposed_by.clone(),
            approved_by: standing(directory, &waiting, single_person).cloned().collect(),
            applied_by: user(office.caller.id())?,
            applied: office.gate.now(),
        };
        let applied = Applied { name: name.clone(), state: "in_force", digest: Some(file.digest) };
        let put = [Change::PutPolicies(name.clone(), file)];
        Ok(Done::changed(applied, put.into_iter().chain(done_with).collect()))
    }
}

/// Says what a change would change, and changes nothing.
#[derive(Clone, Debug)]
pub struct TestPolicies {
    /// The set's name.
    pub name: PolicyName,
    /// Its Cedar text; without one, as if it were withdrawn.
    pub text: Option<Arc<str>>,
    /// From where everybody asks; from the same machine unless said otherwise.
    pub from: Option<IpAddr>,
    /// When; now unless said otherwise.
    pub at: Option<Timestamp>,
}

impl Deed for TestPolicies {
    type Reply = Difference;

    fn event(&self) -> Event {
        Event::PolicyRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn subject(&self) -> Option<Token> {
        subject(&self.name, self.text.as_deref())
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Difference>, Rejection> {
        check_sees(office)?;
        difference(office, self.name, self.text, self.from, self.at).await.map(Done::read)
    }
}

/// What would change if a set were in force, or were not.
pub(crate) async fn difference(
    office: &Office<'_>,
    name: PolicyName,
    text: Option<Arc<str>>,
    from: Option<IpAddr>,
    at: Option<Timestamp>,
) -> Result<Difference, Rejection> {
    let conditions = Conditions {
        at: at.unwrap_or(office.gate.now()),
        from: from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        single_person: office.snapshot.settings.single_person,
    };
    let snapshot = Arc::clone(office.snapshot);
    // A second of work: not where requests are served.
    let compared = tokio::task::spawn_blocking(move || {
        let after = planned(&snapshot.directory, &name, text.as_ref())?;
        Ok(snapshot.policy.difference(&after, &snapshot.directory, conditions))
    });
    compared.await.map_err(|error| Rejection::unavailable(error.to_string()))?
}

/// Lists what is in force and what waits.
#[derive(Clone, Copy, Debug)]
pub struct ListPolicies;

/// Sets of custom policies.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Those in force, by name.
    pub in_force: Vec<InForce>,
    /// Actions of which no custom policy is asked.
    pub spared: &'static [Action],
}

/// A set in force.
#[derive(Clone, Debug, Serialize)]
pub struct InForce {
    /// Its name.
    pub name: PolicyName,
    /// SHA-256 of its text.
    pub digest: Sha256,
    /// Its policies.
    pub policies: Vec<String>,
    /// The change that put it in force.
    pub change: u64,
    /// Who proposed it.
    pub proposed_by: UserId,
    /// Who approved it.
    pub approved_by: std::collections::BTreeSet<UserId>,
    /// Who put it in force.
    pub applied_by: UserId,
    /// When.
    pub applied: Timestamp,
    /// Its text, where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
}

impl InForce {
    fn of(name: &PolicyName, file: &PolicyFile) -> Self {
        Self {
            name: name.clone(),
            digest: file.digest,
            policies: Policy::new([&*file.text]).map(|policy| policy.custom()).unwrap_or_default(),
            change: file.change,
            proposed_by: file.proposed_by.clone(),
            approved_by: file.approved_by.clone(),
            applied_by: file.applied_by.clone(),
            applied: file.applied,
            text: None,
        }
    }
}

impl Deed for ListPolicies {
    type Reply = Listed;

    fn event(&self) -> Event {
        Event::PolicyRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Listed>, Rejection> {
        check_sees(office)?;
        let policies: &Policies = &office.snapshot.directory.policies;
        let in_force = policies.iter().map(|(name, file)| InForce::of(name, file)).collect();
        Ok(Done::read(Listed { in_force, spared: &SPARED }))
    }
}

/// Shows one set in force, text and all.
#[derive(Clone, Debug)]
pub struct ShowPolicies {
    /// Its name.
    pub name: PolicyName,
}

impl Deed for ShowPolicies {
    type Reply = InForce;

    fn event(&self) -> Event {
        Event::PolicyRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<InForce>, Rejection> {
        check_sees(office)?;
        let file = office.snapshot.directory.policies.get(&self.name).ok_or_else(|| missing(&self.name))?;
        Ok(Done::read(InForce { text: Some(Arc::clone(&file.text)), ..InForce::of(&self.name, file) }))
    }
}

/// Policies hold for the whole home, and a comparison names its people and models: both are for those who manage the
/// home's people or read its log.
fn check_sees(office: &Office<'_>) -> Result<(), Rejection> {
    let home = home_project()?;
    let may =
        |action, resource| permits(office.caller, action, &Target::Resource(resource), office.gate.now());
    let sees = may(Action::ManageUsers, Resource::Project(home.clone()))
        || may(Action::ReadAudit, Resource::AuditLog(home));
    if sees { Ok(()) } else { Err(Code::NotFound.into()) }
}
