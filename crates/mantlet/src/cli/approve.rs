//! `mantlet approve`: what waits for a second person; looked at, signed, and verified afterwards.
//!
//! Approving is signing: the statement that the server would accept is fetched, held against what was asked for, signed by
//! the key of the person's own certificate where it lies, and sent. The key goes nowhere.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::Method;
use mantlet_gate::approvals::{Approval, Item, Kind, SignedApproval, Statement, signed_bytes};
use rustls::{RootCertStore, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use serde_json::{Value, json};

use super::{args::ApproveCommand, exit::Failure, identity::Identity, print, session::Session};

/// What a file of approvals may have: as many as a home keeps.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Runs the commands that ask a server.
pub async fn run(session: &Session, command: ApproveCommand, as_json: bool) -> Result<(), Failure> {
    match command {
        ApproveCommand::List => list(session, as_json).await,
        ApproveCommand::Show { item } => {
            let item = named(session, &item).await?;
            show(&session.call(Method::GET, &path(&item), None).await?, as_json)
        }
        ApproveCommand::Sign { item } => {
            let item = named(session, &item).await?;
            let reply = sign(session, &item).await?;
            if as_json {
                return print::json(&reply);
            }
            print::line(format!("approved {item}"))?;
            next(&reply);
            Ok(())
        }
        ApproveCommand::Export => {
            let reply = session.call(Method::GET, "/admin/v1/approvals/given", None).await?;
            reply["approvals"].as_array().into_iter().flatten().try_for_each(print::json)
        }
        ApproveCommand::Verify { file, ca } => verify(&file, &ca, as_json),
    }
}

/// What comes after an approval, if the server says so.
pub fn next(reply: &Value) {
    if let Some(next) = reply["next"].as_str() {
        print::note(format_args!("next, {next}"));
    }
}

async fn list(session: &Session, as_json: bool) -> Result<(), Failure> {
    let reply = session.call(Method::GET, "/admin/v1/approvals", None).await?;
    if as_json {
        return print::json(&reply);
    }
    running(&reply)?;
    let columns = ["kind", "target", "project", "what", "proposed_by", "approved_by", "expires", "you"];
    print::listing(&reply, "waiting", &columns, false)
}

/// Break-glass that is not over, before everything else.
pub fn running(reply: &Value) -> Result<(), Failure> {
    for running in reply["break_glass"].as_array().into_iter().flatten() {
        let cell = |member| print::cell(running, member);
        print::line(format!(
            "BREAK-GLASS: {} may stop models of {} and roll them back until {} ({}, approved by {})",
            cell("user"),
            cell("project"),
            cell("until"),
            cell("reason"),
            cell("approved_by")
        ))?;
    }
    Ok(())
}

fn show(reply: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print::json(reply);
    }
    let cell = |member| print::cell(reply, member);
    print::line(format!("{} {} in {}: {}", cell("kind"), cell("target"), cell("project"), cell("what")))?;
    print::line(format!("proposed by {}, void from {}", cell("proposed_by"), cell("expires")))?;
    print::line(format!("subject    {}", cell("subject")))?;
    if reply["statement"].is_string() {
        print::line(format!("statement  {}", cell("statement")))?;
    }
    for given in reply["approvals"].as_array().into_iter().flatten() {
        let counts = if given["counts"] == true { "counts" } else { "counts no more" };
        let how = if given["signed"].is_object() { "signed" } else { "unsigned (one-person home)" };
        print::line(format!("approved by {}: {how}, {counts}", print::cell(given, "approver")))?;
    }
    super::policy::changes(&reply["changes"])?;
    if reply["statement"].is_string() {
        print::note(format_args!("to approve it: mantlet --as DIR approve sign {}", cell("target")));
    }
    Ok(())
}

fn path(item: &Item) -> String {
    format!("/admin/v1/approvals/{}/{}", item.kind(), item.target())
}

/// The item that a person names by its number, or as `MODEL@VERSION`.
async fn named(session: &Session, text: &str) -> Result<Item, Failure> {
    if text.contains('@') {
        return Item::parse(Kind::Deployment, text).map_err(|error| Failure::new(error.to_string()));
    }
    let reply = session.call(Method::GET, "/admin/v1/approvals", None).await?;
    let kind = reply["waiting"].as_array().into_iter().flatten().find_map(|waits| {
        let kind: Kind = waits["kind"].as_str()?.parse().ok()?;
        (waits["target"] == text).then_some(kind)
    });
    let item = kind.and_then(|kind| Item::parse(kind, text).ok());
    item.ok_or_else(|| {
        Failure::no(format!("nothing that you may know of waits as `{text}`"))
            .hint("see `mantlet approve list`")
    })
}

