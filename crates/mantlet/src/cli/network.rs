//! `mantlet network …`: what the internet reaches. Needs no home and no server.

use mantlet_cloud::network::lines;

use super::{args::Network, exit::Failure, guard::lines::answer_bytes};

/// Answers each line of standard input.
pub fn run(command: &Network) -> Result<(), Failure> {
    match command {
        Network::Decide => answer_bytes(|line| {
            let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
            let answer = lines::answer(line);
            match answer.error {
                Some(error) => Err(error),
                None => Ok(answer),
            }
        }),
    }
}
