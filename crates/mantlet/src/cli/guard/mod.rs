//! `mantlet guard …`: the guard of language models, for shells and pipelines. Needs no home and no server.

mod bench;
mod figures;
pub(super) mod lines;
mod mutate;
mod prompt;
mod redact;
mod scan;

use super::{
    args::{Common, Guard},
    exit::Failure,
};

/// Runs one of the commands.
pub fn run(common: &Common, command: &Guard) -> Result<(), Failure> {
    match command {
        Guard::Scan(command) => scan::run(command),
        Guard::Redact => redact::run(),
        Guard::Bench(command) => bench::run(common.json, command),
        Guard::Prompt(command) => prompt::run(common.json, command),
    }
}
