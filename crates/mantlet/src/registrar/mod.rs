//! The registrar: a small process that alone writes packages and the server's certificate, so that the process that
//! speaks to the world need not be able to.
//!
//! `serve` starts it before it has any thread and before it gives up the right to write. The two talk over a pair of
//! sockets that nobody else has; there is no listener. A request is a line of JSON of bounded length, with a package's
//! bytes behind it where there is one; a reply is a line of JSON. Requests come one at a time.
//!
//! What is asked for is checked here again ([`keeper`]): the serving process is the one that might be in somebody
//! else's hands. Since that process has given up starting others, another one ([`watch`]) starts the registrar, waits for its
//! end, and starts it again, some times.

mod keeper;
mod watch;
mod wire;

use std::{
    io::{BufReader, Write},
    os::{fd::OwnedFd, unix::net::UnixStream, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mantlet_models::{package::Package, register::Keeper, registry::PackageDigest};
use mantlet_types::Timestamp;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use self::{keeper::run as work, watch::run as watch};
use self::{
    watch::{News, hear},
    wire::{Asked, Identity, Refusal, Reply, WireError},
};
use crate::{
    cli::exit::Failure,
    home::{LoneIdentity, ServerIdentity},
};

/// How long an answer may take: that about the largest package, encrypted and on the disk.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);

/// How long the registrar may take to be started, and at the end to finish what it is at.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The registrar as the serving process knows it.
pub struct Registrar {
    /// None while there is no registrar.
    line: Mutex<Option<Line>>,
    /// To the process that starts it.
    control: UnixStream,
    child: Mutex<Child>,
    there: AtomicBool,
}

struct Line {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Line {
    fn over(socket: OwnedFd) -> std::io::Result<Self> {
        let to = UnixStream::from(socket);
        to.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        to.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { from: BufReader::new(to.try_clone()?), to })
    }

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
        let (control, theirs) = UnixStream::pair()?;
        let child = Command::new(std::env::current_exe()?)
            .arg("registrar")
            .arg("--home")
            .arg(home)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            // Ctrl-C is for the server, which then has a few requests to see through.
            .process_group(0)
            .spawn()?;
        control.set_read_timeout(Some(STEP_TIMEOUT))?;
        let line = match hear(&control)? {
            News::Started(socket) => Line::over(socket)?,
            News::Ended | News::GivenUp => return Err(std::io::ErrorKind::UnexpectedEof.into()),
        };
        control.set_read_timeout(None)?;
        let (line, child) = (Mutex::new(Some(line)), Mutex::new(child));
        Ok(Self { line, control, child, there: AtomicBool::new(true) })
    }

    /// From now on, a thread of its own hears whether the registrar is there, and takes the line to another one that was started
    /// in its place. Only once this process is confined: a thread that was there before would not be.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn attend(self: &Arc<Self>) -> std::io::Result<()> {
        let control = self.control.try_clone()?;
        let registrar = Arc::downgrade(self);
        std::thread::Builder::new().name("registrar".to_owned()).spawn(move || {
            loop {
                let news = hear(&control);
                let Some(registrar) = registrar.upgrade() else { return };
                if !registrar.learn(news) {
                    return;
                }
            }
        })?;
        Ok(())
    }

    /// Whether there may be more news.
    fn learn(&self, news: std::io::Result<News>) -> bool {
        let (line, goes_on) = match news {
            Ok(News::Started(socket)) => (Line::over(socket).ok(), true),
            Ok(News::Ended) => {
                tracing::error!("the registrar has ended, and is started again");
                (None, true)
            }
            Ok(News::GivenUp) | Err(_) => {
                tracing::error!(
                    "the registrar has ended for good: restart to register models and renew certificates"
                );
                (None, false)
            }
        };
        let there = line.is_some();
        *self.line() = line;
        if there && !self.there.swap(there, Ordering::AcqRel) {
            tracing::info!("the registrar is there again");
        }
        self.there.store(there, Ordering::Release);
        goes_on
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Option<Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, asked: &Asked, package: Option<&Package>) -> Result<Reply, WireError> {
        let mut line = self.line();
        let reply = line.as_mut().ok_or(WireError::Ended)?.ask(asked, package);
        if let Err(error) = &reply {
            // What comes next would be heard from the middle of this. The registrar ends with its line, and comes again.
            tracing::error!(%error, "the registrar does not answer");
            if let Some(line) = line.take() {
                let _ = line.to.shutdown(std::net::Shutdown::Both);
            }
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
    fn is_there(&self) -> bool {
        self.there.load(Ordering::Acquire)
    }

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
        // The end of the lines is what they wait for.
        let line = self.line.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = line.take() {
            let _ = line.to.shutdown(std::net::Shutdown::Both);
        }
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        // INVARIANT (bounded-end): whoever stops the server does not wait for a disk that has stopped answering. What the registrar
        // is at is whole or not there, whenever it ends.
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + STEP_TIMEOUT;
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                tracing::warn!("the registrar is at something that takes too long");
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
