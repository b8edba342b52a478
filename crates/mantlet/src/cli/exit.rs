//! How a command ends: exit codes, and errors that say what, where and what to do.

use std::process::ExitCode;

use mantlet_types::Code;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What went wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Exit codes: scripts rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The answer is no.
    No = 1,
    /// Could not answer.
    Unable = 2,
    /// Not authenticated.
    Unauthenticated = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Failure {
    /// Could not answer.
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unable, message: message.into(), hint: None }
    }

    /// The answer is no.
    pub fn no(message: impl Into<String>) -> Self {
        Self { exit: Exit::No, ..Self::new(message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What a server's status means for a script: it said no, it does not know us, or it could not say.
    #[must_use]
    pub fn of_status(status: u16, message: impl Into<String>) -> Self {
        let exit = match status {
            401 => Exit::Unauthenticated,
            403 | 404 | 409 => Exit::No,
            _ => Exit::Unable,
        };
        Self { exit, ..Self::new(message) }
    }

    /// Prints to standard error and gives the exit code.
    #[expect(clippy::print_stderr, reason = "the one place that tells a person about a failure")]
    pub fn report(&self) -> ExitCode {
        // A server's words may be anything.
        let plain = |text| super::print::plain(text, &['\n', '\t']);
        eprintln!("error: {}", plain(&self.message));
        if let Some(hint) = self.hint.as_deref() {
            eprintln!("hint: {}", plain(hint));
        }
        self.exit.into()
    }
}

impl From<mantlet_types::Rejection> for Failure {
    fn from(rejection: mantlet_types::Rejection) -> Self {
        let message = match (&rejection.cause, rejection.code) {
            (Some(cause), Code::Unavailable) => cause.to_string(),
            _ => rejection.to_string(),
        };
        Self::of_status(rejection.code.http(), message)
    }
}
