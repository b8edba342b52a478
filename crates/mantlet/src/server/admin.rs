//! Administrative routes: each turns a path and a body into one deed of door 2.

use std::{collections::BTreeSet, str::FromStr, sync::Arc};

use mantlet_audit::read::Filter;
use mantlet_gate::{
    Gate,
    administer::{Claims, Deed, Done, Office},
    deployments::{ActivateDeployment, RollBack, Way},
    directory::Directory,
    identity::Principal,
    people::{
        consumers::{
            AddIdentity, ChangeConsumer, ConsumerRequest, CreateConsumer, DisableConsumer, ListIdentities,
            NewConsumer, RemoveIdentity,
        },
        issue::{IssuedKey, KeyDocument},
        keys::{CreateKey, KeyRequest, ListKeys, RevokeKey, RotateKey, RotateRequest, Which},
        projects::CreateProject,
        roles::{ApplyGrant, AssignRole, Assignment, ListRoles, RevokeRole, RoleMatrix},
        users::{
            AddCertificate, CertificateRequest, DisableUser, EnableUser, Invitation, InviteUser, ListUsers,
            WithdrawCertificate,
        },
    },
    releases::alias::number,
};
use mantlet_models::register::Registration;
use mantlet_types::{
    ModelName, PrincipalId, ProjectId, Rejection, RequestId, Sha256, Timestamp, UserId, VersionRef,
    digest::DigestError,
    entry::{Decision, Event, Token},
    id::IdError,
    workload::WorkloadIdentity,
};
use serde::Deserialize;

use super::{
    call::{Call, Params, Replying},
    upload,
};
use crate::deeds::{
    audit::{ProveEntry, SearchLog},
    models::ListModels,
    reload::ReloadConfig,
};

/// A deed that makes a key, whose reply writes the key out: the one place where a secret becomes text.
struct Shown<D>(D);

impl<D: Deed<Reply = IssuedKey>> Deed for Shown<D> {
    type Reply = KeyDocument;

    fn event(&self) -> Event {
        self.0.event()
    }

    fn changes(&self) -> bool {
        self.0.changes()
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        self.0.claims(caller, directory)
    }

