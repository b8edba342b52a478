//! Puts a home's parts together: store, log, policy, models and gate, under the home's lock.
//!
//! `serve` puts listeners in front of the result; a command that finds no server uses it in process. Either way there
//! is one gate, and the lock says that there is no other.

mod live;
mod settings;
mod spent;
mod store;

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use mantlet_audit::{Log, OpenError, Recovery};
use mantlet_gate::{
    Gate, Snapshot, administer,
    directory::{Directory, VersionRecord},
    identity::Workloads,
    mediate,
    people::roles::conflicting_duties,
    policy::Policy,
    ports::{Clock, Reach},
    routes::Pseudonyms,
    snapshot::{Served, Settings},
    urls::UrlSigner,
};
use mantlet_models::{
    artifact::TrustedSigner,
    register::{Keeper, Shelf, Threshold},
    registry::Registry,
    signers::Signers,
};
use mantlet_store::{ReviewStore, SqliteStore};
use mantlet_types::{
    ModelName,
    entry::{Event, Token},
};

use crate::{
    cli::exit::Failure,
    config::{self, Config, Overlay},
    home::{Home, HomeLock, RootKey},
    issuers::Issuers,
    ledger::{LogLedger, SystemClock},
    llm::Peers,
    registrar::Registrar,
    server::{Facilities, Server, trust::Trust},
    upstream::{Switchboard, Upstreams},
};

use self::live::Issuing;
use self::settings::{addresses, bounds, settings, trust_domains};
use self::store::{check_generation, check_ring, open_reviews, open_store, stored};
pub use self::{
    live::Live,
    store::{accept_older_store, check_store, make_databases, rekey},
};

/// A home in use.
pub struct App {
    /// The face that requests are sent to.
    pub server: Arc<Server>,
    log: Arc<Log>,
    store: Arc<SqliteStore>,
    reviews: Arc<ReviewStore>,
    held: HomeLock,
    ring: Token,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    /// Opens a home's parts and starts the log with an entry that says so.
    ///
    /// # Errors
    /// If any part is damaged, of another key, or behind what an anchor has seen; with advice.
    pub async fn open(
        home: Home,
        root: RootKey,
        config: Config,
        overlay: Overlay,
        held: HomeLock,
    ) -> Result<(Self, Arc<Live>), Failure> {
        Self::open_kept_by(home, root, config, overlay, held, None).await
    }

