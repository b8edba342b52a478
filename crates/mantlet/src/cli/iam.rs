//! `mantlet iam …`: what policies allow, decided over all requests. Needs no home and no server.

mod certificate;
mod check;

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use mantlet_cloud::iam::{
    data::Data,
    decide::diff::{Difference, diff},
    lines,
    policy::{self, Document, Use},
    prove::{Claim, Verdict, prove},
    request::{Policies, Principal, Request},
};
use serde_json::json;

use super::{
    args::{Attached, Iam, IamDiff, IamProve},
    exit::Failure,
    guard::lines::answer_bytes,
    print,
};

/// The longest file of policies: the service takes 20,480 characters of one.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Runs one of the commands.
pub fn run(json: bool, command: &Iam) -> Result<(), Failure> {
    match command {
        Iam::Decide => decide(),
        Iam::Prove(command) => proof(json, command),
        Iam::Diff(command) => difference(json, command),
        Iam::Check(command) => check::run(json, command),
    }
}

fn decide() -> Result<(), Failure> {
    let mut unknown: u64 = 0;
    answer_bytes(|line| {
        let answer = lines::answer(std::str::from_utf8(line).map_err(|error| error.to_string())?);
        unknown += u64::from(answer.why.is_some());
        Ok(answer)
    })?;
    if unknown > 0 {
        Err(Failure::new(format!("`{unknown}` questions could not be decided")))
    } else {
        Ok(())
    }
}

fn proof(json: bool, command: &IamProve) -> Result<(), Failure> {
    let read = attached(&command.attached)?;
    if let Some(path) = &command.replay {
        return certificate::replay(json, path, &read);
    }
    let text = command.claim.as_deref().unwrap_or_default();
    let claim = text.parse::<Claim>().map_err(|error| unclear(&error))?;
    let verdict = prove(&claim, &read.policies).map_err(|error| unclear(&error))?;
    let made = certificate::of(text, &read, &verdict);
    if let (Some(path), Some(made)) = (&command.certificate, &made) {
        let bytes = serde_json::to_vec_pretty(made).map_err(|error| Failure::new(error.to_string()))?;
        std::fs::write(path, bytes)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    if json {
        print::json(
            &json!({ "claim": text, "data_date": Data::embedded().date(), "verdict": verdict, "certificate": made }),
        )?;
    } else {
        told(&verdict)?;
    }
    match verdict {
        Verdict::Proved { .. } => Ok(()),
        Verdict::Refuted { .. } => Err(Failure::no("the claim does not hold")),
        Verdict::Unknown { why, .. } => Err(Failure::new(format!("could not be decided: {why}"))),
    }
}

fn unclear(error: &mantlet_cloud::iam::prove::NoClaim) -> Failure {
    Failure::new(error.to_string())
}

fn told(verdict: &Verdict) -> Result<(), Failure> {
    match verdict {
        Verdict::Proved { parts } => {
            print::line(format!("proved, with actions known on {}", Data::embedded().date()))?;
            parts.iter().try_for_each(|part| {
                print::line(format!(
                    "  {}: none of {} actions on {} ({} contexts, {} states)",
                    part.part,
                    part.actions.len(),
                    part.resource,
                    part.explored.contexts,
                    part.explored.states
                ))
            })
        }
        Verdict::Refuted { part, counterexample } => {
            print::line(format!("refuted ({part}): this request is allowed"))?;
            request(counterexample)
        }
        Verdict::Unknown { part, why } => print::line(format!("unknown ({part}): {why}")),
    }
}

fn request(request: &Request) -> Result<(), Failure> {
    print::line(format!("  {} on {}", request.action, request.resource))?;
    request
        .context
        .iter()
        .try_for_each(|(key, values)| print::line(format!("    {key} = {}", values.join(", "))))
}

fn difference(json: bool, command: &IamDiff) -> Result<(), Failure> {
    let side = |path: &PathBuf| -> Result<Policies, Failure> {
        Ok(Policies { identity: vec![document(path, Use::Identity)?.0], ..Policies::default() })
    };
    let difference = diff(&side(&command.old)?, &side(&command.new)?);
    let date = Data::embedded().date();
    let (verdict, more) = match &difference {
        Difference::NoMore(_) => ("no_more", &[][..]),
        Difference::More(more) => ("more", more.as_slice()),
        Difference::Unknown(_) => ("unknown", &[][..]),
    };
    if json {
        print::json(&json!({ "verdict": verdict, "newly_possible": more, "data_date": date }))?;
    } else {
        print::line(match verdict {
            "no_more" => "the new policy allows nothing that the old one does not",
            "more" => "newly possible:",
            _ => "unknown",
        })?;
        for newly in more {
            request(&newly.request)?;
            let others = newly.actions.iter().skip(1);
            others.into_iter().try_for_each(|action| print::line(format!("    and so is {action}")))?;
        }
    }
    match difference {
        Difference::NoMore(_) => Ok(()),
        Difference::More(_) => Err(Failure::no("the new policy allows more")),
        Difference::Unknown(reason) => Err(Failure::new(format!("could not be decided: {reason}"))),
    }
}

/// Policies with the digests of their files.
struct Read {
    policies: Policies,
    digests: Vec<(String, String)>,
}

fn attached(attached: &Attached) -> Result<Read, Failure> {
    let mut read = Read { policies: Policies::default(), digests: Vec::new() };
    let mut take = |path: &Path, put_to_use: Use, kind: &str| -> Result<Document, Failure> {
        let (document, digest) = document(path, put_to_use)?;
        read.digests.push((kind.to_owned(), digest));
        Ok(document)
    };
    for path in &attached.policies {
        read.policies.identity.push(take(path, Use::Identity, "identity")?);
    }
    if let Some(path) = &attached.boundary {
        read.policies.boundaries.push(take(path, Use::Identity, "boundary")?);
    }
    for path in &attached.service_controls {
        read.policies.service_controls.push(take(path, Use::Identity, "service_control")?);
    }
    if let Some(path) = &attached.resource_policy {
        read.policies.resource = Some(take(path, Use::Resource, "resource")?);
    }
    read.policies.principal = attached.principal.clone().map(Principal::Arn);
    Ok(read)
}

fn document(path: &Path, put_to_use: Use) -> Result<(Document, String), Failure> {
    let bytes = contents(path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Failure::new(format!("`{}` is no text: {error}", path.display())))?;
    let document = policy::read(text, put_to_use).map_err(|error| {
        Failure::new(format!("{}:{}:{}: {}", path.display(), error.place.line, error.place.column, error.why))
    })?;
    Ok((document, certificate::digest(&bytes)))
}

fn contents(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable =
        |why: &dyn std::fmt::Display| Failure::new(format!("cannot read `{}`: {why}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(&format!("more than `{FILE_BYTES_MAX}` bytes")));
    }
    Ok(bytes)
}