    fn subject(&self) -> Option<Token> {
        self.0.subject()
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<KeyDocument>, Rejection> {
        let Done { reply, changes, loaded, unloaded, settings } = self.0.act(office).await?;
        Ok(Done { reply: reply.into_document(), changes, loaded, unloaded, settings })
    }
}

/// `POST /admin/v1/keys`.
pub(super) fn create_key(call: Call) -> Replying {
    call.deed_of(Event::KeyCreate, |_, request: KeyRequest| Ok(Shown(CreateKey::new(request)?)))
}

/// `GET /admin/v1/keys`.
pub(super) fn list_keys(call: Call) -> Replying {
    call.deed(Event::KeyRead, &["consumer", "project"], |_, query| {
        Ok(ListKeys { consumer: query.optional("consumer")?, project: query.optional("project")? })
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    #[serde(default)]
    overlap_hours: Option<u32>,
    #[serde(default)]
    expires_in_days: Option<u32>,
}

/// `POST /admin/v1/keys/{kid}/rotate`.
pub(super) fn rotate_key(call: Call) -> Replying {
    call.deed_of_optional(Event::KeyRotate, |params, rotation: Rotation| {
        let Rotation { overlap_hours, expires_in_days } = rotation;
        let which = Which::Kid(params.require("kid")?);
        Ok(Shown(RotateKey::new(RotateRequest {
            which,
            overlap_hours,
            expires_in_days,
            env: Default::default(),
        })?))
    })
}

/// `DELETE /admin/v1/keys/{kid}`.
pub(super) fn revoke_key(call: Call) -> Replying {
    call.deed(Event::KeyRevoke, &[], |params, _| Ok(RevokeKey { kid: params.require("kid")? }))
}

/// `POST /admin/v1/users`.
pub(super) fn invite_user(call: Call) -> Replying {
    call.deed_of(Event::UserChange, |_, invitation: Invitation| Ok(Shown(InviteUser::new(invitation)?)))
}

/// `GET /admin/v1/users`.
pub(super) fn list_users(call: Call) -> Replying {
    call.deed(Event::UserRead, &["project"], |_, query| Ok(ListUsers { project: query.optional("project")? }))
}

/// `DELETE /admin/v1/users/{user}`.
pub(super) fn disable_user(call: Call) -> Replying {
    call.deed(Event::UserChange, &[], |params, _| Ok(DisableUser { user: params.require("user")? }))
}

/// `POST /admin/v1/users/{user}/enable`.
pub(super) fn enable_user(call: Call) -> Replying {
    call.deed_of_optional(Event::UserChange, |params, Nothing {}| {
        Ok(EnableUser { user: params.require("user")? })
    })
}

/// `POST /admin/v1/users/{user}/certificates`.
pub(super) fn add_certificate(call: Call) -> Replying {
    call.deed_of(Event::UserChange, |params, CertificateRequest { digest }| {
        Ok(AddCertificate { user: params.require("user")?, digest })
    })
}

/// `DELETE /admin/v1/users/{user}/certificates/{digest}`.
pub(super) fn withdraw_certificate(call: Call) -> Replying {
    call.deed(Event::UserChange, &[], |params, _| {
        Ok(WithdrawCertificate { user: params.require("user")?, digest: params.require("digest")? })
    })
}

/// `POST /admin/v1/consumers`.
pub(super) fn create_consumer(call: Call) -> Replying {
    call.deed_of(Event::ConsumerChange, |_, request: NewConsumer| Ok(CreateConsumer(request)))
}

/// `GET /admin/v1/consumers/{consumer}/identities`.
pub(super) fn list_identities(call: Call) -> Replying {
    call.deed(Event::KeyRead, &[], |params, _| Ok(ListIdentities { consumer: params.require("consumer")? }))
}

/// `POST /admin/v1/consumers/{consumer}/identities`.
pub(super) fn add_identity(call: Call) -> Replying {
    call.deed_of(Event::ConsumerChange, |params, identity: WorkloadIdentity| {
        Ok(AddIdentity { consumer: params.require("consumer")?, identity })
    })
}

/// `DELETE /admin/v1/consumers/{consumer}/identities/{identity}`.
pub(super) fn remove_identity(call: Call) -> Replying {
    call.deed(Event::ConsumerChange, &[], |params, _| {
        Ok(RemoveIdentity { consumer: params.require("consumer")?, identity: params.require("identity")? })
    })
}

/// `PUT /admin/v1/consumers/{consumer}`.
pub(super) fn change_consumer(call: Call) -> Replying {
    call.deed_of(Event::ConsumerChange, |params, request: ConsumerRequest| {
        Ok(ChangeConsumer { consumer: params.require("consumer")?, request })
    })
}

/// `DELETE /admin/v1/consumers/{consumer}`.
pub(super) fn disable_consumer(call: Call) -> Replying {
    call.deed(Event::ConsumerChange, &[], |params, _| {
        Ok(DisableConsumer { consumer: params.require("consumer")? })
    })
}

/// `POST /admin/v1/projects`.
pub(super) fn create_project(call: Call) -> Replying {
    call.deed_of(Event::ProjectChange, |_, request: CreateProject| Ok(request))
}

/// `POST /admin/v1/roles`.
pub(super) fn assign_role(call: Call) -> Replying {
    call.deed_of(Event::RoleChange, |_, assignment: Assignment| Ok(AssignRole(assignment)))
}

/// `POST /admin/v1/roles/revoke`.
pub(super) fn revoke_role(call: Call) -> Replying {
    call.deed_of(Event::RoleChange, |_, assignment: Assignment| Ok(RevokeRole(assignment)))
}

/// `GET /admin/v1/roles`.
pub(super) fn list_roles(call: Call) -> Replying {
    call.deed(Event::UserRead, &[], |_, _| Ok(ListRoles))
}

/// `GET /admin/v1/roles/matrix`.
pub(super) fn role_matrix(call: Call) -> Replying {
    call.deed(Event::UserRead, &[], |_, _| Ok(RoleMatrix))
}

/// No argument.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// `POST /admin/v1/grants/{number}/apply`.
pub(super) fn apply_grant(call: Call) -> Replying {
    call.deed_of_optional(Event::RoleChange, |params, Nothing {}| {
        Ok(ApplyGrant { number: params.require("number")? })
    })
}

/// `GET /admin/v1/models`.
pub(super) fn list_models(call: Call) -> Replying {
    call.deed(Event::ModelRead, &[], |_, _| Ok(ListModels))
}

/// People in an argument, with commas between them.
#[derive(Default)]
struct People(BTreeSet<UserId>);

impl FromStr for People {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// Digests in an argument, with commas between them.
#[derive(Default)]
struct Digests(BTreeSet<Sha256>);

impl FromStr for Digests {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

/// `POST /admin/v1/models/{model}`. The package is read once door 2 has given leave, and not before.
pub(super) fn register_model(call: Call) -> Replying {
    let (shelf, gate) = (call.server.facilities.shelf.clone(), Arc::clone(&call.server.gate));
    call.petition(
        Event::ModelRegister,
        &["project", "data_authors", "data_digests", "candidate"],
        move |params, query, parcel| {
            let files = upload::receive(parcel, upload::PACKAGE_BYTES_MAX);
            let project: Option<ProjectId> = query.optional("project")?;
            let project = project.ok_or_else(|| Rejection::argument("`project` is missing"))?;
            let name: ModelName = params.require("model")?;
            let data_authors: People = query.optional("data_authors")?.unwrap_or_default();
            let datasets: Digests = query.optional("data_digests")?.unwrap_or_default();
            let candidate: Option<bool> = query.optional("candidate")?;
            let activate = gate.snapshot().settings.single_person && candidate != Some(true);
            let (began, data_authors, datasets) = (gate.now(), data_authors.0, datasets.0);
            Ok(Registration { name, project, files, shelf, activate, began, data_authors, datasets })
        },
    )
}

/// The version that a path names: by number, by alias, or as `live`. What is recorded from here on is the number.
pub(super) fn way(gate: &Gate, params: &Params) -> Result<Way, Rejection> {
    Ok(named(gate, params.require("model")?, &params.require("version")?))
}

/// The version of a model that is meant. Whether there is such a version, and who may know, is the deed's business: a name
/// that stands for nothing is decided on like a number that is not there.
pub(super) fn named(gate: &Gate, model: ModelName, version: &VersionRef) -> Way {
    let version = number(&gate.snapshot().directory, &model, version);
    Way { model, version }
}

/// `POST /admin/v1/models/{model}/versions/{version}/activate`.
pub(super) fn activate_deployment(call: Call) -> Replying {
    let gate = Arc::clone(&call.server.gate);
    call.deed_of_optional(Event::ModelActivate, move |params, Nothing {}| {
        Ok(ActivateDeployment(way(&gate, params)?))
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Return {
    #[serde(default)]
    version: Option<VersionRef>,
}

/// `POST /admin/v1/models/{model}/rollback`.
pub(super) fn roll_back(call: Call) -> Replying {
    let gate = Arc::clone(&call.server.gate);
    call.deed_of_optional(Event::ModelRollback, move |params, Return { version }| {
        let model: ModelName = params.require("model")?;
        let version = version.map(|version| named(&gate, model.clone(), &version).version);
        Ok(RollBack { model, version })
    })
}

/// `POST /admin/v1/reload`.
pub(super) fn reload(call: Call) -> Replying {
    let reloader = Arc::clone(&call.server.facilities.reloader);
    call.deed_of_optional(Event::ConfigReload, move |_, Nothing {}| Ok(ReloadConfig(reloader)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[serde(default)]
    since: Option<Timestamp>,
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    principal: Option<PrincipalId>,
    #[serde(default)]
    model: Option<ModelName>,
    #[serde(default)]
    event: Option<Event>,
    #[serde(default)]
    request_id: Option<RequestId>,
    #[serde(default)]
    decision: Option<Decision>,
    #[serde(default)]
    project: Option<ProjectId>,
    #[serde(default)]
    count: Option<usize>,
}

/// Entries in a reply that does not say how many.
const COUNT_DEFAULT: usize = 100;

/// `POST /audit/v1/search`. A POST because what is searched for belongs into no URL.
pub(super) fn search_log(call: Call) -> Replying {
    let dir = call.server.facilities.audit_dir.clone();
    call.deed_of(Event::AuditRead, move |_, search: Search| {
        let Search { since, until, principal, model, event, request_id, decision, project, count } = search;
        let filter = Filter { since, until, principal, project: None, event, model, request_id, decision };
        let home = || "home".parse().map_err(|_| Rejection::argument("`project`"));
        Ok(SearchLog {
            dir,
            project: project.map_or_else(home, Ok)?,
            filter,
            count: count.unwrap_or(COUNT_DEFAULT),
        })
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proving {
    receipt: String,
}

/// `POST /audit/v1/prove`.
pub(super) fn prove_entry(call: Call) -> Replying {
    let facilities = &call.server.facilities;
    let (log, dir) = (Arc::clone(&facilities.log), facilities.audit_dir.clone());
    call.deed_of(Event::AuditRead, move |_, Proving { receipt }| Ok(ProveEntry { log, dir, receipt }))
}
