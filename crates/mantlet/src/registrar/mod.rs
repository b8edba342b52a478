//! The registrar: a small process that alone writes packages and the server's certificate, so that the process that
//! speaks to the world need not be able to.
//!
//! `serve` starts it before it has any thread and before it gives up the right to write. The two talk over a pair of
//! sockets that nobody else has; there is no listener. A request is a line of JSON of bounded length, with a package's
//! bytes behind it where there is one; a reply is a line of JSON. Requests come one at a time.
//!
//! What is asked for is checked here again ([`keeper`]): the serving process is the one that might be in somebody
//! else's hands.

mod keeper;
mod wire;

use std::{
    io::{BufReader, Write},
    os::{fd::OwnedFd, unix::net::UnixStream, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mantlet_models::{package::Package, register::Keeper, registry::PackageDigest};
use mantlet_types::Timestamp;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use self::keeper::run;
use self::wire::{Asked, Identity, Refusal, Reply, WireError};
use crate::{
    cli::exit::Failure,
    home::{LoneIdentity, ServerIdentity},
};

/// How long an answer may take: that about the largest package, encrypted and on the disk.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);

/// The registrar as the serving process knows it.
pub struct Registrar {
    line: Mutex<Line>,
    child: Mutex<Child>,
}

struct Line {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Line {
    fn ask(&mut self, asked: &Asked, package: Option<&Package>) -> Result<Reply, WireError> {
        wire::send(&mut self.to, asked)?;
        for (_, bytes) in package.iter().flat_map(|package| package.files()) {
            self.to.write_all(bytes)?;
        }
        wire::receive(&mut self.from)?.ok_or(WireError::Ended)
    }
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registrar(…)")
    }
}

impl Registrar {
    /// Starts the registrar of a home. It ends when this process does, however that ends.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn start(home: &Path) -> std::io::Result<Self> {
        let (own, theirs) = UnixStream::pair()?;
        let child = Command::new(std::env::current_exe()?)
            .arg("registrar")
            .arg("--home")
            .arg(home)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // Ctrl-C is for the server, which then has a few requests to see through.
            .process_group(0)
            .spawn()?;
        own.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        own.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let from = BufReader::new(own.try_clone()?);
        Ok(Self { line: Mutex::new(Line { to: own, from }), child: Mutex::new(child) })
    }

    fn ask(&self, asked: &Asked, package: Option<&Package>) -> Result<Reply, WireError> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = line.ask(asked, package);
        if let Err(error) = &reply {
            // What comes next would be heard from the middle of this; and whoever waits in vain shall not wait again.
            tracing::error!(%error, "the registrar answers no more: restart to register models and renew certificates");
            let _ = line.to.shutdown(std::net::Shutdown::Both);
        }
        match reply? {
            Reply::Refused(why) => Err(WireError::Refused(why)),
            reply => Ok(reply),
        }
    }

    /// The configuration as it is now.
    ///
    /// # Errors
    /// If the registrar has ended, or cannot read it.
    pub fn configuration(&self) -> Result<String, String> {
        match self.ask(&Asked::Configuration, None).map_err(|error| error.to_string())? {
            Reply::Configuration(text) => Ok(text),
            _ => Err(WireError::Unexpected.to_string()),
        }
    }

    /// The server's certificate by the home's authority, renewed if that is due.
    ///
    /// # Errors
    /// If the registrar has ended, or cannot issue one.
    pub fn server_identity(&self) -> Result<ServerIdentity, Failure> {
        let unreadable = |_| Failure::new(WireError::Unexpected.to_string());
        let told = |error: WireError| match error {
            WireError::Refused(Refusal { why, hint }) => Failure { hint, ..Failure::new(why) },
            other => Failure::new(other.to_string()),
        };
        match self.ask(&Asked::Identity, None).map_err(told)? {
            Reply::Identity(Identity { chain, key, expires, lone }) => Ok(ServerIdentity {
                chain: chain.into_iter().map(|der| CertificateDer::from(der.0)).collect(),
                key: PrivateKeyDer::try_from(key.0).map_err(unreadable)?,
                expires: Timestamp::from_micros(expires),
                lone: match lone {
                    None => None,
                    Some((certificate, key)) => Some(LoneIdentity {
                        certificate: CertificateDer::from(certificate.0),
                        key: PrivateKeyDer::try_from(key.0).map_err(unreadable)?,
                    }),
                },
            }),
            _ => Err(Failure::new(WireError::Unexpected.to_string())),
        }
    }
}

impl Keeper for Registrar {
    fn keep(&self, package: &Package) -> Result<PackageDigest, String> {
        let asked = Asked::Keep(wire::Listed::of(package));
        match self.ask(&asked, Some(package)).map_err(|error| error.to_string())? {
            Reply::Kept(digest) => Ok(digest),
            _ => Err(WireError::Unexpected.to_string()),
        }
    }

    fn publish(&self, package: PackageDigest, intent: Option<u64>) -> Result<(), String> {
        let intent = intent.ok_or("there is no intent to register a package")?;
        match self.ask(&Asked::Publish { package, intent }, None).map_err(|error| error.to_string())? {
            Reply::Done => Ok(()),
            _ => Err(WireError::Unexpected.to_string()),
        }
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        let line = self.line.get_mut().unwrap_or_else(PoisonError::into_inner);
        // The end of the line is what it waits for.
        let _ = line.to.shutdown(std::net::Shutdown::Both);
        let _ = self.child.get_mut().unwrap_or_else(PoisonError::into_inner).wait();
    }
}
