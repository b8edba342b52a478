//! Certificates of proofs: which claim was proved of which policies, with which data, and how much was looked at. Whoever
//! has the same policies can have it proved again and compare.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest as hash};
use mantlet_cloud::iam::{
    data::Data,
    prove::{Claim, Proved, Verdict, prove},
};
use serde_json::{Value, json};

use super::{
    super::{exit::Failure, print},
    Read, contents,
};

/// The SHA-256 of some bytes, hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    hash(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The certificate of a proof; there is none of anything else.
pub(super) fn of(claim: &str, read: &Read, verdict: &Verdict) -> Option<Value> {
    let Verdict::Proved { parts } = verdict else { return None };
    Some(json!({
        "format": "mantlet-iam-proof/1",
        "claim": claim,
        "version": env!("CARGO_PKG_VERSION"),
        "data_date": Data::embedded().date(),
        "principal": read.policies.principal.as_ref().and_then(|principal| principal.role()),
        "policies": read.digests.iter().map(|(kind, sha256)| json!({ "kind": kind, "sha256": sha256 })).collect::<Vec<_>>(),
        "parts": parts.iter().map(part).collect::<Vec<_>>(),
    }))
}

fn part(part: &Proved) -> Value {
    json!({ "part": part.part, "actions": part.actions, "resource": part.resource, "explored": part.explored })
}

/// Proves again what a certificate says, of the policies at hand.
pub(super) fn replay(json: bool, path: &Path, read: &Read) -> Result<(), Failure> {
    let bytes = contents(path)?;
    let unreadable = || Failure::new(format!("`{}` is no certificate of a proof", path.display()));
    let kept: Value = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
    let claim = kept["claim"].as_str().ok_or_else(unreadable)?;
    let parsed: Claim = claim.parse().map_err(|_| unreadable())?;
    let verdict = prove(&parsed, &read.policies).map_err(|_| unreadable())?;
    let made = of(claim, read, &verdict);
    let differs = match &made {
        None => Some("claim"),
        Some(made) => ["format", "data_date", "principal", "policies", "parts"]
            .into_iter()
            .find(|it| made[it] != kept[it]),
    };
    if json {
        print::json(&json!({ "claim": claim, "replayed": differs.is_none(), "differs": differs }))?;
    }
    match differs {
        None if json => Ok(()),
        None => print::line(format!("proved again: {claim}")),
        Some("claim") => Err(Failure::no("of these policies the claim does not hold")),
        Some(what) => Err(Failure::no(format!("the certificate is of other `{what}`"))),
    }
}
