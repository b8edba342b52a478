//! Separation of duties, signed: what a second person approves is what they signed, and nothing else.
//!
//! Statements are written, encoded and signed here by hand, from the documentation, so that the tests share nothing with
//! what they test.

use std::{
    fs,
    io::Write as _,
    process::{Output, Stdio},
};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

use crate::{
    promotion::Team as Deployers,
    support::{
        Home, Person, Reply, Server, mantlet,
        rows::{benign, question},
    },
};

const PREDICT: &str = "/v1/models/tumors/predict";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// alice operates, bob and sue oversee, ann and ben are about to get duties.
struct Team {
    // Before the home, which goes with everything in it.
    server: Server,
    home: Home,
    bob: Person,
}

impl Team {
    fn new() -> Self {
        let home = Home::init(&["--operator", "alice", "--security", "bob"]);
        let server = Server::start(&home);
        let bob = server.take_over(home.founder("bob"));
        for user in ["ann", "ben"] {
            server.take_over(home.invite(user));
        }
        Self { server, home, bob }
    }

    fn propose(&self, user: &str, role: &str) -> String {
        self.home.json(&["role", "assign", user, role])["grant"].to_string()
    }

    /// Runs a command as bob, who must be told this exit code.
    fn bob(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.server.command_as(&self.bob, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", printed(&output), said(&output));
        output
    }

    fn bob_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.bob(&[arguments, &["--json"]].concat(), 0).stdout).unwrap()
    }

    /// Sends bob's approval of a grant.
    fn send(&self, grant: &str, approval: &Value) -> Reply {
        self.server.client_as(&self.bob).post(&format!("/admin/v1/approvals/grant/{grant}"), approval)
    }

    fn applied(&self, grant: &str) -> Option<i32> {
        self.home.run(&["role", "apply", grant]).status.code()
    }
}

