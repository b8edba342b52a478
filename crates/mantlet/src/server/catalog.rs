//! What there is: models' metadata, readiness and configuration, and the index of those that a caller may ask.
//!
//! All are reads through door 2. Who may ask a model may see it; to everybody else it does not exist.

use std::sync::Arc;

use mantlet_gate::{
    Gate, Snapshot,
    administer::{Claims, Deed, Done, Office},
    directory::Directory,
    identity::Principal,
    policy::{self, Target},
    ports::Model,
    releases::alias::number_or_live,
};
use mantlet_types::{
    Action, Code, Contract, ModelName, PrincipalId, Rejection, Resource, TensorSpec, Version, VersionRef,
    entry::{Event, Token},
};
use serde::{Deserialize, Serialize};

use super::call::{Call, Params, Replying};

/// The only thing that is said of what runs a model.
pub(super) const PLATFORM: &str = "mantlet";

/// A model, or one version of it.
#[derive(Clone, Debug)]
pub(super) struct Which {
    pub(super) model: ModelName,
    pub(super) version: Option<Version>,
}

impl Which {
    fn of(gate: &Gate, params: &Params) -> Result<Self, Rejection> {
        let version: Option<VersionRef> = params.optional("version")?;
        Ok(Self::new(gate, params.require("model")?, version.as_ref()))
    }

    /// The version of this name, as it is now.
    pub(super) fn new(gate: &Gate, model: ModelName, named: Option<&VersionRef>) -> Self {
        let version = number_or_live(&gate.snapshot().directory, &model, named);
        Self { model, version }
    }

    /// The claim of who wants to know of it: leave to ask it. A version that is not live is its author's alone, and one that
    /// never was is to others as if there were none.
    fn claims(&self, caller: &Principal, directory: &Directory) -> Claims {
        let model = directory.models.get(&self.model);
        let live = model.and_then(|record| record.live);
        let Some(version) = self.version.filter(|version| live != Some(*version)) else {
            let model = Target::Resource(Resource::Model(self.model.clone()));
            return Claims::All(vec![(Action::Predict, model)]);
        };
        let known = model.and_then(|model| model.versions.get(&version)).is_some_and(|record| {
            record.was_live || *caller.id() == PrincipalId::User(record.author.clone())
        });
        let target = if known {
            Target::Resource(Resource::ModelVersion(self.model.clone(), version))
        } else {
            Target::Unknown
        };
        Claims::All(vec![(Action::TryCandidate, target)])
    }

    /// The model, if it is loaded.
    fn model<'a>(&self, snapshot: &'a Snapshot) -> Result<&'a Arc<dyn Model>, Rejection> {
        let model = snapshot.model(&self.model, self.version);
        model.ok_or_else(|| Rejection::unavailable(format!("no loaded version of `{}`", self.model)))
    }
}

/// Reads something of one model's contract.
pub(super) struct Read<R> {
    pub(super) which: Which,
    /// Whether a model that was stopped has it all the same.
    pub(super) of_disabled: bool,
    pub(super) read: fn(&Contract, Vec<Version>) -> R,
    /// What is said in its place of a model that does not answer now; `None` where that does not matter.
    pub(super) unready: Option<fn() -> Result<R, Rejection>>,
}

impl<R: Send + 'static> Deed for Read<R> {
    type Reply = R;

    fn event(&self) -> Event {
        Event::ModelRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, caller: &Principal, directory: &Directory) -> Result<Claims, Rejection> {
        Ok(self.which.claims(caller, directory))
    }

    fn subject(&self) -> Option<Token> {
        self.which.version.map(|version| Token::of(&version.to_string()))
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<R>, Rejection> {
        let model = self.which.model(office.snapshot)?;
        let contract = model.contract();
        let record = office.snapshot.directory.models.get(&self.which.model);
        let stopped =
            record.filter(|record| record.live == Some(contract.version) && record.disabled.is_some());
        if stopped.is_some() && !self.of_disabled {
            return Err(Rejection::unavailable(format!("`{}` is disabled", self.which.model)));
        }
        if let Some(unready) = self.unready.filter(|_| !model.is_ready()) {
            return unready().map(Done::read);
        }
        // Only the version that answers is told of: candidates are their authors' secret.
        Ok(Done::read((self.read)(contract, vec![contract.version])))
    }
}

fn read<R: Serialize + Send + 'static>(call: Call, read: fn(&Contract, Vec<Version>) -> R) -> Replying {
    let gate = Arc::clone(&call.server.gate);
    call.deed(Event::ModelRead, &[], move |params, _| {
        Ok(Read { which: Which::of(&gate, params)?, of_disabled: true, read, unready: None })
    })
}

/// `GET /v2/models/{model}`.
pub(super) fn metadata(call: Call) -> Replying {
    read(call, |contract, versions| Metadata {
        name: contract.model.clone(),
        versions: versions.iter().map(ToString::to_string).collect(),
        platform: PLATFORM,
        inputs: contract.inputs.iter().map(Io::of).collect(),
        outputs: contract.outputs.iter().map(Io::of).collect(),
    })
}

#[derive(Serialize)]
struct Metadata {
    name: ModelName,
    versions: Vec<String>,
    platform: &'static str,
    inputs: Vec<Io>,
    outputs: Vec<Io>,
}

