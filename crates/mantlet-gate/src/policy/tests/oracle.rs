//! What policy should say, in plain Rust: written from the invariants, knowing nothing of Cedar.
//!
//! Facts are about one person, `me`, and one thing in a project where all of `me`'s roles are bound.

use std::collections::BTreeSet;

use mantlet_types::{Action, Role};

/// What a request carries beside principal and resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flags {
    pub(super) mfa: bool,
    pub(super) protected: bool,
    pub(super) single_person: bool,
}

/// Somebody in a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The one who asks.
    Me,
    /// The thing's author.
    Author,
    /// Who made its data.
    DataAuthor,
    /// Who requested or proposed it.
    Requester,
    /// Whom it is for, or about.
    Subject,
    /// Somebody not yet named.
    Approver,
}

/// What there is to know of a thing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fact {
    /// Nothing: a project, a log, statistics, a queue, a secret, a feature group.
    Plain,
    Model {
        live: bool,
    },
    Version {
        author: Who,
        data_author: Who,
    },
    Way {
        author: Who,
        data_author: Option<Who>,
        requester: Who,
        approver: Option<Who>,
        approval_ended: bool,
        state: State,
        was_live: bool,
        withdrawn: bool,
    },
    SignedUrl {
        user: Who,
        used: bool,
        expired: bool,
    },
    Dataset {
        encrypted: bool,
        grant: Grant,
    },
    Feature {
        sensitivity: i64,
        of_model: bool,
        model_live: bool,
        readable: bool,
        attributable: bool,
    },
    Route {
        granted: bool,
    },
    Item {
        user: Who,
        subject: Who,
        /// Who made a key of the application that asked.
        keeper: Option<Who>,
    },
    Grant {
        duty: bool,
        within_ceiling: bool,
        pending: Pending,
    },
    Change {
        break_glass: bool,
        pending: Pending,
    },
}

/// Where a version is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Requested,
    Approved,
}

/// A grant of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    None,
    Ended,
    Holds,
}

/// An act that waits for approval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) proposer: Who,
    pub(super) beneficiary: Who,
    pub(super) approver: Option<Who>,
    pub(super) ended: bool,
}

const DUTIES: [Role; 6] =
    [Role::DataEngineer, Role::DataScientist, Role::MlEngineer, Role::Admin, Role::Security, Role::Operator];

