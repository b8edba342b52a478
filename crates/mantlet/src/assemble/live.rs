//! What a running server takes on: a changed configuration, a new certificate.

use std::sync::{Arc, Mutex, Weak};

use mantlet_gate::{Snapshot, ports::Model, snapshot::Settings};
use mantlet_models::{register::Shelf, registry::PackageDigest, signers::Signers};
use mantlet_types::{ModelName, Version};

use super::{addresses, lock, server_identity, settings, threshold, trust_domains, trusted};
use crate::{
    cli::exit::Failure,
    config::{Config, Overlay},
    deeds::reload::{Reloader, Renewal},
    home::{Home, RootKey, ServerIdentity},
    issuers::Issuers,
    llm::Peers,
    registrar::Registrar,
    server::{Server, tls::ServerCertificate, trust::Trust},
    upstream::{Switchboard, Upstreams},
};

/// Who issues the server's certificate, where it is the home's own.
pub(super) enum Issuing {
    /// This process, which has the home to itself.
    Own(RootKey),
    /// The registrar; this process cannot open the authority's key.
    Registrar(Arc<Registrar>),
}

/// What can be put in place while the server runs.
pub struct Live {
    pub(super) home: Home,
    /// Who issues the server's certificate.
    pub(super) issuing: Issuing,
    pub(super) config: Arc<Mutex<Config>>,
    pub(super) shelf: Shelf,
    /// Where models run that do not run here.
    pub(super) switchboard: Arc<Switchboard>,
    /// Where language models run.
    pub(super) peers: Mutex<Peers>,
    /// What flags and environment said at start: they hold for every reload, too.
    pub(super) overlay: Overlay,
    /// The listener's certificate, once there is a listener.
    pub(super) certificate: Mutex<Option<Arc<ServerCertificate>>>,
    /// The server whose allowlist is replaced; set once it is assembled.
    pub(super) server: Mutex<Weak<Server>>,
    /// Who vouches for workloads' certificates.
    pub(super) trust: Arc<Trust>,
    /// Who vouches for workloads' tokens.
    pub(super) issuers: Issuers,
}

impl Live {
    /// Gives the reloader the listener's certificate to renew.
    pub fn watch(&self, certificate: Arc<ServerCertificate>) {
        *lock(&self.certificate) = Some(certificate);
    }

    /// The certificate to show, and its key.
    ///
    /// # Errors
    /// If there is none, and none can be made.
    pub fn server_identity(&self, config: &Config) -> Result<ServerIdentity, Failure> {
        server_identity(&self.home, &self.issuing, config)
    }

    /// The configuration's file as it is now. A confined process may have lost sight of one that was replaced.
    fn configuration(&self) -> Result<Config, String> {
        let (path, overlay) = (self.home.config_path(), self.overlay.clone());
        let config = match &self.issuing {
            Issuing::Own(_) => Config::read(&path, overlay),
            Issuing::Registrar(registrar) => Config::parse(&path, &registrar.configuration()?, overlay),
        };
        config.map_err(|error| error.to_string())
    }

