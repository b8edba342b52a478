//! `mantlet model import`: a model from elsewhere becomes a directory of files, and nothing else happens to it.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use http::Method;
use mantlet_gate::ports::Clock;
use mantlet_models::package::{MODEL_FILE, SETTINGS_FILE, SIGNATURE_FILE, read_tree};
use mantlet_scan::{Limits, Verdict, scan_files};
use mantlet_types::Sha256;
use serde_json::json;

use super::{
    args::{Common, Import, Outside},
    bucket,
    exit::Failure,
    files::write_anew,
    print,
};
use crate::{
    assemble::told,
    bucket::Place,
    import::{Files, IMPORT_BYTES_MAX, fetch, unpack::unpack},
    ledger::SystemClock,
};

/// Where a model comes from.
enum Source {
    Url(String),
    Object(Place),
    Directory(PathBuf),
    File(PathBuf),
}

impl Source {
    fn parse(text: &str) -> Result<Self, Failure> {
        if Place::is_one(text) {
            let place = Place::parse(text).map_err(|error| Failure::new(error.to_string()))?;
            return Ok(Self::Object(place));
        }
        if text.contains("://") {
            return Ok(Self::Url(text.to_owned()));
        }
        let path = PathBuf::from(text);
        match path.metadata() {
            Ok(found) if found.is_dir() => Ok(Self::Directory(path)),
            Ok(found) if found.is_file() => Ok(Self::File(path)),
            Ok(_) => Err(Failure::new(format!("`{text}` is neither a file nor a directory"))),
            Err(error) => Err(Failure::new(format!("cannot read `{text}`: {error}"))),
        }
    }

    /// What a file from there is called, and a directory for its files without the archive's endings.
    fn name(&self) -> String {
        let name = match self {
            Self::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or_default();
                path.rsplit('/').next().unwrap_or_default().to_owned()
            }
            Self::Object(place) => place.name().to_owned(),
            Self::Directory(path) | Self::File(path) => {
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let name: String = name.chars().take(100).map(plain).collect();
        if name.is_empty() || name.starts_with('.') { "model".to_owned() } else { name }
    }

    fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Url(_) | Self::Object(_))
    }
}

/// What may be asked on the way out.
pub(super) fn way(outside: &Outside, redirects: Vec<String>) -> Result<fetch::Way, Failure> {
    let ca = outside.ca.as_ref().map(|path| {
        fs::read(path).map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))
    });
    Ok(fetch::Way { ca: ca.transpose()?, networks: outside.networks.clone(), redirects })
}

/// What went wrong on the way out, with advice.
pub(super) fn unreachable(error: &fetch::FetchError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        fetch::FetchError::Redirect { to, .. } => failure.hint(format!(
            "if that is where the file should come from: --redirect {to}; its digest is checked in any case"
        )),
        fetch::FetchError::Egress(crate::egress::EgressError::Refused(_)) => {
            failure.hint("name the network that it is in with --network CIDR")
        }
        _ => failure,
    }
}

