//! `mantlet model sign` and `mantlet model verify`: work on files that are the user's own, without a home.

use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mantlet_models::{
    artifact::{
        Authority, Hashing, Identity, KeyError, Leniency, Progress, PublicKey, Report, SigningKey, TrustRoot,
        TrustedSigner, Verdict, sign_path, verify_path,
    },
    package::SIGNATURE_FILE,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    args::{Common, Sign, Verify},
    exit::Failure,
    print,
};
use crate::assemble::told;

/// Signs a directory or file.
pub fn sign(common: &Common, command: &Sign) -> Result<(), Failure> {
    let Sign { dir, hash, shard_size, .. } = command;
    let out = command.signature.clone().unwrap_or_else(|| beside(dir));
    let key = signing_key(command)?;
    let hashing = Hashing { hash: *hash, shard_bytes: *shard_size };
    let bar = Bar::new(common);
    let signed = sign_path(dir, &key, hashing, &out, &bar);
    bar.0.finish_and_clear();
    signed.map_err(|error| told(&error, error.hint()))?;
    if common.json {
        return print::json(&json!({ "package": dir, "signature": out }));
    }
    print::line(format!("signed {} in {}", dir.display(), out.display()))
}

fn signing_key(command: &Sign) -> Result<SigningKey, Failure> {
    let pem = Zeroizing::new(read(&command.key)?);
    let key = match &command.passphrase_file {
        Some(path) => {
            let passphrase = Zeroizing::new(read(path)?);
            // Editors end a file with a line's end, which nobody types.
            SigningKey::from_encrypted_pem(&pem, passphrase.trim_end_matches(['\r', '\n']).as_bytes())
        }
        None => SigningKey::from_pem(&pem),
    };
    let key = key.map_err(|error| in_file(&command.key, &error))?;
    match &command.certificate {
        Some(path) => key.with_certificates(&read(path)?).map_err(|error| in_file(path, &error)),
        None => Ok(key),
    }
}

/// Exit 0 if the signature holds, 1 if not, 2 if there is nothing to answer about.
pub fn verify(common: &Common, command: &Verify) -> Result<(), Failure> {
    let signature = command.signature.clone().unwrap_or_else(|| beside(&command.dir));
    let leniency =
        Leniency { unsigned_files: command.ignore_unsigned_files, symlinks: command.allow_symlinks };
    let report = match trusted(command)? {
        Ok(trusted) => {
            let bar = Bar::new(common);
            let report = verify_path(&command.dir, &signature, &trusted, leniency, &bar);
            bar.0.finish_and_clear();
            report.map_err(|error| told(&error, None))?
        }
        Err(report) => report,
    };
    if common.json {
        print::json(&report)?;
    } else if report.verdict == Verdict::Accept {
        print::line(format!("{} is what was signed", command.dir.display()))?;
        for name in &report.uncovered {
            print::line(format!("not covered by the signature: {name}"))?;
        }
    }
    match report.verdict {
        Verdict::Accept => Ok(()),
        Verdict::Reject => Err(Failure { hint: report.hint, ..Failure::no(report.reason) }),
    }
}

/// What is trusted; or the answer no, where it is a key of a kind that signs no models.
fn trusted(command: &Verify) -> Result<Result<Vec<TrustedSigner>, Report>, Failure> {
    let mut trusted = Vec::new();
    for path in &command.public_key {
        match PublicKey::from_pem(&read(path)?) {
            Ok(key) => trusted.push(key.into()),
            Err(error @ KeyError::Unsupported) => {
                return Ok(Err(Report::no(format!("`{}`: {error}", path.display()), error.hint())));
            }
            Err(error) => return Err(in_file(path, &error)),
        }
    }
    for path in &command.trusted_ca {
        let authorities = Authority::from_pem(&read(path)?).map_err(|error| in_file(path, &error))?;
        trusted.extend(authorities.into_iter().map(TrustedSigner::Authority));
    }
    if let Verify { trust_root: Some(path), account: Some(account), provider: Some(provider), .. } = command {
        let root = TrustRoot::from_json(read(path)?.as_bytes())
            .map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
        let (identity, issuer) = (account.clone(), provider.clone());
        trusted.push(TrustedSigner::Identity(Box::new(Identity { identity, issuer, root })));
    }
    Ok(Ok(trusted))
}

/// Where a signature is if nobody says: in the directory, or beside the file.
fn beside(path: &Path) -> PathBuf {
    if path.is_file() {
        let mut name = path.as_os_str().to_owned();
        name.push(".sig");
        return name.into();
    }
    path.join(SIGNATURE_FILE)
}

pub(super) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))
}

fn in_file(path: &Path, error: &KeyError) -> Failure {
    told(&format!("`{}`: {error}", path.display()), error.hint())
}

/// How far hashing is, on a terminal; nothing where a program reads.
struct Bar(ProgressBar);

impl Bar {
    fn new(common: &Common) -> Self {
        if common.json || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

impl Progress for Bar {
    fn found(&self, bytes: u64) {
        self.0.inc_length(bytes);
    }

    fn hashed(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}
