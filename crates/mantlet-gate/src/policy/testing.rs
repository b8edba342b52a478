//! A small home for tests: two projects, a model with a live version and a candidate in each, and people to bind.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, LazyLock},
};

use mantlet_types::{
    Contract, PrincipalId, Role, Sha256, Timestamp, contract,
    entry::{Authn, Event},
};

use super::{Policy, asker::Asker};
use crate::{
    Snapshot,
    directory::{Ceiling, Consumer, Directory, ModelRecord, User, VersionRecord},
    infer::ModelInput,
    ports::{EngineFault, Model, Placement, RawOutput},
    record::Record,
    snapshot::{Served, Settings},
};

/// The embedded policies, read once for all tests.
pub(crate) static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::new(None).unwrap());

/// When tests take place.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

pub(crate) fn user(bindings: &[(Role, &str)]) -> User {
    let mut user = User { projects: bindings.iter().map(|(_, p)| id(p)).collect(), ..User::default() };
    for (role, project) in bindings {
        user.bindings.entry(*role).or_default().insert(id(project));
    }
    user
}

pub(crate) fn operator(project: &str) -> User {
    let roles = Role::ALL.into_iter().collect();
    let ceiling = Some(Ceiling { roles, models: None, rate_per_minute: 60 });
    User { ceiling, ..user(&[(Role::Operator, project)]) }
}

pub(crate) fn consumer(project: &str, models: &[&str]) -> Consumer {
    Consumer {
        disabled: false,
        project: id(project),
        routes: Default::default(),
        models: models.iter().map(|name| id(name)).collect(),
        monitor: false,
        expires: NOW.plus_seconds(3_600),
        rate_per_minute: 60,
        budget: Default::default(),
        identities: BTreeSet::new(),
        removed: Vec::new(),
        keepers: BTreeSet::new(),
    }
}

fn model(project: &str, author: &str) -> ModelRecord {
    let version = |was_live| VersionRecord {
        author: id(author),
        data_authors: BTreeSet::from([id("dora")]),
        digest: Sha256([0; 32]),
        package: Sha256([0; 32]),
        registered: NOW,
        was_live,
        promotion: None,
        facts: crate::releases::facts::Facts::default(),
    };
    ModelRecord {
        project: id(project),
        live: Some(1.try_into().unwrap()),
        former: Vec::new(),
        disabled: None,
        aliases: BTreeMap::new(),
        versions: BTreeMap::from([
            (1.try_into().unwrap(), version(true)),
            (2.try_into().unwrap(), version(false)),
        ]),
    }
}

/// Projects `red` and `blue` beside `home`; models `red-model`, `blue-model`, each with version 1 live and version 2
/// a candidate by `rita` and `bob`; nobody bound to anything but these two.
pub(crate) fn directory() -> Directory {
    let mut directory =
        Directory { projects: ["home", "red", "blue"].map(id).into_iter().collect(), ..Directory::default() };
    directory.models.insert(id("red-model"), model("red", "rita"));
    directory.models.insert(id("blue-model"), model("blue", "bob"));
    directory.users.insert(id("rita"), user(&[(Role::DataScientist, "red")]));
    directory.users.insert(id("bob"), user(&[(Role::DataScientist, "blue")]));
    directory
}

/// A snapshot of a team's home in which every version of every model is loaded.
pub(crate) fn snapshot(directory: Directory) -> Snapshot {
    snapshot_with(directory, POLICY.renewed(), false)
}

pub(crate) fn snapshot_with(directory: Directory, policy: Policy, single_person: bool) -> Snapshot {
    let mut models: HashMap<_, Served> = HashMap::new();
    for (name, record) in &directory.models {
        for version in record.versions.keys() {
            let model: Arc<dyn Model> = Arc::new(Fake(Arc::new(contract(name, record, *version))));
            models.entry(name.clone()).or_default().versions.insert(*version, model);
        }
    }
    Snapshot {
        generation: 1,
        directory,
        policy,
        models,
        peppers: Arc::default(),
        workloads: crate::identity::Workloads::default(),
        settings: Arc::new(Settings { single_person, failures_per_minute: 60, ..Settings::default() }),
    }
}

fn contract(
    name: &mantlet_types::ModelName,
    record: &ModelRecord,
    version: mantlet_types::Version,
) -> Contract {
    Contract {
        model: name.clone(),
        version,
        project: record.project.clone(),
        digest: Sha256([0; 32]),
        inputs: Vec::new(),
        outputs: Vec::new(),
        features: Vec::new(),
        layout: contract::Layout::Tensors,
        task: contract::Task::Opaque,
        judgment: contract::Judgment {
            confidence: contract::Confidence::None,
            threshold: 0.7,
            fallback: contract::Fallback::default(),
        },
        disclosure: contract::Disclosure::default(),
        options: Vec::new(),
        batch_rows_max: 1,
    }
}

struct Fake(Arc<Contract>);

impl Model for Fake {
    fn contract(&self) -> &Arc<Contract> {
        &self.0
    }

    fn judged_by(&self, _: &crate::ports::Threshold) -> Result<Arc<dyn Model>, String> {
        Err("not asked in these tests".to_owned())
    }

    fn placement(&self, _rows: usize) -> Placement {
        Placement::Inline
    }

    fn run(&self, _input: ModelInput) -> Result<RawOutput, EngineFault> {
        Err(EngineFault::Broken("not asked in these tests".to_owned()))
    }
}

/// Somebody with a second factor over a protected connection.
pub(in crate::policy) fn asker<'a>(id: &'a PrincipalId, snapshot: &'a Snapshot) -> Asker<'a> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Asker {
        id,
        authn: Authn::ApiKeyAndCertificate,
        ip,
        mfa: true,
        protected: true,
        confined: None,
        url: None,
        snapshot,
    }
}

pub(crate) fn record() -> Record {
    let request_id = mantlet_types::RequestId::new(NOW, [0; 10]);
    Record::new(Event::Inference, id("node-1"), request_id, IpAddr::V4(Ipv4Addr::LOCALHOST), None)
}
