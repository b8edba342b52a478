//! Developer chores. `cargo xtask test` is the one command that passes the tests; it does all its own set-up.
//!
//! Plain standard library: a chore that needs a build of its own before it can say what is missing helps nobody.

#![expect(clippy::print_stderr, reason = "a chore talks to the person at the terminal")]

mod environment;
mod steps;

use std::process::ExitCode;

const HELP: &str = "cargo xtask CHORE

  test        everything that must hold: unit, property and black-box tests, foreign clients and verifiers
  lint        formatting, clippy with warnings denied, documentation
  smoke       build the release binary and try the README's first command
  fuzz [T] [S]  run fuzz target T (default: all) for S seconds each (default: 30); needs nightly and cargo-fuzz
  mutate [S]    change kept inputs of every fuzz target at random for S seconds in all (default: 60); needs no more than Rust
  allow-list DATE  make the scanner's lists of names anew from the wheels in xtask/allow_list/*wheels.txt (1.3 GB download)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => steps::test(),
        ["lint"] => steps::lint(),
        ["smoke"] => steps::smoke(),
        ["allow-list", date] => steps::allow_list(date),
        ["fuzz", rest @ ..] => steps::fuzz(rest),
        ["mutate"] => steps::mutate("60"),
        ["mutate", seconds] => steps::mutate(seconds),
        _ => Err(HELP.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
