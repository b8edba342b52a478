//! The command line: every command forms a request for one of the doors, or works on files that are its user's own.

mod advice;
pub mod approve;
pub mod args;
pub mod attach;
pub mod audit;
pub mod break_glass;
pub mod bucket;
pub mod collect;
pub mod config;
pub mod consumer;
pub mod env;
pub mod evaluate;
pub mod exit;
pub mod explain;
pub mod files;
pub mod guard;
pub mod iam;
pub mod identity;
pub mod import;
pub mod init;
pub mod inspect;
pub mod key;
pub mod model;
pub mod network;
pub mod policy;
pub mod predict;
pub mod print;
pub mod reference;
pub mod release;
pub mod report;
pub mod review;
pub mod role;
pub mod root;
pub mod scan;
pub mod secret;
pub mod serve;
pub mod session;
pub mod share;
pub mod signing;
pub mod transport;
pub mod update;
pub mod user;
pub mod watch;

use std::process::ExitCode;

use clap::Parser;

use self::{
    args::{Cli, Command, Common},
    exit::Failure,
    session::Session,
};
use crate::config::Overlay;

/// What the environment says of the configuration.
#[must_use]
pub fn overlay() -> Overlay {
    Overlay::from_env(|name| std::env::var(name).ok())
}

/// Runs one command to its end.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { command, common } = Cli::parse();
    // Before there is a second thread: what a thread gives up, only those that it starts later give up with it.
    let ready = match &command {
        Command::Serve(command) => match serve::prepare(&common, command) {
            Ok(ready) => Some(ready),
            Err(failure) => return failure.report(),
        },
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(&common, command, ready)),
        Err(error) => Err(Failure::new(format!("cannot start: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Threads that serve requests: all cores but one, which the log's writer and the pool of larger models then find free.
/// What these threads do for a request takes microseconds; as many of them as cores would mostly wake each other.
fn workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).max(1)
}

async fn dispatch(common: &Common, command: Command, ready: Option<serve::Ready>) -> Result<(), Failure> {
    match command {
        Command::Init(command) => init::run(common, command).await,
        Command::Serve(_) => match ready {
            Some(ready) => serve::run(common, ready).await,
            None => Err(Failure::new("there is no home to serve")),
        },
        Command::Registrar { work: true } => crate::registrar::work(common).await,
        Command::Registrar { work: false } => crate::registrar::watch(common).await,
        Command::Predict(command) => predict::run(common, command).await,
        Command::Explain(command) => explain::run(common, command).await,
        Command::Evaluate(command) => evaluate::run(common, command).await,
        Command::Key(command) => {
            with_session(common, async |session| key::run(session, command, common.json).await).await
        }
        Command::Approve(args::ApproveCommand::Verify { file, ca }) => {
            approve::verify(&file, &ca, common.json)
        }
        Command::Approve(command) => {
            with_session(common, async |session| approve::run(session, command, common.json).await).await
        }
        Command::Policy(command) => {
            with_session(common, async |session| policy::run(session, command, common.json).await).await
        }
        Command::BreakGlass(command) => {
            with_session(common, async |session| break_glass::run(session, command, common.json).await).await
        }
        Command::Role(command) => {
            with_session(common, async |session| role::run(session, command, common.json).await).await
        }
        Command::Consumer(command) => {
            with_session(common, async |session| consumer::run(session, command, common.json).await).await
        }
        Command::Project(command) => {
            with_session(common, async |session| consumer::project(session, command, common.json).await).await
        }
        Command::User(command) => {
            with_session(common, async |session| user::run(session, command, common.json).await).await
        }
        Command::Model(command) => model::run(common, command).await,
        Command::Review(command) => review::run(common, command).await,
        Command::Guard(command) => guard::run(common, &command),
        Command::Watch(command) => watch::run(common, &command),
        Command::Iam(command) => iam::run(common.json, &command),
        Command::Network(command) => network::run(&command),
        Command::Secret(command) => {
            with_session(common, async |session| secret::run(session, command, common.json).await).await
        }
        Command::Audit(command) => audit::run(common, command).await,
        Command::Root(command) => root::run(common, command).await,
        Command::Env(command) => env::run(common, &command),
        Command::Config(command) => config::run(common, command).await,
        Command::Version => reference::version(common.json),
        Command::Completions { shell } => reference::completions(shell),
        Command::Man { out } => reference::man(out.as_deref()),
    }
}

/// A session around some work, ended in good order however the work went.
pub async fn with_session(
    common: &Common,
    work: impl AsyncFnOnce(&Session) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let session = Session::open(common).await?;
    let outcome = work(&session).await;
    session.close().await;
    outcome
}
