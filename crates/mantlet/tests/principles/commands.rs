//! What scripts and people rely on: documents, exit codes, messages.

use std::{
    fs,
    process::{Command, Output},
};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{
    Home, Server, mantlet,
    rows::{benign, doubtful, question},
};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

fn run(arguments: &[&str]) -> Output {
    mantlet().args(arguments).output().unwrap()
}

#[test]
fn help_tells_the_commands() {
    assert_snapshot!(printed(&run(&["--help"])), @r"
    One binary that makes the secure way to serve a model the shortest way

    Usage: mantlet [OPTIONS] <COMMAND>

    Commands:
      init         Make a home: configuration, keys, certificate authority, store
      serve        Serve models over TLS; makes a home first where there is none
      predict      Ask a model
      explain      Ask a model, and what each feature added to its answer
      evaluate     Find out how good a model's answers are, on rows of which the truth is known
      key          API keys of applications
      role         Role bindings of people
      approve      What waits for a second person: looked at, signed, verified
      policy       Custom policies beside the embedded ones
      break-glass  For 15 minutes, stop models and roll them back without the duty for it
      consumer     Applications
      project      Projects: nothing of one is visible from another
      user         People
      model        Model packages and what is served
      review       Answers that wait for a person
      guard        What language models are told and what they answer
      watch        Whether what arrives is still what a model was made with
      iam          Permissions in the cloud: proved, compared, checked
      network      Networks in the cloud: what the internet reaches
      secret       Secrets of other people's services, which the home keeps
      audit        The audit log
      root         The key that wraps everything at rest
      env          Shell lines with which curl, Python, Node and the OpenAI SDKs trust and find this
                   server
      config       The configuration
      version      Version, build and formats
      completions  Shell completions, to standard output
      man          Manual pages
      help         Print this message or the help of the given subcommand(s)

    Options:
          --home <DIR>  The home directory [default: ./mantlet-home] [env: MANTLET_HOME=]
          --as <DIR>    Act as the person whose key and certificate are in this directory, over TLS; no
                        home is needed [env: MANTLET_IDENTITY=]
          --url <URL>   Where the server is, instead of where the directory of --as says [env:
                        MANTLET_URL]
          --json        Print one JSON document (or JSON lines where a stream is said) instead of text
      -h, --help        Print help
      -V, --version     Print version

    Exit codes: 0 yes or done, 1 the answer is no, 2 could not answer, 4 not authenticated.
    ");
}

#[test]
fn errors_say_what_and_what_to_do() {
    let nowhere = run(&["key", "list", "--home", "/nowhere"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert_snapshot!(said(&nowhere), @r"
    error: `/nowhere` is not a mantlet home
    hint: make one: mantlet init /nowhere
    ");
    let role = run(&["role", "assign", "ann", "root", "--home", "/nowhere"]);
    assert_eq!(role.status.code(), Some(2));
    assert_snapshot!(said(&role), @r"
    error: invalid value 'root' for '<ROLE>': unknown role; known roles: reader, analyst, admin, data_engineer, data_scientist, ml_engineer, security, operator, reviewer, monitor

    For more information, try '--help'.
    ");
    let rate =
        run(&["key", "create", "--consumer", "app", "--model", "m", "--rate", "fast", "--home", "/nowhere"]);
    assert_eq!(rate.status.code(), Some(2));
    assert_snapshot!(said(&rate), @r"
    error: invalid value 'fast' for '--rate <RATE>': a rate is written as `60/min`, from 1 to 60000000

    For more information, try '--help'.
    ");
    let url = mantlet()
        .args(["predict", "m", "--input", "/dev/null", "--url", "http://127.0.0.1:1"])
        .env("MANTLET_API_KEY", "mtk_live_x")
        .output()
        .unwrap();
    assert_eq!(url.status.code(), Some(2));
    let input = run(&["predict", "m", "--input", "/nowhere"]);
    assert_eq!(input.status.code(), Some(2));
    assert!(said(&input).contains("`/nowhere`"), "{}", said(&input));
}

#[test]
fn documents_have_the_members_that_scripts_read() {
    let home = Home::demo();
    for member in ["home", "ca", "listen", "operator_key", "demo_key"] {
        assert!(home.made[member].is_string(), "init: `{member}`");
    }
    assert_eq!(home.made["models"], json!(["breast-cancer"]));
    let key =
        home.json(&["key", "create", "--consumer", "app", "--model", "breast-cancer", "--rate", "60/min"]);
    for member in ["key", "kid", "expires"] {
        assert!(key[member].is_string(), "key create: `{member}`");
    }
    for member in ["role", "action", "resource", "decision", "policy"] {
        assert!(home.json(&["role", "matrix"])[0][member].is_string(), "role matrix: `{member}`");
    }
    let version: Value = serde_json::from_slice(&run(&["version", "--json"]).stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["build"].is_object());
    let verdict = home.verdict();
    assert_eq!(verdict["verdict"], "self-consistent");
    // Every default comes with its reason.
    let report = home.json(&["config", "check"]).to_string();
    assert!(
        report.contains("reason") && report.contains("nobody but this machine can reach a server"),
        "{report}"
    );
    // Everything that lists prints one document.
    for command in [["key", "list"], ["user", "list"], ["role", "list"], ["model", "list"]] {
        let listed = home.json(&command);
        assert!(listed.is_array() || listed.is_object(), "{command:?}");
    }
    // A home is made once.
    let again = run(&["init", home.path.to_str().unwrap(), "--demo", "--json"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(said(&again).contains("hint: use it: mantlet serve"), "{}", said(&again));
}

#[test]
fn tables_for_people_have_no_holes() {
    let home = Home::demo();
    home.invite("carol");
    let assigned = home.run(&["role", "assign", "carol", "reader"]);
    assert!(
        printed(&assigned).contains("carol") && printed(&assigned).contains("reader"),
        "{:?}",
        printed(&assigned)
    );
    let users = printed(&home.run(&["user", "list"]));
    let carol = users.lines().find(|line| line.starts_with("carol")).unwrap();
    assert!(!carol.split_whitespace().any(|cell| cell == "-"), "{carol}");
    let team = Home::init(&["--operator", "alice", "--security", "bob"]);
    let server = Server::start(&team);
    server.take_over(team.invite("dora"));
    let proposed = team.run(&["role", "assign", "dora", "ml_engineer"]);
    assert!(printed(&proposed).contains("mantlet --as DIR role approve"), "{:?}", printed(&proposed));
    let roles = printed(&team.run(&["role", "list"]));
    let pending = roles.lines().find(|line| line.contains("dora")).unwrap();
    assert!(pending.contains("ml_engineer") && pending.contains("alice"), "{pending}");
    assert!(!pending.starts_with('-'), "{pending}");
}

#[test]
fn exit_codes_mean_the_same_everywhere() {
    let home = Home::demo();
    let row = home.beside("row.json");
    fs::write(&row, question(&benign()).to_string()).unwrap();
    let row = row.to_str().unwrap();
    let predict = |model: &str| home.run(&["predict", model, "--input", row]).status.code();
    assert_eq!(predict("breast-cancer"), Some(2), "no server runs");
    let server = Server::start(&home);
    assert_eq!(predict("breast-cancer"), Some(0));
    assert_eq!(predict("unknown"), Some(1));
    let url = format!("https://{}", server.address);
    let with_key = |key: &str| {
        let mut command = home.command(&["predict", "breast-cancer", "--input", row, "--url", &url]);
        command.env("MANTLET_API_KEY", key).output().unwrap()
    };
    assert_eq!(with_key(home.said("demo_key")).status.code(), Some(0));
    let refused = with_key("mtk_live_nothing");
    assert_eq!(refused.status.code(), Some(4));
    assert!(said(&refused).contains("hint:"), "{}", said(&refused));
    assert_eq!(with_key("").status.code(), Some(4));
    assert_eq!(home.run(&["key", "revoke", "AAAAAAAAAAAA"]).status.code(), Some(1));
    assert_eq!(home.run(&["model", "add", "/nowhere"]).status.code(), Some(2));
}

#[test]
fn a_signature_is_made_verified_and_refused() {
    let home = Home::demo();
    let package = home.package("tumors");
    let (key, dir) = (home.beside("key.pem"), package.to_str().unwrap());
    let (key, public) = (key.to_str().unwrap(), format!("{}.pub", key.display()));
    assert!(run(&["model", "keygen", key]).status.success());
    assert!(run(&["model", "sign", dir, "--key", key]).status.success());
    let verify = |options: &[&str]| {
        let output = run(&[&["model", "verify", dir, "--public-key", &public, "--json"], options].concat());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), document)
    };
    let (code, document) = verify(&[]);
    assert_eq!((code, &document["verdict"], &document["uncovered"]), (Some(0), &json!("accept"), &json!([])));
    // A file that nobody signed, then one that somebody changed.
    fs::write(package.join("extra.txt"), "x").unwrap();
    let (code, document) = verify(&[]);
    assert_eq!((code, &document["verdict"]), (Some(1), &json!("reject")), "{document}");
    let (code, document) = verify(&["--ignore-unsigned-files"]);
    assert_eq!((code, &document["uncovered"]), (Some(0), &json!(["extra.txt"])), "{document}");
    fs::remove_file(package.join("extra.txt")).unwrap();
    let model = package.join("model.onnx");
    let mut bytes = fs::read(&model).unwrap();
    bytes[100] ^= 1;
    fs::write(&model, bytes).unwrap();
    let (code, document) = verify(&[]);
    assert_eq!((code, &document["verdict"]), (Some(1), &json!("reject")));
    assert!(document["reason"].as_str().unwrap().contains("model.onnx"), "{document}");
}

#[test]
fn a_verdict_is_no_where_there_is_something_to_judge_and_none_where_there_is_not() {
    let home = Home::demo();
    let package = home.package("tumors");
    let (key, dir) = (home.beside("key.pem"), package.to_str().unwrap());
    let (key, public) = (key.to_str().unwrap(), format!("{}.pub", key.display()));
    assert!(run(&["model", "keygen", key]).status.success());
    let verify = |public: &str| run(&["model", "verify", dir, "--public-key", public, "--json"]);
    assert_eq!(verify(&public).status.code(), Some(2), "there is no signature");
    for (hash, more) in [("sha256", &[][..]), ("blake2b", &["--shard-size", "1000"]), ("blake3", &[])] {
        let sign = ["model", "sign", dir, "--key", key, "--hash", hash];
        assert!(run(&[&sign[..], more].concat()).status.success());
        let output = verify(&public);
        assert_eq!(output.status.code(), Some(0), "{hash}: {}", said(&output));
    }
    // Not a kind of key that signs models: it signed nothing here. Not a key at all: nothing can be said.
    let other = home.beside("ed25519.pub");
    fs::write(
        &other,
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
    )
    .unwrap();
    let refused = verify(other.to_str().unwrap());
    let document: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.status.code(), &document["verdict"]), (Some(1), &json!("reject")));
    assert_eq!(verify(key).status.code(), Some(2));
    assert_eq!(verify("/nowhere").status.code(), Some(2));
    assert_eq!(run(&["model", "verify", dir, "--json"]).status.code(), Some(2), "nobody is trusted");
    // Progress is for terminals: a program reads an error, and nothing else.
    assert!(verify(&public).stderr.is_empty());
    fs::write(package.join("model.sig"), "{}").unwrap();
    assert_eq!(verify(&public).status.code(), Some(1));
}

#[test]
fn env_sets_what_a_shell_needs_to_trust_and_find_the_server() {
    let home = Home::demo();
    let server = Server::start(&home);
    let lines = printed(&home.run(&["env"]));
    let shell = |script: &str| {
        let output = Command::new("sh").args(["-c", &format!("{lines}\n{script}")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(shell("printf %s \"$MANTLET_URL\""), format!("https://{}", server.address));
    assert_eq!(shell("printf %s \"$MANTLET_API_KEY\""), home.said("demo_key"));
    let bundle = fs::read_to_string(shell("printf %s \"$SSL_CERT_FILE\"")).unwrap();
    assert!(bundle.contains(fs::read_to_string(&server.ca).unwrap().trim()));
    for name in
        ["CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "OPENAI_BASE_URL", "OPENAI_API_KEY"]
    {
        assert!(!shell(&format!("printf %s \"${name}\"")).is_empty(), "{name}");
    }
    // A name that a shell would read something into stays a name.
    let odd = home.beside("it's; echo $HOME");
    fs::rename(&home.path, &odd).unwrap();
    let lines = printed(&mantlet().arg("env").arg("--home").arg(&odd).output().unwrap());
    let output =
        Command::new("sh").args(["-c", &format!("{lines}\nprintf %s \"$MANTLET_HOME\"")]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), odd.canonicalize().unwrap().display().to_string());
}

#[test]
fn manual_and_completions_come_from_the_same_definition() {
    let page = printed(&run(&["man"]));
    assert!(page.contains(".TH mantlet 1"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&run(&["completions", shell]));
        for command in ["predict", "audit", "matrix"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}

#[test]
fn a_home_is_made_for_names() {
    use std::{io::Write, sync::Arc};

    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
    use rustls_pki_types::{CertificateDer, pem::PemObject};

    let home = Home::init(&["--single-person", "--name", "gate.example.com", "--name", "192.0.2.10"]);
    let typed = fs::read_to_string(home.path.join("mantlet.toml")).unwrap();
    assert!(typed.contains("names = [\"gate.example.com\", \"192.0.2.10\"]"), "{typed}");
    let server = Server::start(&home);
    let trusts = |name: &'static str| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&server.ca).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
        let stream = std::net::TcpStream::connect(server.address).unwrap();
        StreamOwned::new(connection, stream).write_all(b"GET / HTTP/1.1\r\n\r\n").is_ok()
    };
    assert!(trusts("gate.example.com") && trusts("192.0.2.10") && trusts("localhost"));
    assert!(!trusts("other.example.com"));
    server.stop();
    // Names below those of the home may come later; others need a certificate from elsewhere.
    let renamed = |name: &str| {
        fs::write(home.path.join("mantlet.toml"), typed.replace("gate.example.com", name)).unwrap();
        Server::try_with(&home, &[], &[]).map(drop)
    };
    assert_eq!(renamed("eu.gate.example.com"), Ok(()));
    let why = renamed("other.example.com").unwrap_err();
    assert!(why.contains("vouch for `other.example.com`") && why.contains("mantlet init --name"), "{why}");
    let odd = run(&["init", "/nowhere/home", "--single-person", "--name", "not a name"]);
    assert_eq!(odd.status.code(), Some(2));
    assert!(said(&odd).contains("neither a host name nor an address"), "{}", said(&odd));
}

#[test]
fn an_answer_is_explained_as_a_table_and_as_a_document() {
    let home = Home::demo();
    let _server = Server::start(&home);
    let ask = |name: &str, row: &[f64], options: &[&str]| {
        let file = home.beside(name);
        fs::write(&file, question(row).to_string()).unwrap();
        home.run(&[&["explain", "breast-cancer", "--input", file.to_str().unwrap()], options].concat())
    };
    let output = ask("benign.json", &benign(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("benign (confidence 0."), "{table}");
    assert!(lines[1].starts_with("probability of benign, log-odds scale: "), "{table}");
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["feature", "added"]);
    assert_eq!(lines.len(), 3 + 30);
    let added: Vec<f64> =
        lines[3..].iter().map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect();
    assert!(added.is_sorted_by(|a, b| a.abs() >= b.abs()), "{added:?}");
    let longest = lines[3].split_whitespace().nth(2).unwrap();
    assert_eq!(longest, if added[0] < 0.0 { "-" } else { "+" }.repeat(24));

    let output = ask("benign.json", &benign(), &["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let explanation = &document["explanation"];
    let told = explanation["attributions"].as_array().unwrap();
    let sum: f64 = told.iter().map(|item| item["value"].as_f64().unwrap()).sum();
    let whole = explanation["output_value"].as_f64().unwrap() - explanation["base_value"].as_f64().unwrap();
    assert!((sum - whole).abs() < 1e-4, "{sum} {whole}");
    assert_eq!((&explanation["method"], &explanation["evaluations"]), (&json!("linear"), &json!(1)));

    // What is not answered is not explained.
    let output = ask("doubtful.json", &doubtful(), &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["result"], &document["explanation"]), (&json!("uncertain"), &Value::Null));
}

#[test]
fn a_receipt_may_begin_with_a_dash() {
    let said = said(&run(&["audit", "prove", "-Cj3", "--home", "/nowhere"]));
    assert!(said.contains("`/nowhere` is not a mantlet home"), "{said}");
}

#[test]
fn a_replaced_key_says_when_it_ends() {
    let home = Home::demo();
    let kid = home.key("app", &["--model", "breast-cancer"]).kid;
    let rotated = home.json(&["key", "rotate", &kid, "--overlap", "2"]);
    let listed = home.json(&["key", "list"]);
    let old = listed.as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str()).unwrap();
    assert!(rotated["retiring_until"].is_string(), "{rotated}");
    assert_eq!((&old["state"], &old["expires"]), (&json!("retiring"), &rotated["retiring_until"]));
    let new = rotated["kid"].as_str().unwrap();
    home.json(&["key", "revoke", &kid]);
    let told = said(&home.run(&["key", "rotate", new]));
    assert!(told.contains(&format!("key {new} works until 2")), "{told}");
}

#[test]
fn an_invalid_configuration_is_shown_once() {
    let home = Home::init(&["--single-person"]);
    home.configure("[server]\nplaintext = true\n");
    let shown = said(&home.run(&["config", "check"]));
    assert_eq!(shown.matches("unknown key `plaintext`").count(), 1, "{shown}");
    assert_eq!(shown.matches("`plaintext` belongs in `[danger]`").count(), 1, "{shown}");
    assert!(shown.contains("mantlet.toml:"), "{shown}");
}

#[test]
fn documents_are_documents_and_none_is_none() {
    let home = Home::demo();
    let tail = home.run(&["audit", "tail", "-n", "0", "--json"]);
    assert!(tail.status.success() && tail.stdout.is_empty(), "{:?}", printed(&tail));
    let (package, key) = (home.package("fraud"), home.beside("author.key"));
    let (package, key) = (package.to_str().unwrap(), key.to_str().unwrap());
    assert!(run(&["model", "keygen", key]).status.success());
    let signed = run(&["model", "sign", package, "--key", key, "--json"]);
    let signed: Value = serde_json::from_slice(&signed.stdout).unwrap();
    assert_eq!(signed["signature"], format!("{package}/model.sig"));
}

#[test]
fn the_root_key_is_kept_where_init_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let (home, root) = (dir.path().join("home"), dir.path().join("root.key"));
    let place = format!("file:{}", root.display());
    let init = |place: &str| {
        mantlet()
            .args(["init", "--single-person", "--json", "--root-key", place])
            .arg(&home)
            .output()
            .unwrap()
    };
    for bad in ["root.key", "file:root.key", "env:NOT_SET_ANYWHERE"] {
        assert_eq!(init(bad).status.code(), Some(2), "{bad}");
        assert!(!home.exists());
    }
    let made = init(&place);
    assert!(made.status.success(), "{}", said(&made));
    assert!(root.exists() && !home.join("keys/root.key").exists());
    let listed = mantlet().args(["key", "list", "--home"]).arg(&home).output().unwrap();
    assert!(listed.status.success(), "{}", said(&listed));
}
