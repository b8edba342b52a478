//! Writes a log of some entries, for verifiers of other people to check. Prints its key.
//!
//! ```sh
//! vkey=$(cargo run -p mantlet-audit --example write_log -- /tmp/log 70000)
//! GO111MODULE=off GOPATH=/usr/share/gocode go run conformance/sumdb/main.go /tmp/log "$vkey"
//! ```

use std::{path::PathBuf, process::ExitCode};

use mantlet_audit::{Log, Options, SigningKey};
use mantlet_types::{
    Action, Entry, RequestId, Timestamp,
    entry::{Decision, Event, Token},
};

/// Entries in flight; fewer than the queue takes.
const WINDOW: usize = 2_048;

fn write(dir: PathBuf, entries: u64) -> Result<String, Box<dyn std::error::Error>> {
    let key = SigningKey::from_seed("log.example/node-1", &SigningKey::generate_seed()?)?;
    let (log, _) = Log::open(Options::new(dir, "node-1".parse()?, key))?;
    let mut waiting = Vec::with_capacity(WINDOW);
    for number in 0..entries {
        let mut entry = Entry::new(Event::Inference, "node-1".parse()?);
        entry.action = Some(Action::Predict);
        entry.decision = Some(Decision::Allow);
        entry.model = Some("breast-cancer".parse()?);
        entry.policy_ids = vec![Token::of("P13_consumer")];
        entry.principal = Some("consumer:fraud-app".parse()?);
        entry.request_id = Some(RequestId::new(Timestamp::from_micros(0), [number.to_be_bytes()[7]; 10]));
        entry.latency_us = Some(number);
        waiting.push(log.append(entry));
        if waiting.len() == WINDOW {
            waiting.drain(..).try_for_each(|acknowledgement| acknowledgement.wait().map(drop))?;
        }
    }
    waiting.drain(..).try_for_each(|acknowledgement| acknowledgement.wait().map(drop))?;
    log.close();
    Ok(log.verifier().to_string())
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for scripts")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(Ok(entries))) = (arguments.next(), arguments.next().map(|number| number.parse()))
    else {
        eprintln!("usage: write_log DIR ENTRIES");
        return ExitCode::from(2);
    };
    match write(dir.into(), entries) {
        Ok(vkey) => {
            println!("{vkey}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