    /// Who vouches for workloads' certificates.
    #[must_use]
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust)
    }

    /// Who vouches for workloads' tokens.
    #[must_use]
    pub fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// Looks once a day whether the listener's certificate has to be renewed, and renews it: a server that runs for
    /// a year must not show one that has ended.
    pub async fn renew_daily(self: Arc<Self>) {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(86_400)).await;
            let live = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || live.renew_if_due()).await {
                Ok(Ok(true)) => tracing::info!("the server shows a new certificate"),
                Ok(Ok(false)) => {}
                Ok(Err(why)) => tracing::error!(%why, "the server's certificate could not be renewed"),
                Err(error) => tracing::error!(%error, "the server's certificate could not be renewed"),
            }
        }
    }

    /// From now on, looks whether models answer that run elsewhere.
    pub fn watch_upstreams(&self) {
        self.switchboard.watch();
        lock(&self.peers).look();
    }

    /// The models that the new configuration judges otherwise than the old one, or has run elsewhere than before, as they
    /// are under the new one, and those that can be served now and could not before.
    fn changed(
        &self,
        snapshot: &Snapshot,
        old: &Config,
        new: &Config,
        shelf: &Shelf,
        upstreams: &Upstreams,
    ) -> Result<Vec<Arc<dyn Model>>, String> {
        let moved = !upstreams.is(&self.switchboard.current());
        let reach = self.switchboard.reach(Some(upstreams.clone()));
        let threshold = threshold(Arc::new(Mutex::new(new.clone())));
        let shelf = Shelf { threshold, reach, ..shelf.clone() };
        // Where a lower threshold is not allowed any more, it is refused here as it would be at a start.
        let stricter = old.danger.threshold_lowered && !new.danger.threshold_lowered;
        let concerned = |name: &ModelName| {
            old.models.get(name) != new.models.get(name) || (stricter && new.models.contains_key(name))
        };
        // Whoever is trusted anew may have signed what could not be loaded before.
        let known = self.shelf.trusted.keys();
        let trusts_more = shelf.trusted.keys().iter().any(|key| !known.contains(key));
        let mut loaded = Vec::new();
        for (name, record) in &snapshot.directory.models {
            for (version, registered) in &record.versions {
                let concerned = concerned(name);
                if let Some(served) = snapshot.model(name, Some(*version)) {
                    let judged = concerned.then(|| served.judged_by(shelf.threshold.as_ref())).transpose()?;
                    let now = judged.as_ref().unwrap_or(served);
                    let reached = if moved { now.reached_by(shelf.reach.as_ref()) } else { None };
                    loaded.extend(reached.or(judged));
                    continue;
                }
                if registered.facts.retired.is_some() {
                    continue;
                }
                // Perhaps it was the threshold, or its signer, that kept it from being served.
                if !(concerned || trusts_more) {
                    continue;
                }
                match shelf.load(&record.project, *version, registered) {
                    Ok(model) => loaded.push(model),
                    Err(why) => tracing::error!(model = %name, %version, %why, "a model could not be loaded"),
                }
            }
        }
        Ok(loaded)
    }

    /// Loaded versions whose signers are trusted no more, told to the operator one by one.
    fn disowned(snapshot: &Snapshot, signers: &Signers) -> Vec<(ModelName, Version)> {
        let mut disowned = Vec::new();
        for (name, served) in &snapshot.models {
            for (version, model) in &served.versions {
                let record = snapshot.directory.models.get(name);
                let registered = record.and_then(|record| record.versions.get(version));
                if registered.is_some_and(|it| signers.vouch_for(PackageDigest(it.package))) {
                    continue;
                }
                let live = snapshot.is_live(name, *version);
                tracing::error!(
                    model = %name, %version, live, digest = %model.contract().digest,
                    "whoever signed this version is trusted no more, and it has stopped answering"
                );
                disowned.push((name.clone(), *version));
            }
        }
        disowned
    }

    fn renew_if_due(&self) -> Result<bool, String> {
        let Some(certificate) = lock(&self.certificate).clone() else { return Ok(false) };
        let config = lock(&self.config).clone();
        let identity = self.server_identity(&config).map_err(|failure| failure.message)?;
        certificate.renew(identity).map_err(|error| error.to_string())
    }
}

impl Reloader for Live {
    fn reload(&self, snapshot: &Snapshot) -> Result<Renewal, String> {
        let new = self.configuration()?;
        let mut old = lock(&self.config);
        old.reloadable(&new)
            .map_err(|refused| refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        // Everything that can fail comes first; then nothing is left half done.
        let signers = trusted(&self.home.trusted_signers_dir()).map_err(|failure| failure.message)?;
        let shelf =
            Shelf { trusted: Arc::new(self.shelf.trusted.under(signers.clone())), ..self.shelf.clone() };
        let domains = trust_domains(&new).map_err(|failure| failure.message)?;
        let issuers = self.issuers.prepare(&new.identity.issuers)?;
        let upstreams = Upstreams::new(&new, &self.switchboard.current())?;
        let peers = Peers::new(&new, &lock(&self.peers))?;
        let loaded = self.changed(snapshot, &old, &new, &shelf, &upstreams)?;
        if let Some(certificate) = lock(&self.certificate).as_ref() {
            let identity = self.server_identity(&new).map_err(|failure| failure.message)?;
            certificate.renew(identity).map_err(|error| error.to_string())?;
        }
        if let Some(server) = lock(&self.server).upgrade() {
            server.hear(addresses(&new));
        }
        self.shelf.trusted.replace(signers);
        let unloaded = Self::disowned(snapshot, &self.shelf.trusted);
        self.trust.replace(domains);
        let settings = Settings { routes: peers.routes(&new), ..settings(&new, self.issuers.adopt(issuers)) };
        *lock(&self.peers) = peers;
        self.switchboard.go_over(upstreams);
        *old = new;
        Ok(Renewal { settings, loaded, unloaded })
    }
}
