//! Questions about permissions and networks are answered by the real binary as documented: in order, with a witness or a
//! path, and with the exit code that says so.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::support::mantlet;

/// What a command prints, line by line; null for what is no JSON.
fn answered(arguments: &[&str], input: &str) -> (Vec<Value>, Output) {
    let mut child = mantlet()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    (lines.map(|line| serde_json::from_slice(line).unwrap_or_default()).collect(), output)
}

fn policy(statements: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn case(id: &str, statements: &Value, actions: &[&str]) -> String {
    json!({
        "id": id,
        "identity_policies": [policy(statements)],
        "question": { "actions": actions, "resource_pattern": "arn:aws:s3:::models/production/*", "context": "any" },
    })
    .to_string()
        + "\n"
}

#[test]
fn questions_about_permissions_are_decided_in_order() {
    let allow = json!({ "Effect": "Allow", "Action": "s3:Put*", "Resource": "arn:aws:s3:::models/*",
        "Condition": { "StringEquals": { "aws:SourceVpc": "vpc-1" } } });
    let deny = json!({ "Effect": "Deny", "NotAction": "s3:Get*", "Resource": "arn:aws:s3:::models/pro*" });
    let input = case("one", &json!([allow]), &["s3:PutObject"])
        + &case("two", &json!([allow, deny]), &["s3:PutObject", "s3:PutObjectTagging"]);
    let (answers, output) = answered(&["iam", "decide"], &input);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((&answers[0]["id"], &answers[0]["possible"]), (&json!("one"), &json!(true)));
    let witness = &answers[0]["witness"];
    assert_eq!(witness["action"], "s3:PutObject");
    assert_eq!(witness["context"], json!({ "aws:sourcevpc": ["vpc-1"] }));
    let key = witness["resource"].as_str().unwrap().strip_prefix("arn:aws:s3:::models/production/").unwrap();
    assert_eq!(key.len(), 0, "the shortest");
    assert_eq!((&answers[1]["possible"], &answers[1]["witness"]), (&json!(false), &Value::Null));
}

#[test]
fn what_cannot_be_decided_is_unknown_and_never_a_pass() {
    let unknown = json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": { "StringMaybe": { "a": "b" } } });
    let input = case("odd", &json!([unknown]), &["s3:PutObject"]) + "{\"id\":\"x\",\"id\":\"y\"}\n";
    let (answers, output) = answered(&["iam", "decide"], &input);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(answers[0]["possible"], "unknown");
    assert!(answers[0]["why"].as_str().unwrap().contains("StringMaybe"));
    assert_eq!(answers[1]["possible"], "unknown");
}

#[test]
fn a_claim_is_proved_with_a_certificate_that_can_be_replayed_or_refuted_by_a_request() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, document: &Value| {
        let path = home.path().join(name);
        fs::write(&path, document.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let read = json!({ "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*" });
    let good = file("good.json", &policy(&json!([read])));
    let write = json!({ "Effect": "Allow", "Action": "s3:*Lifecycle*", "Resource": "*" });
    let bad = file("bad.json", &policy(&json!([read, write])));
    let certificate = home.path().join("proof.json").to_str().unwrap().to_owned();
    let claim = "role/inference cannot write arn:aws:s3:::models/production/*";

    let (answers, output) =
        answered(&["iam", "prove", claim, "--policy", &good, "--certificate", &certificate, "--json"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(answers[0]["verdict"]["verdict"], "proved");
    let (_, output) = answered(&["iam", "prove", "--replay", &certificate, "--policy", &good], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (_, output) = answered(&["iam", "prove", "--replay", &certificate, "--policy", &bad], "");
    assert_eq!(output.status.code(), Some(1));

    let (answers, output) = answered(&["iam", "prove", claim, "--policy", &good, &bad, "--json"], "");
    assert_eq!(output.status.code(), Some(1));
    let counterexample = &answers[0]["verdict"]["counterexample"];
    assert_eq!(counterexample["action"], "s3:PutLifecycleConfiguration");
    assert_eq!(counterexample["resource"], "arn:aws:s3:::models");

    let (_, output) = answered(&["iam", "prove", "role/x cannot s3:NoSuchThing *", "--policy", &good], "");
    assert_eq!(output.status.code(), Some(2), "a claim about nothing proves nothing");

    let (answers, output) = answered(&["iam", "diff", &good, &bad, "--json"], "");
    assert_eq!(output.status.code(), Some(1));
    let actions = answers[0]["newly_possible"][0]["actions"].as_array().unwrap();
    assert!(actions.contains(&json!("s3:PutLifecycleConfiguration")), "{actions:?}");
    let (_, output) = answered(&["iam", "diff", &bad, &good], "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn findings_in_files_name_their_lines() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("policy.json");
    let text = "{\n \"Version\": \"2012-10-17\",\n \"Statement\": [{\n  \"Effect\": \"Allow\",\n  \"NotAction\": \"iam:*\",\n  \"Resource\": \"*\"\n }]\n}";
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let (answers, output) = answered(&["iam", "check", path, "--json"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let finding = &answers[0]["findings"][0];
    assert_eq!(
        (&finding["check"], &finding["line"], &finding["basis"]),
        (&json!("MTL-IAM-009"), &json!(5), &json!("matched"))
    );
    let (answers, _) = answered(&["iam", "check", path, "--sarif"], "");
    assert_eq!(
        answers[0]["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"],
        5
    );
    fs::write(path, "{").unwrap();
    let (_, output) = answered(&["iam", "check", path], "");
    assert_eq!(output.status.code(), Some(2), "unknown is no pass");
}

#[test]
fn networks_are_decided_with_paths() {
    let interface = |address: &str, public: bool, group: &str, port: u16| json!({ "private_ip": address, "public_ip": public, "sgs": [group], "subnet": "s", "listens": [port] });
    let rule = |port: u16, from: Value| {
        let mut rule = json!({ "protocol": "tcp", "from": port, "to": port });
        rule.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
        rule
    };
    let model = json!({
        "route_tables": { "r": [{ "cidr": "0.0.0.0/0", "target": "igw-1" }] },
        "subnets": { "s": { "cidr": "10.0.0.0/24", "nacl": null, "route_table": "r" } },
        "nacls": {},
        "security_groups": {
            "bastion": { "ingress": [rule(22, json!({ "cidrs": ["0.0.0.0/1", "128.0.0.0/1"] }))],
                         "egress": [{ "protocol": "-1", "from": 0, "to": 0, "cidrs": ["0.0.0.0/0"] }] },
            "server": { "ingress": [rule(8000, json!({ "sgs": ["bastion"] }))], "egress": [] },
        },
        "enis": { "b": interface("10.0.0.5", true, "bastion", 22), "m": interface("10.0.0.6", false, "server", 8000) },
        "load_balancers": {},
        "target": { "eni": "m", "port": 8000 },
    });
    let (answers, output) =
        answered(&["network", "decide"], &(json!({ "id": 1, "model": model }).to_string() + "\n"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(answers[0]["direct"], false);
    assert_eq!(answers[0]["lateral_last_hop"], json!(["b"]));
    assert_eq!(answers[0]["only_via_alb"], false);
    let hops = answers[0]["paths"][0]["hops"].as_array().unwrap();
    assert_eq!(
        (&hops[0]["from"], &hops[0]["to"], &hops[1]["to"]),
        (&json!("internet"), &json!("b"), &json!("m"))
    );
    assert!(hops[0]["rules"].as_array().unwrap().iter().any(|it| it.as_str().unwrap().contains("0.0.0.0/1")));

    let mut dangling = model;
    dangling["enis"]["m"]["sgs"] = json!(["gone"]);
    let (answers, output) =
        answered(&["network", "decide"], &(json!({ "model": dangling }).to_string() + "\n"));
    assert_eq!(output.status.code(), Some(2));
    assert!(answers[0]["error"].as_str().unwrap().contains("gone"));
}