    /// The same where another process writes the registry and issues the server's certificate.
    ///
    /// # Errors
    /// As for [`App::open`].
    pub async fn open_kept_by(
        home: Home,
        root: RootKey,
        config: Config,
        overlay: Overlay,
        held: HomeLock,
        registrar: Option<Arc<Registrar>>,
    ) -> Result<(Self, Arc<Live>), Failure> {
        let store = Arc::new(open_store(&home, &root).await?);
        let mut directory = stored(store.load().await)?;
        check_duties(&directory, &config)?;
        let peppers = stored(store.peppers().await)?;
        let (log, recovery) = open_log(&home, &root, &config)?;
        let (log, generation) = (Arc::new(log), stored(store.generation().await)?);
        check_ring(&home, &root, recovery.last.as_ref())?;
        check_generation(&home, generation, recovery.last.as_ref())?;
        let ring = store::ring(root.replaced());
        let (trust, issuers) = (Arc::new(Trust::default()), Issuers::default());
        trust.replace(trust_domains(&config)?);
        let listed = issuers.adopt(issuers.prepare(&config.identity.issuers).map_err(Failure::new)?);
        let peers = Peers::new(&config, &Peers::default()).map_err(Failure::new)?;
        let settings = Settings { routes: peers.routes(&config), ..settings(&config, listed) };
        let node = config.audit.node.clone();
        let config_routes =
            config.routes.iter().map(|route| (route.name.clone(), route.project.clone())).collect();
        let (addresses, bounds) = (addresses(&config), bounds(&config));
        let reflection = config.server.grpc_reflection;
        let upstreams = Upstreams::new(&config, &Upstreams::default()).map_err(Failure::new)?;
        let config = Arc::new(Mutex::new(config));
        let switchboard = Switchboard::new(upstreams);
        let reach = switchboard.reach(None);
        let shelf = shelf(&home, &root, Arc::clone(&config), reach, registrar.as_ref())?;
        let models = load_models(&directory, &shelf);
        directory.routes = config_routes;
        let snapshot = Snapshot {
            generation,
            policy: policies(&directory)?,
            directory,
            models,
            peppers: Arc::new(peppers),
            workloads: Workloads::default(),
            settings: Arc::new(settings),
        };
        let ledger = Arc::new(LogLedger::new(Arc::clone(&log), node));
        let reviews = Arc::new(open_reviews(&home, &root).await?);
        let gate = Gate::new(
            snapshot,
            ledger,
            crate::faults::stepped(Arc::clone(&store) as _),
            Arc::new(SystemClock),
        );
        let signer = root.url_secret().ok_or_else(|| Failure::new("the key of URLs cannot be derived"))?;
        let gate = gate.with_reviews(Arc::clone(&reviews) as _).with_urls(UrlSigner::new(&signer));
        let pseudonyms = root.pseudonym_secret().ok_or_else(|| Failure::new("pseudonyms cannot be made"))?;
        let gate = Arc::new(gate.with_pseudonyms(Pseudonyms::new(&pseudonyms)));
        peers.attach(&gate);
        spent::restore(&gate, &home, &recovery.open_intents)?;
        let live = Arc::new(Live {
            // Whoever has a registrar needs the keys' key no more.
            issuing: registrar.map_or_else(|| Issuing::Own(root), Issuing::Registrar),
            config,
            shelf: shelf.clone(),
            switchboard: Arc::clone(&switchboard),
            peers: Mutex::new(peers),
            overlay,
            certificate: Mutex::new(None),
            server: Mutex::new(std::sync::Weak::new()),
            trust: Arc::clone(&trust),
            issuers,
            home,
        });
        let facilities = Facilities {
            log: Arc::clone(&log),
            audit_dir: live.home.audit_dir(),
            shelf,
            switchboard,
            reloader: Arc::clone(&live) as _,
            trust,
            reflection,
        };
        let server = Server::new(gate, addresses, bounds, facilities)
            .map_err(|error| Failure::new(error.to_string()))?;
        let server = Arc::new(server);
        *lock(&live.server) = Arc::downgrade(&server);
        // Last: from here on nothing can fail, so that whoever has started can be closed.
        administer::announce(server.gate(), Event::SysStart, Some(ring.clone())).await?;
        mediate::interrupted(server.gate(), &recovery.open_intents)?;
        let app = Self { server, log, store, reviews, held, ring };
        app.expire_reviews().await;
        Ok((app, live))
    }

    /// How often the root key has been replaced, in the log's words.
    #[must_use]
    pub const fn ring(&self) -> &Token {
        &self.ring
    }

    /// Forgets held answers whose time is over. What cannot be forgotten now is not shown either, and tried again.
    pub async fn expire_reviews(&self) {
        if let Err(rejection) = administer::expire_reviews(self.server.gate()).await {
            let cause = rejection.cause.as_deref().unwrap_or_default();
            tracing::error!(%rejection, %cause, "held answers that have ended could not be forgotten");
        }
    }

    /// Writes down that it ends, publishes the log and closes the store. The home is the caller's still, until they let go
    /// of the lock.
    pub async fn close(self) -> HomeLock {
        if let Err(rejection) =
            administer::announce(self.server.gate(), Event::SysStop, Some(self.ring)).await
        {
            tracing::warn!(%rejection, "the end could not be written down");
        }
        let log = Arc::clone(&self.log);
        let closed = tokio::task::spawn_blocking(move || log.close()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "the log was not closed in good order");
        }
        // Others hold the store too: the gate, and through it whatever is still under way. They find it closed, as they
        // find the log. What is closed is one whole file, which can be copied as it is.
        self.store.close().await;
        self.reviews.close().await;
        self.held
    }
}