/// Brings a model in.
pub async fn run(common: &Common, command: Import) -> Result<(), Failure> {
    let Import { source, sha256, out, redirects, outside } = command;
    let source = Source::parse(&source)?;
    if source.is_elsewhere() && sha256.is_none() {
        return Err(Failure::new("what comes from elsewhere is taken in by its digest").hint(
            "give --sha256 with the digest that whoever published it names, and not one of what arrived",
        ));
    }
    let name = source.name();
    let out = out.unwrap_or_else(|| PathBuf::from(stem(&name)));
    if out.symlink_metadata().is_ok() {
        return Err(Failure::new(format!("`{}` is there already", out.display()))
            .hint("name a directory to be made with --out DIR; nothing is overwritten"));
    }
    let (files, digest) = match &source {
        Source::Directory(path) => {
            if sha256.is_some() {
                return Err(Failure::new("a directory has no digest")
                    .hint("verify its signature instead: mantlet model verify DIR --public-key PEM"));
            }
            let files =
                read_tree(path, IMPORT_BYTES_MAX as u64).map_err(|error| told(&error, error.hint()))?;
            (files, None)
        }
        Source::File(path) => pinned(read(path)?, sha256, &name)?,
        Source::Url(url) => {
            let fetched = fetch::get(url, &way(&outside, redirects)?).await;
            pinned(fetched.map_err(|error| unreachable(&error))?.into(), sha256, &name)?
        }
        Source::Object(place) => {
            let (service, now) = (bucket::of(place, outside.endpoint.as_deref())?, SystemClock.now());
            let seconds =
                service.seconds(bucket::TRANSFER_SECONDS, now).map_err(|error| bucket::unusable(&error))?;
            let url = service.presign(&Method::GET, place, now, seconds);
            let url = url.map_err(|error| bucket::unusable(&error))?;
            let fetched = fetch::get(&url, &way(&outside, redirects)?).await;
            pinned(fetched.map_err(|error| unreachable(&error))?.into(), sha256, &name)?
        }
    };
    let verdict = judge(&files)?;
    let named = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    write_anew(named, &out)
        .map_err(|error| Failure::new(format!("cannot write to `{}`: {error}", out.display())))?;
    let bytes: usize = files.values().map(Vec::len).sum();
    let is_package = files.contains_key(MODEL_FILE) && files.contains_key(SETTINGS_FILE);
    if common.json {
        let names: Vec<&String> = files.keys().collect();
        return print::json(&json!({
            "out": out, "sha256": digest, "files": names, "bytes": bytes, "package": is_package, "verdict": verdict,
        }));
    }
    print::line(format!("wrote {} files with {bytes} bytes to {}", files.len(), out.display()))?;
    let dir = out.display();
    let next = match (is_package, files.contains_key(SIGNATURE_FILE), files.contains_key(MODEL_FILE)) {
        (true, true, _) => {
            format!("next: mantlet model verify {dir} --public-key PEM, then mantlet model add {dir}")
        }
        (true, false, _) => format!("next: mantlet model sign {dir} --key PEM, once you answer for it"),
        (false, _, true) => {
            format!("next: write {dir}/{SETTINGS_FILE}, then mantlet model profile and sign it")
        }
        (false, _, false) => {
            format!("there is no {MODEL_FILE} in it: docs/how-to/convert-to-onnx.md says how to make one")
        }
    };
    print::note(format_args!("{next}"));
    Ok(())
}

/// Scans what is about to be written. What is not understood is not written either: whoever opens it will not ask again.
fn judge(files: &Files) -> Result<Verdict, Failure> {
    let listed: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let report = scan_files(&listed, &Limits::default());
    let what = match report.verdict {
        Verdict::Safe => return Ok(report.verdict),
        Verdict::Unknown => "not all of it is understood",
        Verdict::Unsafe => "it is not safe to open",
    };
    let first = report.findings.first();
    let why = first.map_or_else(String::new, |finding| {
        let member = finding.member.as_deref().unwrap_or("the file");
        format!(": {member}: {} ({})", finding.why, finding.rule)
    });
    Err(Failure::no(format!("{what}{why}"))
        .hint("nothing was written; ask for ONNX instead, or convert it where it was trained: docs/how-to/convert-to-onnx.md"))
}

/// Files out of bytes that are what their user has pinned.
fn pinned(bytes: Vec<u8>, sha256: Option<Sha256>, name: &str) -> Result<(Files, Option<Sha256>), Failure> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let digest = digest
        .as_ref()
        .try_into()
        .map(Sha256)
        .map_err(|_| Failure::new("the cryptographic provider failed"))?;
    if let Some(pinned) = sha256.filter(|pinned| *pinned != digest) {
        return Err(Failure::no(format!("the digest is {digest}, and not {pinned}"))
            .hint("nothing was written; ask whoever published it which of the two it is"));
    }
    let files = unpack(bytes, name).map_err(|error| Failure::no(error.to_string()))?;
    Ok((files, Some(digest)))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(IMPORT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > IMPORT_BYTES_MAX {
        return Err(Failure::no(format!("`{}` is larger than {IMPORT_BYTES_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

/// A name without the endings of archives.
fn stem(name: &str) -> &str {
    let endings = [".tar.gz", ".tgz", ".tar", ".zip", ".package", ".onnx"];
    endings
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .filter(|stem| !stem.is_empty())
        .unwrap_or(name)
}
