//! A command's way to the doors of its home: the running server's control socket, or the home itself under its lock.

use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request};
use mantlet_types::UserId;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    args::Common,
    exit::Failure,
    transport::{self, Reply},
};
use crate::{
    assemble::{App, told},
    config::{Config, env_vars},
    home::{Home, HomeError, RootKey, UserCertificate},
    ledger::SystemClock,
    server::{Peer, body::Body},
};
use mantlet_gate::ports::Clock;

/// A home, and how requests reach its doors.
pub struct Session {
    home: Home,
    way: Way,
}

enum Way {
    /// A server runs and has the lock.
    Control(PathBuf),
    /// No server runs; this process has the lock.
    InProcess(Box<App>),
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

impl Session {
    /// A way to the doors, whether or not a server runs.
    pub async fn open(common: &Common) -> Result<Self, Failure> {
        let home = home(common)?;
        match home.lock() {
            Ok(held) => {
                let config = config(&home)?;
                let root = root_key(&home, &config)?;
                let (app, _) = App::open(home.clone(), root, config, super::overlay(), held).await?;
                Ok(Self { home, way: Way::InProcess(Box::new(app)) })
            }
            Err(HomeError::InUse { .. } | HomeError::InUseBySomebody) => {
                Ok(Self { way: Way::Control(home.control_socket()), home })
            }
            Err(error) => Err(told(&error, error.hint())),
        }
    }

    /// A way to the doors of a running server.
    pub fn running(common: &Common) -> Result<Self, Failure> {
        let home = home(common)?;
        let socket = home.control_socket();
        if !socket.exists() {
            let (url, key) = (env_vars::URL.name, env_vars::API_KEY.name);
            return Err(Failure::new("no server runs on this home")
                .hint(format!("start one with `mantlet serve`, or set {url} and {key}")));
        }
        Ok(Self { way: Way::Control(socket), home })
    }

    /// A way to the doors of a home that was just made.
    pub fn of(home: Home, app: App) -> Self {
        Self { home, way: Way::InProcess(Box::new(app)) }
    }

    /// Where this home's server is, and whom to trust.
    pub fn address(common: &Common) -> Result<(String, PathBuf), Failure> {
        let home = home(common)?;
        let listen = std::fs::read_to_string(home.address_path()).ok();
        let listen = match listen {
            Some(text) => text.trim().to_owned(),
            None => config(&home)?.server.listen.to_string(),
        };
        Ok((format!("https://{listen}"), home.ca_path()))
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Sends a request through door 2 as the home's owner.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Reply, Failure> {
        match &self.way {
            Way::Control(socket) => transport::control(socket, request).await,
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

    /// Issues a person's certificate. The command does it, not the server: the authority's key is the owner's.
    pub fn issue_user_certificate(&self, user: &UserId) -> Result<UserCertificate, Failure> {
        issue_user_certificate(&self.home, user)
    }

    /// The author's key of a one-person home; a team's authors sign where they work.
    pub fn author_key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.home.author_key_path();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(format!("cannot read `{}`: {error}", path.display()))),
        }
    }
}

/// Issues a person's certificate by the home's authority.
pub fn issue_user_certificate(home: &Home, user: &UserId) -> Result<UserCertificate, Failure> {
    let root = root_key(home, &config(home)?)?;
    let issued = home.authority(&root).issue_user_certificate(user, SystemClock.now());
    issued.map_err(|error| told(&error, error.hint()))
}