/// An error with its advice.
pub fn told(error: &impl std::fmt::Display, hint: Option<String>) -> Failure {
    let failure = Failure::new(error.to_string());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn open_log(home: &Home, root: &RootKey, config: &Config) -> Result<(Log, Recovery), Failure> {
    let key = audit_key(home, root, config)?;
    let mut options = mantlet_audit::Options::new(home.audit_dir(), config.audit.node.clone(), key);
    options.anchors.clone_from(&config.audit.anchors);
    options.durability = match config.audit.durability {
        config::Durability::Every => mantlet_audit::Durability::Every,
        config::Durability::Group => mantlet_audit::Durability::Group,
        config::Durability::Os => mantlet_audit::Durability::Os,
    };
    crate::faults::arm(&mut options);
    let (log, recovery) = Log::open(options).map_err(|error| {
        Failure::new(error.to_string()).hint(match error {
            OpenError::AnchorMissing { .. } => {
                "nothing was changed; put the anchor back from where it is kept. If it is lost, check the log without \
                 it (take it out of `[audit] anchors`, run `mantlet audit verify`), then make an empty file there"
            }
            _ => "nothing was changed; `mantlet audit verify` names the first entry that does not hold",
        })
    })?;
    report(&recovery);
    Ok((log, recovery))
}

/// Signs the log's checkpoints. Its name, the log's origin, says which home's and which node's log it is.
///
/// # Errors
/// If the key was altered or sealed under another root key.
pub fn audit_key(home: &Home, root: &RootKey, config: &Config) -> Result<mantlet_audit::SigningKey, Failure> {
    let seed = home.audit_seed(root).map_err(|error| told(&error, error.hint()))?;
    let origin = format!("mantlet-{}/{}", home.id(), config.audit.node);
    mantlet_audit::SigningKey::from_seed(&origin, &seed).map_err(|error| Failure::new(error.to_string()))
}

/// What an operator should know after a crash.
fn report(recovery: &Recovery) {
    if recovery.torn_bytes > 0 {
        tracing::info!(
            bytes = recovery.torn_bytes,
            "an entry that nobody was answered for was cut off and is gone"
        );
    }
    for intent in &recovery.open_intents {
        tracing::warn!(
            idx = intent.idx,
            event = intent.event.as_str(),
            "an act has an intent but no outcome"
        );
    }
}

fn shelf(
    home: &Home,
    root: &RootKey,
    config: Arc<Mutex<Config>>,
    reach: Arc<Reach>,
    registrar: Option<&Arc<Registrar>>,
) -> Result<Shelf, Failure> {
    let registry = Arc::new(registry(home, root)?);
    let keeper: Arc<dyn Keeper> = match registrar {
        Some(registrar) => Arc::clone(registrar) as _,
        None => Arc::clone(&registry) as _,
    };
    let trusted = Arc::new(Signers::new(trusted(&home.trusted_signers_dir())?));
    let one_at_a_time = || Arc::new(tokio::sync::Semaphore::new(1));
    let (unpacking, leaving, fetching) = (one_at_a_time(), one_at_a_time(), Arc::default());
    let threshold = threshold(config);
    Ok(Shelf { registry, keeper, trusted, threshold, reach, unpacking, leaving, fetching })
}

/// A home's packages.
///
/// # Errors
/// If its directories cannot be made.
pub fn registry(home: &Home, root: &RootKey) -> Result<Registry, Failure> {
    let key = root.registry_key().ok_or_else(|| Failure::new("the registry's key cannot be derived"))?;
    Registry::new(home.registry_dir(), key).map_err(|error| told(&error, error.hint()))
}

/// A model's threshold by the configuration as it is when the model is loaded.
fn threshold(config: Arc<Mutex<Config>>) -> Threshold {
    Arc::new(move |model, packaged| {
        lock(&config).threshold(model, packaged).map_err(|error| error.to_string())
    })
}

/// Whose signature counts: public keys of people, and certificates of authorities.
pub(crate) fn trusted(dir: &Path) -> Result<Vec<TrustedSigner>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::new(format!("cannot read `{}`: {error}", dir.display()));
    let mut trusted = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        let read = TrustedSigner::from_pem(&text).map_err(|error| {
            Failure::new(format!("`{}`: {error}", path.display()))
                .hint("only public keys and certificates of authorities in PEM belong there")
        })?;
        // Found out now, and not when a model is refused whose signer it was to vouch for.
        for authority in read.iter().filter_map(TrustedSigner::authority) {
            authority.check().map_err(|error| {
                Failure::new(format!("`{}`: {error}", path.display()))
                    .hint("take the certificate out; it can vouch for nobody")
            })?;
        }
        trusted.extend(read);
    }
    Ok(trusted)
}