/// Whether this should be allowed.
pub(super) fn allows(roles: &BTreeSet<Role>, action: Action, fact: Fact, flags: Flags) -> bool {
    use Role::{
        Admin, Analyst, DataEngineer, DataScientist, MlEngineer, Monitor, Operator, Reader, Reviewer,
        Security,
    };
    let has = |any: &[Role]| any.iter().any(|role| roles.contains(role));
    let team = !flags.single_person;

    // S7, S10: for everything.
    if !flags.protected || team && DUTIES.iter().filter(|duty| roles.contains(duty)).count() > 1 {
        return false;
    }
    let strong = flags.mfa; // S8
    let releases = strong && !(team && has(&[DataEngineer, DataScientist, Security])); // S4
    let makes = !team || !has(&[MlEngineer, Admin, Security]); // S3
    let barred = |live: bool| team && live && has(&[DataScientist]); // S24
    let made_or_hands_out = has(&[DataEngineer, DataScientist, Operator]);
    let asks_with_features = has(&[Reader, Analyst, Admin, MlEngineer, DataScientist]);

    match (action, fact) {
        (Action::Predict, Fact::Model { live }) => {
            has(&[Reader, Analyst, Admin, MlEngineer]) && !barred(live)
        }
        (Action::Explain, Fact::Model { live }) => {
            has(&[Reader, Analyst, Admin, MlEngineer, DataScientist]) && !barred(live)
        }
        (Action::Evaluate, Fact::Model { live }) => {
            has(&[Analyst, Admin, MlEngineer, DataScientist]) && !barred(live)
        }
        (Action::InspectFeatures, Fact::Model { live }) => {
            has(&[Analyst, Admin, DataScientist]) && !barred(live)
        }
        (Action::RegisterVersion, Fact::Model { .. }) => {
            has(&[DataScientist]) && makes && (!team || !has(&[DataEngineer]))
        }
        (Action::DisableModel, Fact::Model { .. }) => has(&[MlEngineer]) && releases,

        (Action::ViewWeights | Action::Export, Fact::Version { .. }) => has(&[Admin]) && releases,
        (Action::TryCandidate, Fact::Version { author, .. }) => author == Who::Me,
        (Action::WriteArtifact, Fact::Version { author, .. }) => author == Who::Me && has(&[DataScientist]),
        (Action::RequestDeployment, Fact::Version { author, data_author }) => {
            has(&[MlEngineer]) && releases && !(team && (author == Who::Me || data_author == Who::Me)) // S2
        }
        (Action::RedeemUrl, Fact::SignedUrl { user, used, expired }) => {
            has(&[Admin]) && user == Who::Me && !used && !expired // S21
        }

        (Action::CreateDataset | Action::DefineFeature, Fact::Plain) => {
            has(&[DataEngineer]) && makes && (!team || !has(&[DataScientist]))
        }
        (Action::WriteDataset | Action::RunPipeline, Fact::Dataset { encrypted, grant }) => {
            let only = makes && (!team || !has(&[DataScientist]));
            has(&[DataEngineer]) && only && encrypted && grant == Grant::Holds // S3, S18
        }
        (Action::ReadDataset, Fact::Dataset { encrypted, grant }) => {
            has(&[DataEngineer, DataScientist]) && makes && encrypted && grant == Grant::Holds
        }

        (
            Action::ApproveDeployment | Action::ActivateDeployment | Action::UpdateModel | Action::Rollback,
            Fact::Way { .. },
        ) => way(roles, action, fact, team, strong, releases),

        (Action::UseFeature, Fact::Feature { of_model, model_live, .. }) => {
            asks_with_features && of_model && !barred(model_live) // S22
        }
        (Action::AttributeFeature, Fact::Feature { sensitivity, of_model, model_live, attributable, .. }) => {
            asks_with_features && of_model && !barred(model_live) && (sensitivity <= 1 || attributable)
        }
        (Action::ReadFeature, Fact::Feature { readable, .. }) => readable,

        (Action::Complete | Action::Scan, Fact::Route { granted }) => granted, // S17
        (Action::ConfigureRoute, Fact::Route { .. }) => has(&[Operator]) && strong,

        (Action::ListReviews, Fact::Plain) => has(&[Reviewer]) && !(team && made_or_hands_out),
        (Action::ReadReview | Action::DecideReview, Fact::Item { user, subject, keeper }) => {
            let own = user == Who::Me || subject == Who::Me || keeper == Some(Who::Me); // S20
            has(&[Reviewer]) && !(team && (own || made_or_hands_out))
        }
        (Action::ReadHeld, Fact::Item { user, .. }) => user == Who::Me,

        (Action::Monitor, Fact::Plain) => has(&[Monitor]),
        (Action::AcknowledgeAlert, Fact::Plain) => has(&[MlEngineer, Operator]),
        (Action::ReadAudit | Action::ExportAudit | Action::VerifyAudit | Action::ProveAudit, Fact::Plain) => {
            has(&[Security])
        } // S5

        (Action::ManageUsers | Action::ManageConsumers | Action::ManageSecret, Fact::Plain) => {
            has(&[Operator]) && strong
        }
        (Action::Grant, Fact::Grant { duty, within_ceiling, pending }) => {
            let approved = !duty || pending.approver.is_some();
            let own = pending.beneficiary == Who::Me;
            has(&[Operator])
                && strong
                && within_ceiling
                && approved
                && usable(pending, team)
                && !(team && own) // S19
        }
        (Action::ProposeChange, Fact::Grant { .. }) => has(&[Operator]) && strong,
        (Action::ProposeChange, Fact::Change { break_glass, .. }) => {
            (has(&[Operator]) || break_glass && has(&[MlEngineer])) && strong
        }
        (Action::ApproveChange, Fact::Grant { pending, .. } | Fact::Change { pending, .. }) => {
            let own = pending.proposer == Who::Me || pending.beneficiary == Who::Me;
            has(&[Security]) && strong && !pending.ended && !(team && own) // S9
        }
        (Action::ApplyChange, Fact::Change { break_glass, pending }) => {
            let may = has(&[Operator]) || break_glass && has(&[MlEngineer]);
            may && strong && pending.approver.is_some() && usable(pending, team) // S9
        }
        // delete_audit: nobody, ever.
        _ => false,
    }
}

/// S1, S2 and S14.
fn way(roles: &BTreeSet<Role>, action: Action, fact: Fact, team: bool, strong: bool, releases: bool) -> bool {
    let Fact::Way { author, data_author, requester, approver, approval_ended, state, was_live, withdrawn } =
        fact
    else {
        return false;
    };
    let has = |role| roles.contains(&role);
    let made_by = |who| who == author || Some(who) == data_author;
    match action {
        Action::ApproveDeployment => {
            let own = made_by(Who::Me) || requester == Who::Me;
            (has(Role::MlEngineer) || has(Role::Security))
                && strong
                && state == State::Requested
                && !(team && own)
        }
        Action::Rollback => has(Role::MlEngineer) && releases && was_live && !withdrawn,
        _ => {
            let may = has(Role::MlEngineer) || action == Action::UpdateModel && has(Role::Admin);
            let ready =
                state == State::Approved && approver.is_some() && data_author.is_some() && !approval_ended;
            let approver_involved =
                approver.is_some_and(|who| who == Who::Me || who == requester || made_by(who));
            let four_eyes = !approver_involved && !made_by(Who::Me) && !made_by(requester);
            may && releases && ready && (!team || four_eyes)
        }
    }
}

/// Not ended, and approved by nobody who has a part in it.
fn usable(pending: Pending, team: bool) -> bool {
    let involved = |who| who == Who::Me || who == pending.proposer || who == pending.beneficiary;
    let self_served = team && pending.approver.is_some_and(involved);
    !pending.ended && !self_served
}
