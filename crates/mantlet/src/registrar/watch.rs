//! The process that starts the registrar, waits for its end, and starts it again.
//!
//! It has nothing but a socket to the serving process, from which it reads nothing but the end: there is nothing that could be
//! asked of it. Each registrar gets a line of its own, since what a former one left unread would be taken for something else;
//! the other end of it goes to the serving process over the socket (`unix(7)`, `SCM_RIGHTS`).

use std::{
    io::{self, IoSlice, IoSliceMut, Read},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{args::Common, exit::Failure, session};

/// How often the registrar is started again. One that ends more often has a reason that will not go away by itself.
const RESTARTS_MAX: u32 = 5;

/// Before it is started again for the first time; twice as long each time after that.
const PAUSE: Duration = Duration::from_millis(200);

/// What the serving process is told.
#[derive(Debug)]
pub(super) enum News {
    /// A registrar was started; this is the line to it.
    Started(OwnedFd),
    /// It has ended, and another is started.
    Ended,
    /// None is started any more, or nobody is there to do so.
    GivenUp,
}

const STARTED: u8 = b'+';
const ENDED: u8 = b'-';

/// Waits for what comes next.
pub(super) fn hear(control: &UnixStream) -> io::Result<News> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match recvmsg(control.as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    let socket = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    Ok(match (received.bytes, byte, socket) {
        (1, [STARTED], Some(socket)) => News::Started(socket),
        (1, [ENDED], None) => News::Ended,
        _ => News::GivenUp,
    })
}

fn tell(control: &UnixStream, byte: u8, socket: Option<&UnixStream>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let sockets: Vec<_> = socket.iter().map(|socket| socket.as_fd()).collect();
    if !sockets.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(control.as_fd(), &[IoSlice::new(&[byte])], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Whether the serving process has gone, waiting so long for that.
fn has_gone(control: &mut UnixStream, wait: Duration) -> io::Result<bool> {
    control.set_read_timeout(Some(wait))?;
    match control.read(&mut [0]) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Ok(false)
        }
        // It has nothing to say.
        read => read.map(|_| true),
    }
}

/// Starts the registrar, and starts it again, until the serving process at the other end of standard input has gone.
///
/// # Errors
/// If there is no serving process, or no registrar can be started.
pub async fn run(common: &Common) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(error.to_string());
    let home = session::home(common)?;
    let control = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from).map_err(failed)?;
    // Who runs this by hand has no serving process there.
    control.peer_addr().map_err(|_| Failure::new("the registrar is started by `mantlet serve`"))?;
    // Signals are for the server: what ends this process is the end of its line.
    let _unheard = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    let dir = home.dir().to_owned();
    let watching = tokio::task::spawn_blocking(move || watch(control, &dir));
    watching.await.map_err(|error| Failure::new(error.to_string()))?.map_err(failed)
}

fn watch(mut control: UnixStream, home: &Path) -> io::Result<()> {
    for time in 0..=RESTARTS_MAX {
        let (ours, theirs) = UnixStream::pair()?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("registrar")
            .arg("--work")
            .arg("--home")
            .arg(home)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        let told = tell(&control, STARTED, Some(&ours));
        // Only the serving process has the other end from here on: with it, the registrar ends.
        drop(ours);
        child.wait()?;
        if told.is_err() || has_gone(&mut control, Duration::from_millis(1))? {
            return Ok(());
        }
        if time < RESTARTS_MAX {
            tell(&control, ENDED, None)?;
            if has_gone(&mut control, PAUSE * 2_u32.saturating_pow(time))? {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_over_the_socket_and_its_end_is_heard() {
        let (here, there) = UnixStream::pair().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        tell(&there, STARTED, Some(&ours)).unwrap();
        drop(ours);
        let News::Started(line) = hear(&here).unwrap() else { panic!("no line") };
        io::Write::write_all(&mut UnixStream::from(line), b"x").unwrap();
        let mut said = String::new();
        theirs.read_to_string(&mut said).unwrap();
        assert_eq!(said, "x", "nobody else has an end of it");
        tell(&there, ENDED, None).unwrap();
        assert!(matches!(hear(&here).unwrap(), News::Ended));
        // A line that does not come is none.
        tell(&there, STARTED, None).unwrap();
        assert!(matches!(hear(&here).unwrap(), News::GivenUp));
        drop(there);
        assert!(matches!(hear(&here).unwrap(), News::GivenUp));
    }

    #[test]
    fn whether_the_server_has_gone_is_asked_for_no_longer_than_said() {
        let (here, mut there) = UnixStream::pair().unwrap();
        assert!(!has_gone(&mut there, Duration::from_millis(1)).unwrap());
        drop(here);
        assert!(has_gone(&mut there, Duration::from_secs(60)).unwrap());
    }
}