/// One duty per person (invariant S10) is checked whenever a binding is made; here once more, on what is stored.
fn check_duties(directory: &Directory, config: &Config) -> Result<(), Failure> {
    if config.danger.single_person {
        return Ok(());
    }
    match directory.users.iter().find_map(|(user, record)| Some((user, conflicting_duties(record)?))) {
        None => Ok(()),
        Some((user, [one, other])) => Err(Failure::new(format!("`{user}` holds two duties: `{one}` and `{other}`"))
            .hint("a team's home needs one duty per person; a home made with --single-person cannot become a team's")),
    }
}

/// What decides: the embedded policies, and the custom ones that the store has. Without all of them nothing is decided.
fn policies(directory: &Directory) -> Result<Policy, Failure> {
    Policy::of(&directory.policies).map_err(|error| {
        Failure::new(format!("the custom policies in the store are not valid here: {error}"))
            .hint("go back to the release before, and withdraw or change them there: `mantlet policy list`")
    })
}

/// Loads every version. One that does not load is told to the operator and makes the node not ready if it is live;
/// the others serve.
fn load_models(directory: &Directory, shelf: &Shelf) -> std::collections::HashMap<ModelName, Served> {
    let mut models = std::collections::HashMap::<_, Served>::new();
    for (name, record) in &directory.models {
        let retired = |registered: &VersionRecord| registered.facts.retired.is_some();
        for (version, registered) in record.versions.iter().filter(|(_, registered)| !retired(registered)) {
            match shelf.load(&record.project, *version, registered) {
                Ok(model) => {
                    models.entry(name.clone()).or_default().versions.insert(*version, model);
                }
                Err(why) => tracing::error!(model = %name, %version, %why, "a model could not be loaded"),
            }
        }
    }
    models
}

/// The certificate to show: one from elsewhere if configured, else our own, renewed when it is about to end.
fn server_identity(
    home: &Home,
    issuing: &Issuing,
    config: &Config,
) -> Result<crate::home::ServerIdentity, Failure> {
    let told = |error: crate::home::AuthorityError| told(&error, error.hint());
    let identity = match (&config.server.certificate, issuing) {
        (Some(files), _) => {
            crate::home::ServerIdentity::from_files(&files.certificate, &files.key).map_err(told)?
        }
        (None, Issuing::Own(root)) => {
            home.authority(root).server_identity(&config.server.names, SystemClock.now()).map_err(told)?
        }
        (None, Issuing::Registrar(registrar)) => registrar.server_identity()?,
    };
    let days = (identity.expires.micros() - SystemClock.now().micros()) / 86_400_000_000;
    if days < 14 {
        tracing::warn!(days, "the server's certificate ends soon");
    }
    Ok(identity)
}