/// Approves an item: signed where there is somebody to sign, and without a signature as the owner of a one-person home.
///
/// What cannot be shown is asked for all the same: the server says best why it is refused.
pub async fn sign(session: &Session, item: &Item) -> Result<Value, Failure> {
    let body = match session.identity() {
        None => json!({}),
        Some(identity) => {
            let shown = session.call(Method::GET, &path(item), None).await.unwrap_or_default();
            match shown["statement"].as_str() {
                Some(statement) => signed(identity, item, statement, &shown)?,
                None => json!({}),
            }
        }
    };
    session.call(Method::POST, &path(item), Some(&body)).await
}

/// Signs a statement, if it is about this item and about what was shown of it.
fn signed(identity: &Identity, item: &Item, statement: &str, shown: &Value) -> Result<Value, Failure> {
    let subject = shown["subject"].as_str().unwrap_or_default();
    let digest = mantlet_types::Sha256(sha256(subject.as_bytes()));
    let about = Statement::parse(statement).filter(|read| {
        *read.kind == *item.kind().as_str() && *read.target == *item.target() && read.digest == digest
    });
    if about.is_none() {
        return Err(Failure::new("the server's statement is not about this; nothing was signed"));
    }
    let Some((chain, key)) = identity.certificate()? else { return Ok(json!({})) };
    let certificate = chain.first().ok_or_else(|| Failure::new("there is no certificate to sign by"))?;
    let unusable = || Failure::new("the certificate's private key cannot be used to sign");
    let PrivateKeyDer::Pkcs8(key) = &key else { return Err(unusable()) };
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der())
        .map_err(|_| unusable())?;
    let signature = pair.sign(&SystemRandom::new(), &signed_bytes(statement)).map_err(|_| unusable())?;
    let approval = SignedApproval {
        statement: statement.into(),
        signature: BASE64.encode(signature).into(),
        certificate: BASE64.encode(certificate).into(),
    };
    serde_json::to_value(&approval).map_err(|error| Failure::new(error.to_string()))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut value = [0; 32];
    value.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    value
}

/// Verifies approvals, one JSON document a line, without a server: the signature, the certificate's issuer, and what the
/// digest is of. Exit 1 if one does not hold.
pub fn verify(file: &Path, ca: &Path, as_json: bool) -> Result<(), Failure> {
    let authority = authority(ca)?;
    let mut failed = 0;
    for line in text(file)?.lines().filter(|line| !line.trim().is_empty()) {
        let approval: Approval = serde_json::from_str(line)
            .map_err(|error| Failure::new(format!("`{}` holds no approval: {error}", file.display())))?;
        let held = approval.verify().map_err(|flaw| flaw.to_string()).and_then(|(statement, _)| {
            issued(&authority, &approval)?;
            Ok(statement)
        });
        failed += u32::from(held.is_err());
        said(&approval, &held, as_json)?;
    }
    if failed > 0 {
        return Err(Failure::no(format!("{failed} of the approvals do not hold")));
    }
    Ok(())
}

fn said(approval: &Approval, held: &Result<Statement, String>, as_json: bool) -> Result<(), Failure> {
    if as_json {
        let reason = held.as_ref().err();
        return print::json(&json!({
            "verdict": if reason.is_none() { "accept" } else { "reject" },
            "reason": reason,
            "given": approval.given,
            "statement": held.as_ref().ok(),
            "subject": approval.subject,
        }));
    }
    match held {
        Ok(Statement { approver, kind, target, .. }) => print::line(format!(
            "{approver} approved {kind} {target} at {}: {}",
            approval.given, approval.subject
        )),
        Err(why) => print::line(format!("does not hold: {why}")),
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::new(format!("cannot read `{}`: {error}", file.display()));
    let mut text = String::new();
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(fs::File::open(file).map_err(unreadable)?)
    };
    source.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

type Authority = Arc<dyn rustls::server::danger::ClientCertVerifier>;

fn authority(ca: &Path) -> Result<Authority, Failure> {
    let unusable = |error: &dyn std::fmt::Display| {
        Failure::new(format!("`{}` holds no certificate authority: {error}", ca.display()))
    };
    let pem = fs::read(ca).map_err(|error| unusable(&error))?;
    let root = CertificateDer::from_pem_slice(&pem).map_err(|error| unusable(&error))?;
    let mut roots = RootCertStore::empty();
    roots.add(root).map_err(|error| unusable(&error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    built.map_err(|error| unusable(&error))
}

/// Whether the authority issued the certificate, and for the moment at which the approval was given.
fn issued(authority: &Authority, approval: &Approval) -> Result<(), String> {
    let der = BASE64.decode(&*approval.certificate).map_err(|error| error.to_string())?;
    let seconds = u64::try_from(approval.given.micros().div_euclid(1_000_000)).unwrap_or(0);
    let given = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let verified = authority.verify_client_cert(&CertificateDer::from(der), &[], given);
    verified.map(drop).map_err(|error| format!("the certificate: {error}"))
}
