//! The route table: every path that is answered, with the action that it takes leave for.
//!
//! A route goes through door 1, through door 2, or is one of the few published pages, whose type gives them nothing
//! but the fact whether the node is ready. There is no fourth way to write a line of this table, and the router is
//! built from the table alone.

mod pages;
mod router;

use http::Method;
use mantlet_types::Action;

pub(super) use self::pages::{EXTENSIONS, NAME, PROTOCOL_VERSION};
use self::pages::{live, ready, server};
pub use self::router::{Found, Router};
use super::{
    admin, artifacts,
    call::{Call, Replying},
    catalog, grpc, inspect,
    llm::{self, Endpoint},
    monitor, openapi, releases,
    reply::Reply,
    reviews, second, secrets, update,
};

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// Which way requests go, and what they need leave for.
    pub way: Way,
    /// What it is for, in a few words.
    pub summary: &'static str,
}

impl Route {
    /// Whether it is a method of a gRPC service: answered over HTTP/2, to messages.
    #[must_use]
    pub fn is_rpc(&self) -> bool {
        grpc::names_method(self.path)
    }
}

/// Methods that routes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "HTTP's own names")]
pub enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    /// Every method.
    pub const ALL: [Self; 4] = [Self::Get, Self::Post, Self::Put, Self::Delete];

    /// The method's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// The route's method for a request's; `HEAD` is a `GET` whose body stays behind.
    fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Self::Get),
            Method::POST => Some(Self::Post),
            Method::PUT => Some(Self::Put),
            Method::DELETE => Some(Self::Delete),
            _ => None,
        }
    }
}

/// Which way a request goes.
#[derive(Clone, Copy)]
pub enum Way {
    /// Published: needs no credential, and says nothing but whether the node is ready.
    Open(fn(ready: bool) -> Reply),
    /// Door 1, in this protocol.
    Ask(Action, Protocol),
    /// Door 2. The action is the one that the deed claims first.
    Deed(Action, fn(Call) -> Replying),
}

/// Protocols of door 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// [`super::simple`].
    Simple,
    /// [`super::v2`].
    V2,
    /// [`super::explain`].
    Explanation,
    /// [`super::evaluate`].
    Evaluation,
    /// [`super::compare`].
    Comparison,
    /// [`super::grpc`], whose messages name the model themselves.
    Grpc,
    /// [`super::llm`], whose bodies name the model themselves.
    Llm(Endpoint),
}

const fn get(path: &'static str, way: Way, summary: &'static str) -> Route {
    Route { verb: Verb::Get, path, way, summary }
}

const fn put(path: &'static str, way: Way, summary: &'static str) -> Route {
    Route { verb: Verb::Put, path, way, summary }
}

const fn delete(path: &'static str, way: Way, summary: &'static str) -> Route {
    Route { verb: Verb::Delete, path, way, summary }
}

const fn post(path: &'static str, way: Way, summary: &'static str) -> Route {
    Route { verb: Verb::Post, path, way, summary }
}

use Action::{
    ActivateDeployment, ApplyChange, ApproveChange, ApproveDeployment, Complete, DecideReview, DisableModel,
    Evaluate, Explain, Export, ExportAudit, Grant, InspectFeatures, ListReviews, ManageConsumers,
    ManageSecret, ManageUsers, Monitor, Predict, ProposeChange, ProveAudit, ReadAudit, ReadHeld, ReadReview,
    RedeemUrl, RegisterVersion, RequestDeployment, Rollback, UpdateModel, ViewWeights,
};
use Way::{Ask, Deed, Open};