/// Signs a statement with somebody's certificate: `PAE(type, body)` of DSSE, then ECDSA on P-256 with SHA-256.
fn sign(person: &Person, statement: &str) -> Value {
    let kind = "application/vnd.mantlet.approval+json";
    let encoded = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
    let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_file(person.dir.join("certificate.key")).unwrap()
    else {
        panic!("the certificate's key is PKCS#8")
    };
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der()).unwrap();
    let signature = pair.sign(&SystemRandom::new(), encoded.as_bytes()).unwrap();
    let certificate = CertificateDer::from_pem_file(person.dir.join("certificate.pem")).unwrap();
    json!({
        "statement": statement,
        "signature": BASE64.encode(signature),
        "certificate": BASE64.encode(certificate),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

#[test]
fn an_approval_is_the_approver_s_own_signature_over_what_is_approved() {
    let team = Team::new();
    let (first, second) = (team.propose("ann", "ml_engineer"), team.propose("ben", "admin"));
    // What is to be signed is documented, and about what is shown.
    let shown = team.bob_json(&["approve", "show", &first]);
    let (subject, statement) = (shown["subject"].as_str().unwrap(), shown["statement"].as_str().unwrap());
    let expect = format!(
        r#"{{"approver":"bob","digest":"{}","expires":"{}","format":"mantlet.approval/1","kind":"grant","project":"home","target":"{first}"}}"#,
        sha256(subject),
        shown["expires"].as_str().unwrap(),
    );
    assert_eq!(statement, expect);
    let subject: Value = serde_json::from_str(subject).unwrap();
    assert_eq!(
        subject,
        json!({ "beneficiary": "ann", "kind": "grant", "project": "home", "proposed_by": "alice", "role": "ml_engineer", "target": first })
    );
    let good = sign(&team.bob, statement);
    let refused = |what: &str, approval: &Value| {
        let reply = team.send(&first, approval);
        assert_eq!(reply.status, 403, "{what}: {}", reply.text());
        assert_eq!(team.applied(&first), Some(1), "{what}");
    };
    // Forged, or about something else.
    let mut forged = good.clone();
    forged["signature"] = sign(&team.bob, &statement.replace(&first, &second))["signature"].clone();
    refused("another statement's signature", &forged);
    refused("another target", &sign(&team.bob, &statement.replace(&first, &second)));
    let digest = statement.split('"').nth(7).unwrap();
    refused("another digest", &sign(&team.bob, &statement.replace(digest, &sha256("something else"))));
    refused("another person", &sign(&team.home.founder("alice"), statement));
    refused(
        "a name that is not the signer's",
        &sign(&team.home.founder("alice"), &statement.replace("bob", "alice")),
    );
    let ended = statement.replace(shown["expires"].as_str().unwrap(), "2026-01-01T00:00:00.000000Z");
    refused("an end that has passed", &sign(&team.bob, &ended));
    let endless = statement.replace(shown["expires"].as_str().unwrap(), "2099-01-01T00:00:00.000000Z");
    refused("an end that is too far", &sign(&team.bob, &endless));
    refused("nothing signed", &json!({}));
    assert_eq!(team.send(&first, &json!({ "statement": statement })).status, 400);
    // As it should be, and then for nothing else.
    let reply = team.send(&first, &good);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(team.send(&second, &good).status, 403);
    assert_eq!(team.applied(&second), Some(1));
    assert_eq!(team.applied(&first), Some(0));
    // The log names the statement by the beginning of its digest.
    let entry = team.home.entries_of(reply.request_id()).pop().unwrap();
    assert_eq!(entry["subject"], format!("grant/{first}/{}", &sha256(statement)[..32]));
}

#[test]
fn an_approval_falls_with_the_certificate_that_signed_it() {
    let team = Team::new();
    let grant = team.propose("ann", "ml_engineer");
    team.bob(&["approve", "sign", &grant], 0);
    let der = CertificateDer::from_pem_file(team.bob.dir.join("certificate.pem")).unwrap();
    let old = hex(digest::digest(&digest::SHA256, &der).as_ref());
    // Bob gets another certificate, and the one that signed is withdrawn.
    team.home.json(&["user", "certify", "bob", "--out", team.bob.dir.to_str().unwrap()]);
    team.home.json(&["user", "withdraw", "bob", &old]);
    assert_eq!(team.applied(&grant), Some(1));
    let shown = team.bob_json(&["approve", "show", &grant]);
    assert_eq!(shown["approvals"][0]["counts"], false, "{shown}");
    // Signed anew, it counts.
    team.bob(&["role", "approve", &grant], 0);
    assert_eq!(team.applied(&grant), Some(0));
}

#[test]
fn approvals_are_verified_without_the_server() {
    let team = Team::new();
    let grant = team.propose("ann", "ml_engineer");
    let listed = printed(&team.bob(&["approve", "list"], 0));
    assert!(listed.contains("bind ann as ml_engineer") && listed.contains("may_approve"), "{listed}");
    team.bob(&["approve", "sign", &grant], 0);
    assert_eq!(team.applied(&grant), Some(0));
    // It is used, and kept.
    let exported = printed(&team.bob(&["approve", "export"], 0));
    assert_eq!(exported.lines().count(), 1);
    let ca = team.home.path.join("ca.pem");
    let verify = |lines: &str| {
        let mut command = mantlet();
        command.args(["approve", "verify", "-", "--json", "--ca"]).arg(&ca);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), said)
    };
    let (code, verdict) = verify(&exported);
    assert_eq!((code, &verdict["verdict"]), (Some(0), &json!("accept")), "{verdict}");
    assert_eq!(
        (&verdict["statement"]["approver"], &verdict["statement"]["target"]),
        (&json!("bob"), &json!(grant))
    );
    for (what, tampered) in [
        ("the subject", exported.replace("ml_engineer", "ml_enginees")),
        ("the statement", exported.replace("\\\"approver\\\":\\\"bob", "\\\"approver\\\":\\\"bop")),
        ("the moment", exported.replace("\"given\":\"2", "\"given\":\"1")),
    ] {
        assert_ne!(tampered, exported, "{what}");
        let (code, verdict) = verify(&tampered);
        assert_eq!((code, &verdict["verdict"]), (Some(1), &json!("reject")), "{what}: {verdict}");
    }
    // Another home's authority issued nothing here.
    let other = Home::init(&["--operator", "alice", "--security", "bob"]);
    let file = team.home.beside("approvals.jsonl");
    fs::write(&file, &exported).unwrap();
    let output = mantlet()
        .args(["approve", "verify", file.to_str().unwrap(), "--ca"])
        .arg(other.path.join("ca.pem"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    // Nobody else gets them.
    let ann = team.home.invited("ann");
    assert_eq!(team.server.command_as(&ann, &["approve", "export"]).output().unwrap().status.code(), Some(1));
}

#[test]
fn one_person_approves_without_a_signature_and_nobody_else_does() {
    let home = Home::demo();
    let asked = home.json(&["break-glass", "request", "--project", "home", "--reason-code", "exercise"]);
    let number = asked["change"].to_string();
    home.json(&["approve", "sign", &number]);
    let shown = home.json(&["approve", "show", &number]);
    assert_eq!(
        (&shown["approvals"][0]["counts"], &shown["approvals"][0]["signed"]),
        (&json!(true), &Value::Null)
    );
    home.json(&["break-glass", "begin", &number]);
    // In a team the owner of the home's files may be the overseer: without a signature it is nothing all the same.
    let team = Home::init(&["--operator", "alice", "--security", "bob"]);
    let file = team.path.join("mantlet.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("owner = \"alice\"", "owner = \"bob\"")).unwrap();
    let server = Server::start(&team);
    let alice = team.founder("alice");
    server.take_over(team.founder("bob"));
    let client = server.client_as(&alice);
    let asked = client.post("/admin/v1/break-glass", &json!({ "project": "home", "reason": "exercise" }));
    assert_eq!(asked.status, 200, "{}", asked.text());
    let unsigned = team.run(&["approve", "sign", &asked.json()["change"].to_string()]);
    assert_eq!(unsigned.status.code(), Some(1));
    assert!(said(&unsigned).contains("not signed"), "{}", said(&unsigned));
}

#[test]
fn break_glass_stops_a_model_and_does_nothing_else() {
    let team = Deployers::new();
    team.promote("1");
    let consumer = team.consumer();
    let Deployers { server, home, bob, .. } = &team;
    let asks = || consumer.post(PREDICT, &question(&benign())).status;
    assert_eq!(asks(), 200);
    // Alice operates; models are none of her business.
    assert_eq!(home.run(&["model", "disable", "tumors"]).status.code(), Some(1));
    let asked = home.json(&["break-glass", "request", "--project", "home", "--reason-code", "wrong_answers"]);
    let number = asked["change"].to_string();
    assert_eq!(home.run(&["approve", "sign", &number]).status.code(), Some(1), "not by who asked");
    assert_eq!(
        home.run(&["break-glass", "begin", &number]).status.code(),
        Some(1),
        "not before it is approved"
    );
    server.approve(bob, &number);
    let began = home.run(&["break-glass", "begin", &number]);
    assert!(printed(&began).contains("BREAK-GLASS: alice"), "{}", printed(&began));
    assert_eq!(home.json(&["model", "disable", "tumors"])["state"], "disabled");
    assert_eq!(asks(), 503);
    let ready = consumer.get("/v2/models/tumors/ready");
    assert_eq!(ready.status, 503, "{}", ready.text());
    // It is loud, and opens nothing else.
    for list in [home.run(&["role", "list"]), home.run(&["approve", "list"])] {
        assert!(printed(&list).contains("BREAK-GLASS: alice"), "{}", printed(&list));
    }
    assert!(server.said().contains("break-glass has begun") && server.said().contains("break-glass is used"));
    for refused in [
        &["model", "request", "tumors", "1"][..],
        &["model", "weights", "tumors"],
        &["model", "export", "tumors", "--to", "taken"],
        &["audit", "search"],
    ] {
        let output = home.command(refused).current_dir(home.path.parent().unwrap()).output().unwrap();
        // The owner of the files reads the log in another way; through the door alice does not.
        if refused[0] != "audit" {
            assert_eq!(output.status.code(), Some(1), "{refused:?}: {}", said(&output));
        }
    }
    let log = home.log();
    let glass: Vec<&Value> = log
        .iter()
        .filter(|entry| {
            entry["event"] == "break_glass" && entry["phase"] == "outcome" && entry["status"] == 200
        })
        .collect();
    let by: Vec<&str> = glass.iter().map(|entry| entry["principal"].as_str().unwrap()).collect();
    assert_eq!(by, ["user:alice", "user:bob", "user:alice"]);
    let stopped =
        log.iter().find(|entry| entry["event"] == "model.disable" && entry["status"] == 200).unwrap();
    assert_eq!(stopped["policy_ids"], json!(["P23_break_glass"]));
    // What was stopped stays so over a restart, until somebody whose duty it is lets it answer again.
    let Deployers { server, home, .. } = team;
    server.stop();
    let server = Server::start(&home);
    let again = home.key("again", &["--model", "tumors"]);
    let asks = || server.client_with(&again.key).post(PREDICT, &question(&benign())).status;
    assert_eq!(asks(), 503);
    let enabled = server.client_as(&home.invited("mel")).post("/admin/v1/models/tumors/enable", &json!({}));
    assert_eq!(enabled.status, 200, "{}", enabled.text());
    assert_eq!(asks(), 200);
}

/// Consumers ask from this machine alone, and readers export nothing, of course.
const NETWORK: &str = r#"
@id("X_network")
forbid(principal is Mantlet::Consumer, action in [Mantlet::Action::"predict", Mantlet::Action::"explain"], resource)
unless { context.ip.isInRange(ip("192.0.2.0/24")) };
"#;

#[test]
fn custom_policies_come_into_force_by_two_people() {
    let team = Deployers::new();
    team.promote("1");
    let consumer = team.consumer();
    let Deployers { server, home, bob, .. } = &team;
    let asks = || consumer.post(PREDICT, &question(&benign())).status;
    let file = |name: &str, text: &str| {
        let path = home.beside(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let network = file("network.cedar", NETWORK);
    // What it would change is said before anything is.
    let tested = home.run(&["policy", "test", &network]);
    assert_eq!(tested.status.code(), Some(0), "{}", said(&tested));
    let shown = printed(&tested);
    assert!(shown.contains("consumer:shop") && shown.contains("Model:tumors"), "{shown}");
    assert!(shown.contains("0 newly allowed") && shown.contains("invariants touched: none"), "{shown}");
    let elsewhere = home.json(&["policy", "test", &network, "--from", "192.0.2.7"]);
    assert_eq!(elsewhere["newly_denied"], 0, "{elsewhere}");
    let wide = file(
        "wide.cedar",
        r#"@id("X_wide") permit(principal is Mantlet::User, action == Mantlet::Action::"predict", resource);"#,
    );
    let tested = home.run(&["policy", "test", &wide]);
    assert_eq!(tested.status.code(), Some(1));
    assert!(
        printed(&tested).contains("S16") && printed(&tested).contains("user:alice"),
        "{}",
        printed(&tested)
    );

    let proposed = home.json(&["policy", "propose", &network]);
    let number = proposed["change"].to_string();
    assert_eq!(asks(), 200);
    // Neither by one person, nor before it is approved.
    assert_eq!(home.run(&["approve", "sign", &number]).status.code(), Some(1));
    assert_eq!(home.run(&["policy", "apply", &number]).status.code(), Some(1));
    let shown = printed(&server.command_as(bob, &["approve", "show", &number]).output().unwrap());
    assert!(shown.contains("consumer:shop"), "an approver sees what it changes: {shown}");
    server.approve(bob, &number);
    assert_eq!(home.json(&["policy", "apply", &number])["state"], "in_force");
    let denied = consumer.post(PREDICT, &question(&benign()));
    assert_eq!(denied.status, 404, "{}", denied.text());
    assert_eq!(home.entry_of(&denied)["policy_ids"], json!(["X_network"]));
    // It is in the log by its digest, and in the list by who took which step.
    let digest = sha256(NETWORK);
    let log = home.log();
    let subjects: Vec<&str> = log
        .iter()
        .filter(|entry| {
            entry["event"] == "policy.change" && entry["phase"] == "outcome" && entry["status"] == 200
        })
        .map(|entry| entry["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects[0], format!("network/{}", &digest[..32]));
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    let listed = home.json(&["policy", "list"]);
    let first = &listed["in_force"][0];
    assert_eq!(
        json!([
            first["digest"],
            first["policies"],
            first["proposed_by"],
            first["approved_by"],
            first["applied_by"]
        ]),
        json!([digest, ["X_network"], "alice", ["bob"], "alice"])
    );
    // Reading the configuration again takes nothing away, and brings nothing in.
    assert!(home.run(&["config", "reload"]).status.success());
    assert_eq!(asks(), 404);
    home.configure("[policy]\nfile = \"network.cedar\"\n");
    assert!(!home.run(&["config", "reload"]).status.success());
    let configuration = home.path.join("mantlet.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, text.replace("[policy]\nfile = \"network.cedar\"\n", "")).unwrap();
    // Nor does a restart.
    let Deployers { server, home, bob, .. } = team;
    server.stop();
    let server = Server::start(&home);
    let again = home.key("again", &["--model", "tumors"]);
    let asks = || server.client_with(&again.key).post(PREDICT, &question(&benign())).status;
    assert_eq!(asks(), 404);
    // It is withdrawn as it came.
    let proposed = home.json(&["policy", "withdraw", "network"]);
    let number = proposed["change"].to_string();
    assert_eq!(home.run(&["policy", "apply", &number]).status.code(), Some(1));
    server.approve(&bob, &number);
    assert_eq!(home.json(&["policy", "apply", &number])["state"], "withdrawn");
    assert_eq!(asks(), 200);
}

#[test]
fn a_custom_policy_that_breaks_a_rule_is_refused_with_place_and_reason() {
    let home = Home::init(&["--operator", "alice", "--security", "bob"]);
    let _server = Server::start(&home);
    let refused = |text: &str, reasons: &[&str]| {
        let path = home.beside("bad.cedar");
        fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let tested = home.run(&["policy", "test", path]);
        assert_eq!(tested.status.code(), Some(1), "{text}: {}", said(&tested));
        for reason in reasons {
            assert!(said(&tested).contains(reason), "{reason}: {}", said(&tested));
        }
        assert!(!home.run(&["policy", "propose", path]).status.success(), "{text}");
    };
    refused("@id(\"X_1\")\nforbid(principal, action, resource) when { principal. };", &["line 2", "column"]);
    refused(
        "@id(\"X_typo\") forbid(principal, action, resource)\nwhen { principal.rol };",
        &["X_typo", "line 2", "rol"],
    );
    refused(
        "@id(\"X_far\") forbid(principal, action == Mantlet::Action::\"rollback\", resource) when { resource.requested_by.disabled };",
        &["X_far", "level"],
    );
    refused(
        "@id(\"X_export\") permit(principal, action == Mantlet::Action::\"export\", resource);",
        &["X_export", "`export`", "S4"],
    );
    refused("@id(\"F00_project\") permit(principal, action, resource);", &["reserved"]);
    refused("@id(\"X_t\") permit(principal == ?principal, action, resource);", &["template"]);
    assert_eq!(home.json(&["approve", "list"])["waiting"], json!([]));
    assert_eq!(home.json(&["policy", "list"])["in_force"], json!([]));
}
