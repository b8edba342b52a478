//! A command's way to the doors: as the home's owner by the running server's control socket, or in the home itself under
//! its lock; as anybody else over TLS, by the identity that `--as` names.

use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request};
use mantlet_types::UserId;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    args::Common,
    exit::Failure,
    identity::{Identity, Place},
    transport::{self, Reply, Trust},
};
use crate::{
    assemble::{App, told},
    config::{Config, env_vars},
    home::{Home, HomeError, RootKey, UserCertificate},
    ledger::SystemClock,
    server::{Peer, body::Body},
};
use mantlet_gate::ports::Clock;

/// How requests reach the doors.
pub struct Session {
    common: Common,
    way: Way,
}

enum Way {
    /// A server runs and has the lock.
    Control(PathBuf),
    /// No server runs; this process has the lock.
    InProcess(Box<App>),
    /// Over TLS, as the person whose files these are.
    As(Box<Identity>),
}

/// Opens the home that the command is about.
pub fn home(common: &Common) -> Result<Home, Failure> {
    let dir = Home::find(common.home.as_deref(), |name| std::env::var_os(name));
    Home::open(&dir).map_err(|error| told(&error, error.hint()))
}

/// Reads a home's configuration.
pub fn config(home: &Home) -> Result<Config, Failure> {
    Config::read(&home.config_path(), super::overlay()).map_err(|errors| super::config::invalid(&errors))
}

/// Fetches a home's root key.
pub fn root_key(home: &Home, config: &Config) -> Result<RootKey, Failure> {
    home.root_key(&config.store.root_key, |name| std::env::var_os(name))
        .map_err(|error| told(&error, error.hint()))
}

/// The server that was named, by flag or else by the environment.
pub fn url(common: &Common) -> Option<String> {
    let set = || std::env::var(env_vars::URL.name).ok().filter(|url| !url.is_empty());
    common.url.clone().or_else(set)
}

/// The person to act as, if one was named.
fn identity(common: &Common) -> Result<Option<Way>, Failure> {
    match &common.identity {
        Some(dir) => Ok(Some(Way::As(Box::new(Identity::open(dir, url(common))?)))),
        None if common.url.is_some() => {
            Err(Failure::new("without --as, a command is about a home and not about a URL")
                .hint("name the directory with your key and certificate by --as"))
        }
        None => Ok(None),
    }
}

impl Session {
    /// A way to the doors, whether or not a server runs.
    pub async fn open(common: &Common) -> Result<Self, Failure> {
        if let Some(way) = identity(common)? {
            return Ok(Self { common: common.clone(), way });
        }
        let home = home(common)?;
        let way = match home.lock() {
            Ok(held) => {
                let config = config(&home)?;
                let root = root_key(&home, &config)?;
                let (app, _) = App::open(home, root, config, super::overlay(), held).await?;
                Way::InProcess(Box::new(app))
            }
            Err(HomeError::InUse { .. } | HomeError::InUseBySomebody) => Way::Control(home.control_socket()),
            Err(error) => return Err(told(&error, error.hint())),
        };
        Ok(Self { common: common.clone(), way })
    }

    /// A way to the doors of a running server.
    pub fn running(common: &Common) -> Result<Self, Failure> {
        if let Some(way) = identity(common)? {
            return Ok(Self { common: common.clone(), way });
        }
        let home = home(common)?;
        let socket = home.control_socket();
        if !socket.exists() {
            let (url, key) = (env_vars::URL.name, env_vars::API_KEY.name);
            return Err(Failure::new("no server runs on this home")
                .hint(format!("start one with `mantlet serve`, or set {url} and {key}")));
        }
        Ok(Self { common: common.clone(), way: Way::Control(socket) })
    }

    /// A way to the doors of a home that was just made.
    pub fn of(home: &Home, app: App) -> Self {
        let common = Common { home: Some(home.dir().to_owned()), ..Common::default() };
        Self { common, way: Way::InProcess(Box::new(app)) }
    }

    /// How the command was told where to go.
    pub fn common(&self) -> &Common {
        &self.common
    }

    /// Whom this acts as, where that is not the home's owner.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.way {
            Way::As(identity) => Some(identity),
            Way::Control(_) | Way::InProcess(_) => None,
        }
    }

    /// Sends a request through a door.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Reply, Failure> {
        match &self.way {
            Way::Control(socket) => transport::control(socket, request).await,
            Way::As(identity) => identity.send(request).await,
            Way::InProcess(app) => {
                let request = request.map(Body::Whole);
                transport::collect(app.server.dispatch(request, &Peer::local_owner()).await).await
            }
        }
    }

    /// Sends a request with a JSON body, or none; the reply's document.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        self.send(transport::request(method, path, body)?).await?.json()
    }

    /// Ends the session; what it wrote is then published.
    pub async fn close(self) {
        if let Way::InProcess(app) = self.way {
            app.close().await;
        }
    }

    /// The home whose authority vouches for people. Its key is the files' owner's, whoever asks the server.
    pub fn authority_home(&self) -> Result<Home, Failure> {
        home(&self.common).map_err(|failure| match self.identity() {
            Some(_) => failure.hint("certificates are issued where the home is: run this there"),
            None => failure,
        })
    }

    /// The author's key of a one-person home; a team's authors sign where they work.
    pub fn author_key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if self.identity().is_some() {
            return Ok(None);
        }
        let path = home(&self.common)?.author_key_path();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(format!("cannot read `{}`: {error}", path.display()))),
        }
    }
}

/// Where this home's server is, for whoever is on this machine.
pub fn local_url(home: &Home, config: &Config) -> String {
    let listen = std::fs::read_to_string(home.address_path()).ok();
    let listen = listen.and_then(|text| text.trim().parse().ok()).unwrap_or(config.server.listen);
    // Nothing can be reached at the address that stands for all.
    if listen.ip().is_unspecified() {
        return format!("https://localhost:{}", listen.port());
    }
    format!("https://{listen}")
}

/// Whom to trust as this home's server. One with a certificate from elsewhere is vouched for by somebody whom the
/// system knows; where it is not, the client says who.
pub fn trust(home: &Home, config: &Config) -> Result<Trust, Failure> {
    let own = Trust::file(&home.ca_path())?;
    Ok(if config.server.certificate.is_some() { own.and_system() } else { own })
}

/// Where this home's server is for people who are elsewhere, and whom they have to trust.
pub fn place(home: &Home, config: &Config) -> Result<Place, Failure> {
    let local = local_url(home, config);
    let port = local.rsplit(':').next().unwrap_or_default();
    let only_here = local.contains("//127.") || local.contains("//[::1]");
    let url = match config.server.names.first() {
        Some(name) if !only_here => format!("https://{name}:{port}"),
        _ => local,
    };
    if config.server.certificate.is_some() {
        return Ok(Place { url, ca_pem: None });
    }
    let path = home.ca_path();
    let pem = std::fs::read_to_string(&path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))?;
    Ok(Place { url, ca_pem: Some(pem) })
}

/// Issues a person's certificate by the home's authority. The command does it, not the server: the authority's key is
/// the owner's.
pub fn issue_user_certificate(home: &Home, user: &UserId) -> Result<UserCertificate, Failure> {
    let root = root_key(home, &config(home)?)?;
    let issued = home.authority(&root).issue_user_certificate(user, SystemClock.now());
    issued.map_err(|error| told(&error, error.hint()))
}