#[derive(Serialize)]
struct Io {
    name: Arc<str>,
    datatype: &'static str,
    shape: Vec<i64>,
}

impl Io {
    fn of(spec: &TensorSpec) -> Self {
        Self { name: Arc::clone(&spec.name), datatype: spec.datatype.as_str(), shape: extents(spec) }
    }
}

/// Extents as the protocol writes them: -1 where any will do.
pub(super) fn extents(spec: &TensorSpec) -> Vec<i64> {
    spec.shape
        .iter()
        .map(|extent| extent.and_then(|extent| i64::try_from(extent).ok()).unwrap_or(-1))
        .collect()
}

/// `GET /v2/models/{model}/ready`.
pub(super) fn ready(call: Call) -> Replying {
    let read = |contract: &Contract, _| Ready { name: contract.model.clone(), ready: true };
    let gate = Arc::clone(&call.server.gate);
    call.deed(Event::ModelRead, &[], move |params, _| {
        let unready = || Err(Rejection::unavailable("the model does not answer where it runs"));
        Ok(Read { which: Which::of(&gate, params)?, of_disabled: false, read, unready: Some(unready) })
    })
}

#[derive(Serialize)]
struct Ready {
    name: ModelName,
    ready: bool,
}

/// `GET /v2/models/{model}/config`: Triton's configuration, as far as it describes what a caller sends and gets.
pub(super) fn configuration(call: Call) -> Replying {
    read(call, |contract, _| Configuration {
        name: contract.model.clone(),
        platform: PLATFORM,
        backend: PLATFORM,
        max_batch_size: contract.batch_rows_max,
        input: contract.inputs.iter().map(Port::of).collect(),
        output: contract.outputs.iter().map(Port::of).collect(),
    })
}

#[derive(Serialize)]
struct Configuration {
    name: ModelName,
    platform: &'static str,
    backend: &'static str,
    max_batch_size: usize,
    input: Vec<Port>,
    output: Vec<Port>,
}

#[derive(Serialize)]
struct Port {
    name: Arc<str>,
    data_type: String,
    /// Without the batch, which `max_batch_size` speaks of.
    dims: Vec<i64>,
}

impl Port {
    fn of(spec: &TensorSpec) -> Self {
        let kind = match spec.datatype.as_str() {
            "BYTES" => "STRING",
            other => other,
        };
        Self {
            name: Arc::clone(&spec.name),
            data_type: format!("TYPE_{kind}"),
            dims: extents(spec).into_iter().skip(1).collect(),
        }
    }
}

/// `POST /v2/repository/index`.
pub(super) fn index(call: Call) -> Replying {
    call.deed_of_optional(Event::ModelRead, |_, body: IndexRequest| Ok(Index { ready: body.ready }))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexRequest {
    #[serde(default)]
    ready: bool,
}

/// Lists the models that the caller may ask.
pub(super) struct Index {
    /// Only those that answer.
    pub(super) ready: bool,
}

/// One of them.
#[derive(Serialize)]
pub(super) struct Indexed {
    pub(super) name: ModelName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    pub(super) state: &'static str,
    pub(super) reason: &'static str,
}

impl Deed for Index {
    type Reply = Vec<Indexed>;

    fn event(&self) -> Event {
        Event::ModelRead
    }

    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        Ok(Claims::PerItem)
    }

    async fn act(self, office: &Office<'_>) -> Result<Done<Self::Reply>, Rejection> {
        let now = office.gate.now();
        let snapshot = office.snapshot;
        let visible = snapshot.directory.models.iter().filter(|(name, _)| {
            let target = Target::Resource(Resource::Model((*name).clone()));
            policy::permits(office.caller, Action::Predict, &target, now)
        });
        let listed = visible.map(|(name, record)| {
            let ready = snapshot.model(name, None).is_some_and(|model| model.is_ready());
            let answers = ready && record.disabled.is_none();
            Indexed {
                name: name.clone(),
                version: record.live.map(|version| version.to_string()),
                state: if answers { "READY" } else { "UNAVAILABLE" },
                reason: if record.disabled.is_some() { "disabled" } else { "" },
            }
        });
        Ok(Done::read(listed.filter(|item| !self.ready || item.state == "READY").collect()))
    }
}

/// `POST /v2/repository/models/{model}/load` and `unload`: whoever may change the model learns that this is not how.
pub(super) fn load(call: Call) -> Replying {
    call.deed(Event::ModelActivate, &[], |params, _| Ok(Load { model: params.require("model")? }))
}

/// Asks that a model be loaded or unloaded.
pub(super) struct Load {
    pub(super) model: ModelName,
}

impl Deed for Load {
    type Reply = ();

    fn event(&self) -> Event {
        Event::ModelActivate
    }

    /// It changes nothing, because it never does anything.
    fn changes(&self) -> bool {
        false
    }

    fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
        let target = Target::Resource(Resource::Model(self.model.clone()));
        Ok(Claims::All(vec![(Action::UpdateModel, target)]))
    }

    async fn act(self, _: &Office<'_>) -> Result<Done<()>, Rejection> {
        let how = "models are not loaded by hand: an approved deployment goes live, a withdrawn one stops";
        Err(Rejection::new(Code::Conflict).detailed(how))
    }
}