/// Every route.
pub static TABLE: &[Route] = &[
    // Published.
    get("/v2/health/live", Open(live), "whether the server runs"),
    get("/v2/health/ready", Open(ready), "whether the server answers"),
    get("/healthz", Open(ready), "whether the server answers, for probes"),
    get("/v2", Open(server), "the server's name and the protocol extensions it has"),
    // Questions to models.
    post("/v1/models/{model}/predict", Ask(Predict, Protocol::Simple), "a prediction"),
    post(
        "/v1/models/{model}/versions/{version}/predict",
        Ask(Predict, Protocol::Simple),
        "a prediction by a version",
    ),
    post("/v2/models/{model}/infer", Ask(Predict, Protocol::V2), "an inference"),
    post(
        "/v2/models/{model}/versions/{version}/infer",
        Ask(Predict, Protocol::V2),
        "an inference by a version",
    ),
    post(
        "/v2/models/{model}/explain",
        Ask(Explain, Protocol::Explanation),
        "an answer with what each feature added to it",
    ),
    post(
        "/v2/models/{model}/versions/{version}/explain",
        Ask(Explain, Protocol::Explanation),
        "a version's answer with what each feature added to it",
    ),
    post(
        "/v2/models/{model}/evaluate",
        Ask(Evaluate, Protocol::Evaluation),
        "a report of a model's answers to labelled rows",
    ),
    post(
        "/v2/models/{model}/versions/{version}/evaluate",
        Ask(Evaluate, Protocol::Evaluation),
        "a report of a version's answers to labelled rows",
    ),
    post(
        "/v2/models/{model}/versions/{version}/compare",
        Ask(Evaluate, Protocol::Comparison),
        "how a version's answers to rows differ from the live one's",
    ),
    // Language models.
    post(
        "/v1/chat/completions",
        Ask(Complete, Protocol::Llm(Endpoint::Chat)),
        "the next turn of a conversation",
    ),
    post(
        "/v1/responses",
        Ask(Complete, Protocol::Llm(Endpoint::Responses)),
        "an answer to items, of which none is kept",
    ),
    post("/v1/completions", Ask(Complete, Protocol::Llm(Endpoint::Text)), "how texts go on"),
    post("/v1/embeddings", Ask(Complete, Protocol::Llm(Endpoint::Embeddings)), "texts as vectors"),
    get("/v1/models", Deed(Complete, llm::list), "the language models that the caller may ask"),
    get("/v1/models/{model}", Deed(Complete, llm::show), "a language model"),
    // Held answers.
    get(
        "/v1/models/{model}/reviews/{request}",
        Deed(ReadHeld, reviews::poll),
        "what was decided of one's own held rows",
    ),
    get("/admin/v1/reviews", Deed(ListReviews, reviews::list), "lists held rows"),
    post("/admin/v1/reviews/export", Deed(ListReviews, reviews::export), "decided rows, labelled"),
    get("/admin/v1/reviews/{item}", Deed(ReadReview, reviews::read), "a held row, opened"),
    post("/admin/v1/reviews/{item}/assign", Deed(DecideReview, reviews::assign), "takes a held row on"),
    post("/admin/v1/reviews/{item}/decide", Deed(DecideReview, reviews::decide), "decides a held row"),
    delete("/admin/v1/reviews/{item}", Deed(DecideReview, reviews::erase), "has a held row forgotten"),
    // What is in a model.
    get(
        "/v2/models/{model}/features",
        Deed(InspectFeatures, inspect::features),
        "a model's features and what its reference data were like",
    ),
    get(
        "/v2/models/{model}/versions/{version}/features",
        Deed(InspectFeatures, inspect::features),
        "a version's features and what its reference data were like",
    ),
    get("/v2/models/{model}/weights", Deed(ViewWeights, inspect::weights), "what a model has learned"),
    get(
        "/v2/models/{model}/versions/{version}/weights",
        Deed(ViewWeights, inspect::weights),
        "what a version has learned",
    ),
    post("/v2/models/{model}/export", Deed(Export, inspect::export), "a model's signed package"),
    post(
        "/v2/models/{model}/versions/{version}/export",
        Deed(Export, inspect::export),
        "a version's signed package",
    ),
    post(
        "/v2/models/{model}/export/url",
        Deed(Export, artifacts::sign),
        "a URL that gives a model's signed package to whoever brings it",
    ),
    post(
        "/v2/models/{model}/versions/{version}/export/url",
        Deed(Export, artifacts::sign),
        "a URL that gives a version's signed package to whoever brings it",
    ),
    post(
        "/v2/models/{model}/export/elsewhere",
        Deed(Export, artifacts::lend),
        "leave to have a bucket give a model's signed package by a URL of its own",
    ),
    post(
        "/v2/models/{model}/versions/{version}/export/elsewhere",
        Deed(Export, artifacts::lend),
        "leave to have a bucket give a version's signed package by a URL of its own",
    ),
    // For whoever brings a signed URL.
    get(
        "/artifacts/v1/{model}/{version}/{package}",
        Deed(RedeemUrl, artifacts::package),
        "a package, or a part of it",
    ),
    get(
        "/artifacts/v1/{model}/{version}/{package}/files",
        Deed(RedeemUrl, artifacts::index),
        "the files of a package",
    ),
    get(
        "/artifacts/v1/{model}/{version}/{package}/files/{*file}",
        Deed(RedeemUrl, artifacts::file),
        "a file of a package, or a part of it",
    ),
    get("/admin/v1/url-keys", Deed(ManageSecret, artifacts::list_keys), "the keys that sign URLs"),
    post("/admin/v1/url-keys/rotate", Deed(ManageSecret, artifacts::rotate_key), "has a new key sign URLs"),
    delete(
        "/admin/v1/url-keys/{kid}",
        Deed(ManageSecret, artifacts::revoke_key),
        "voids every URL that a key has signed",
    ),
    // Secrets of other people's services.
    get("/admin/v1/secrets", Deed(ManageSecret, secrets::list), "the secrets that one manages"),
    get("/admin/v1/secrets/{secret}", Deed(ManageSecret, secrets::show), "a secret's value"),
    put("/admin/v1/secrets/{secret}", Deed(ManageSecret, secrets::keep), "keeps a secret's value"),
    post(
        "/admin/v1/secrets/{secret}/rotate",
        Deed(ManageSecret, secrets::rotate),
        "replaces a secret's value",
    ),
    delete("/admin/v1/secrets/{secret}", Deed(ManageSecret, secrets::remove), "forgets a secret"),
    // What happened.
    get("/v2/models/stats", Deed(Monitor, monitor::statistics), "statistics of all models"),
    get("/v2/models/{model}/stats", Deed(Monitor, monitor::statistics), "a model's statistics"),
    get(
        "/v2/models/{model}/versions/{version}/stats",
        Deed(Monitor, monitor::statistics),
        "a version's statistics",
    ),
    get("/metrics", Deed(Monitor, monitor::metrics), "the node's metrics, for Prometheus"),
    // What there is.
    get("/openapi.json", Deed(Predict, openapi::openapi), "this table, for every known caller"),
    get("/v2/models/{model}", Deed(Predict, catalog::metadata), "a model's inputs and outputs"),
    get(
        "/v2/models/{model}/versions/{version}",
        Deed(Predict, catalog::metadata),
        "a version's inputs and outputs",
    ),
    get("/v2/models/{model}/ready", Deed(Predict, catalog::ready), "whether a model answers"),
    get(
        "/v2/models/{model}/versions/{version}/ready",
        Deed(Predict, catalog::ready),
        "whether a version answers",
    ),
    get("/v2/models/{model}/config", Deed(Predict, catalog::configuration), "a model's configuration"),
    get(
        "/v2/models/{model}/versions/{version}/config",
        Deed(Predict, catalog::configuration),
        "a version's configuration",
    ),
    post("/v2/repository/index", Deed(Predict, catalog::index), "the models that the caller may ask"),
    post(
        "/v2/repository/models/{model}/load",
        Deed(UpdateModel, catalog::load),
        "not offered: models go live by deployment",
    ),
    post(
        "/v2/repository/models/{model}/unload",
        Deed(UpdateModel, catalog::load),
        "not offered: models go live by deployment",
    ),
    // People, keys, roles.
    post("/admin/v1/keys", Deed(ManageConsumers, admin::create_key), "makes an application's key"),
    get("/admin/v1/keys", Deed(ManageConsumers, admin::list_keys), "lists keys, never their secrets"),
    post("/admin/v1/keys/{kid}/rotate", Deed(ManageConsumers, admin::rotate_key), "replaces a key"),
    delete("/admin/v1/keys/{kid}", Deed(ManageConsumers, admin::revoke_key), "ends a key"),
    post("/admin/v1/users", Deed(ManageUsers, admin::invite_user), "adds a person"),
    get("/admin/v1/users", Deed(ManageUsers, admin::list_users), "lists people"),
    delete("/admin/v1/users/{user}", Deed(ManageUsers, admin::disable_user), "denies a person everything"),
    post("/admin/v1/users/{user}/enable", Deed(ManageUsers, admin::enable_user), "lets a person back in"),
    post(
        "/admin/v1/users/{user}/certificates",
        Deed(ManageUsers, admin::add_certificate),
        "adds a second factor",
    ),
    delete(
        "/admin/v1/users/{user}/certificates/{digest}",
        Deed(ManageUsers, admin::withdraw_certificate),
        "withdraws a second factor",
    ),
    post(
        "/admin/v1/consumers",
        Deed(ManageConsumers, admin::create_consumer),
        "makes an application without a key",
    ),
    get(
        "/admin/v1/consumers/{consumer}/identities",
        Deed(ManageConsumers, admin::list_identities),
        "what an application may show in place of a key",
    ),
    post(
        "/admin/v1/consumers/{consumer}/identities",
        Deed(ManageConsumers, admin::add_identity),
        "lets a workload in as an application",
    ),
    delete(
        "/admin/v1/consumers/{consumer}/identities/{identity}",
        Deed(ManageConsumers, admin::remove_identity),
        "takes an identity from an application",
    ),
    put(
        "/admin/v1/consumers/{consumer}",
        Deed(ManageConsumers, admin::change_consumer),
        "changes what an application may do",
    ),
    delete(
        "/admin/v1/consumers/{consumer}",
        Deed(ManageConsumers, admin::disable_consumer),
        "denies an application everything",
    ),
    post("/admin/v1/projects", Deed(ManageUsers, admin::create_project), "makes a project"),
    post("/admin/v1/roles", Deed(Grant, admin::assign_role), "binds a person to a role, or proposes to"),
    post("/admin/v1/roles/revoke", Deed(Grant, admin::revoke_role), "ends a binding"),
    get("/admin/v1/roles", Deed(ManageUsers, admin::list_roles), "lists bindings"),
    get(
        "/admin/v1/roles/matrix",
        Deed(ManageUsers, admin::role_matrix),
        "what every role may do, and by which policy",
    ),
    post(
        "/admin/v1/grants/{number}/approve",
        Deed(ApproveChange, second::approve_grant),
        "approves a binding",
    ),
    post("/admin/v1/grants/{number}/apply", Deed(Grant, admin::apply_grant), "makes an approved binding"),
    // The second person.
    get("/admin/v1/approvals", Deed(ApproveChange, second::list), "what waits for a second person"),
    get(
        "/admin/v1/approvals/given",
        Deed(ExportAudit, second::export),
        "signed approvals, to be verified elsewhere",
    ),
    get(
        "/admin/v1/approvals/{kind}/{target}",
        Deed(ApproveChange, second::show),
        "exactly what waits, and what approving it signs",
    ),
    post(
        "/admin/v1/approvals/{kind}/{target}",
        Deed(ApproveChange, second::approve),
        "approves what waits, by a signed statement",
    ),
    post("/admin/v1/break-glass", Deed(ProposeChange, second::request_break_glass), "asks for break-glass"),
    post(
        "/admin/v1/break-glass/{number}/begin",
        Deed(ApplyChange, second::begin_break_glass),
        "begins break-glass that was approved",
    ),
    get("/admin/v1/policies", Deed(ManageUsers, second::list_policies), "the custom policies in force"),
    get("/admin/v1/policies/{name}", Deed(ManageUsers, second::show_policies), "a set of custom policies"),
    post(
        "/admin/v1/policies",
        Deed(ProposeChange, second::propose_policies),
        "proposes a set of custom policies, or that one be withdrawn",
    ),
    post(
        "/admin/v1/policies/test",
        Deed(ManageUsers, second::test_policies),
        "what a set of custom policies would change",
    ),
    post(
        "/admin/v1/policies/changes/{number}/apply",
        Deed(ApplyChange, second::apply_policies),
        "puts approved policies in force, or withdraws them",
    ),
    post("/admin/v1/models/{model}/disable", Deed(DisableModel, second::disable_model), "stops a model"),
    post(
        "/admin/v1/models/{model}/enable",
        Deed(Rollback, second::enable_model),
        "lets a stopped model answer again",
    ),
    // Models and configuration.
    put(
        "/v2/models/{model}",
        Deed(UpdateModel, update::update_model),
        "makes a version live that was compared with the live one",
    ),
    get(
        "/admin/v1/models/{model}/versions/{version}",
        Deed(Predict, update::show_version),
        "a version, and what was found out about it",
    ),
    get("/admin/v1/models", Deed(Predict, admin::list_models), "lists models and versions"),
    post("/admin/v1/models/{model}", Deed(RegisterVersion, admin::register_model), "registers a package"),
    post(
        "/admin/v1/models/{model}/versions/{version}/request",
        Deed(RequestDeployment, update::request_deployment),
        "asks that a version go live",
    ),
    post(
        "/admin/v1/models/{model}/versions/{version}/approve",
        Deed(ApproveDeployment, second::approve_deployment),
        "approves that a version go live",
    ),
    post(
        "/admin/v1/models/{model}/versions/{version}/activate",
        Deed(ActivateDeployment, admin::activate_deployment),
        "makes an approved version live",
    ),
    post(
        "/admin/v1/models/{model}/rollback",
        Deed(Rollback, admin::roll_back),
        "makes a version live again that was live before",
    ),
    // What surrounds going live.
    post(
        "/admin/v1/models/{model}/versions/{version}/evaluations",
        Deed(Evaluate, releases::attach_evaluation),
        "attaches an evaluation to its version",
    ),
    post(
        "/admin/v1/models/{model}/versions/{version}/retire",
        Deed(DisableModel, releases::retire),
        "withdraws a version for good",
    ),
    get(
        "/admin/v1/models/{model}/history",
        Deed(Predict, releases::history),
        "where a model's versions come from, and who did what with them",
    ),
    get(
        "/admin/v1/models/{model}/versions/{version}/history",
        Deed(Predict, releases::history),
        "where a version comes from, and who did what with it",
    ),
    get(
        "/admin/v1/models/{model}/versions/{version}/bom",
        Deed(Predict, releases::bill_of_materials),
        "a version's bill of materials, as CycloneDX",
    ),
    get(
        "/admin/v1/models/{model}/versions/{version}/provenance",
        Deed(Predict, releases::provenance),
        "where a version came from, as an in-toto statement",
    ),
    put(
        "/admin/v1/models/{model}/aliases/{alias}",
        Deed(RequestDeployment, releases::set_alias),
        "gives a version an alias",
    ),
    delete(
        "/admin/v1/models/{model}/aliases/{alias}",
        Deed(RequestDeployment, releases::remove_alias),
        "takes an alias away",
    ),
    post("/admin/v1/reload", Deed(ManageUsers, admin::reload), "reads the configuration again"),
    // The log.
    post("/audit/v1/search", Deed(ReadAudit, admin::search_log), "entries of the audit log"),
    post("/audit/v1/prove", Deed(ProveAudit, admin::prove_entry), "the offline proof for a receipt"),
    // The same over gRPC.
    post("/grpc.health.v1.Health/Check", Open(grpc::health), "whether the server answers"),
    post("/inference.GRPCInferenceService/ServerLive", Open(grpc::live), "whether the server runs"),
    post("/inference.GRPCInferenceService/ServerReady", Open(grpc::ready), "whether the server answers"),
    post("/inference.GRPCInferenceService/ServerMetadata", Open(grpc::server), "the server's name"),
    post("/inference.GRPCInferenceService/ModelInfer", Ask(Predict, Protocol::Grpc), "an inference"),
    post(
        "/inference.GRPCInferenceService/ModelReady",
        Deed(Predict, grpc::methods::ready),
        "whether a model answers",
    ),
    post(
        "/inference.GRPCInferenceService/ModelMetadata",
        Deed(Predict, grpc::methods::metadata),
        "a model's inputs and outputs",
    ),
    post(
        "/inference.GRPCInferenceService/ModelConfig",
        Deed(Predict, grpc::methods::configuration),
        "a model's configuration",
    ),
    post(
        "/inference.GRPCInferenceService/ModelStatistics",
        Deed(Monitor, grpc::methods::statistics),
        "a model's statistics, or all models'",
    ),
    post(
        "/inference.GRPCInferenceService/RepositoryIndex",
        Deed(Predict, grpc::methods::index),
        "the models that the caller may ask",
    ),
    post(
        "/inference.GRPCInferenceService/RepositoryModelLoad",
        Deed(UpdateModel, grpc::methods::load),
        "not offered: models go live by deployment",
    ),
    post(
        "/inference.GRPCInferenceService/RepositoryModelUnload",
        Deed(UpdateModel, grpc::methods::load),
        "not offered: models go live by deployment",
    ),
    post(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Deed(Predict, grpc::reflection::answer),
        "these services' descriptions, where the operator has them shown",
    ),
    post(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Deed(Predict, grpc::reflection::answer),
        "the same for older clients",
    ),
];

#[cfg(test)]
mod tests;
