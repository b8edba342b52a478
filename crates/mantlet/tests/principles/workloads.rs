//! Services prove who they are without shared secrets: by a certificate of their trust domain, by a token of an issuer
//! that the configuration names, and by nothing that a request merely says.

use std::{fs, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::support::{
    Client, Home, Server,
    rows::{benign, question},
    until,
    workloads::{Domain, Tokens, authority, claims, header, leaf, section, uri},
};

const PREDICT: &str = "/v1/models/breast-cancer/predict";
const ROBOT: &str = "spiffe://prod.example/ns/shop/sa/robot";

fn make(home: &Home, consumer: &str) {
    home.json(&["consumer", "create", consumer, "--model", "breast-cancer", "--rate", "6000000/min"]);
}

fn add(home: &Home, consumer: &str, shown: &[&str]) -> Value {
    home.json(&[&["consumer", "identity", "add", consumer], shown].concat())
}

fn ask(client: &Client) -> u16 {
    client.post(PREDICT, &question(&benign())).status
}

/// The status, or why there was none.
fn attempt(client: &Client) -> Result<u16, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = client.clone().header("content-type", "application/json");
    let body = Bytes::from(question(&benign()).to_string());
    runtime.block_on(client.exchange("POST", PREDICT, body)).map(|reply| reply.status)
}

/// A home that trusts one domain, with an application that one workload is.
fn trusting() -> (Home, Domain) {
    let home = Home::demo();
    let domain = Domain::new(&home, "prod.example");
    home.configure(&section("prod.example", &domain.bundle()));
    make(&home, "robot");
    add(&home, "robot", &["--spiffe", ROBOT]);
    (home, domain)
}

#[test]
fn a_workload_is_what_its_certificate_says() {
    let (home, domain) = trusting();
    let server = Server::start(&home);
    let robot = server.workload(&domain.svid(ROBOT));
    let reply = robot.post(PREDICT, &question(&benign()));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let listed = home.json(&["consumer", "identity", "list", "robot"]);
    let entry = home.entry_of(&reply);
    assert_eq!(
        (&entry["principal"], &entry["authn"], &entry["identity"], &entry["key_id"]),
        (&json!("consumer:robot"), &json!("spiffe"), &listed[0]["id"], &Value::Null)
    );
    assert_eq!(listed[0]["spiffe"], ROBOT);
    // One that nobody has mapped, and names near to one that somebody has.
    for other in [
        "spiffe://prod.example/ns/shop/sa/other",
        "spiffe://prod.example/ns/shop/sa/robot/x",
        "spiffe://prod.example/ns/shop/sa",
        "spiffe://prod.example/ns/shop/sa/ROBOT",
    ] {
        assert_eq!(ask(&server.workload(&domain.svid(other))), 401, "{other}");
    }
    // It may do what the application may, and no more.
    assert_eq!(robot.get("/admin/v1/keys").json(), json!([]));
    assert_eq!(robot.post("/audit/v1/search", &json!({})).status, 404);
    home.json(&["consumer", "identity", "remove", "robot", "--spiffe", ROBOT]);
    assert_eq!(ask(&robot), 401, "the next request after it was removed");
    let changes: Vec<Value> =
        home.log().into_iter().filter(|entry| entry["event"] == "consumer.change").collect();
    let subject = format!("consumer:robot/{}", listed[0]["id"].as_str().unwrap());
    // Adding and removing, each with an intent and an outcome.
    assert_eq!(changes.iter().filter(|entry| entry["subject"] == subject).count(), 4, "{changes:?}");
    assert!(!home.log().iter().any(|entry| entry.to_string().contains("prod.example")));
}

#[test]
fn a_certificate_of_the_wrong_form_is_refused() {
    let (home, domain) = trusting();
    let server = Server::start(&home);
    let changed = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf(ROBOT);
        change(&mut params);
        attempt(&server.workload(&domain.issue(&params)))
    };
    assert_eq!(changed(&|_| {}), Ok(200));
    // What stands beside the one URI has no influence (X509-SVID, section 2).
    let with_name = |params: &mut CertificateParams| {
        params.subject_alt_names.push(SanType::DnsName("robot.example".try_into().unwrap()));
    };
    assert_eq!(changed(&with_name), Ok(200));
    let named = |names: &[&str]| {
        let names: Vec<SanType> = names.iter().map(|name| uri(name)).collect();
        changed(&move |params| params.subject_alt_names.clone_from(&names))
    };
    let long = format!("spiffe://prod.example/{}", "a".repeat(2_048));
    let refused = [
        ("two names", named(&[ROBOT, "spiffe://prod.example/other"])),
        ("the same twice", named(&[ROBOT, ROBOT])),
        ("another URI beside it", named(&[ROBOT, "https://prod.example"])),
        ("a person beside it", named(&[ROBOT, "mantlet:user:olivia"])),
        ("another case of the scheme", named(&["SPIFFE://prod.example/ns/shop/sa/robot"])),
        ("another case of the domain", named(&["spiffe://Prod.example/ns/shop/sa/robot"])),
        ("a port", named(&["spiffe://prod.example:443/ns/shop/sa/robot"])),
        ("a user", named(&["spiffe://a@prod.example/ns/shop/sa/robot"])),
        ("a query", named(&["spiffe://prod.example/ns/shop/sa/robot?x"])),
        ("a fragment", named(&["spiffe://prod.example/ns/shop/sa/robot#x"])),
        ("percent-encoding", named(&["spiffe://prod.example/ns/shop/sa/%72obot"])),
        ("dots", named(&["spiffe://prod.example/ns/shop/x/../sa/robot"])),
        ("an empty segment", named(&["spiffe://prod.example/ns/shop//sa/robot"])),
        ("a slash behind", named(&["spiffe://prod.example/ns/shop/sa/robot/"])),
        ("no path", named(&["spiffe://prod.example"])),
        ("too long", named(&[&long])),
        ("an authority", changed(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
        ("no key usage", changed(&|params| params.key_usages.clear())),
        ("no signatures", changed(&|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement])),
        ("signs certificates", changed(&|params| params.key_usages.push(KeyUsagePurpose::KeyCertSign))),
        ("signs revocations", changed(&|params| params.key_usages.push(KeyUsagePurpose::CrlSign))),
        (
            "for servers only",
            changed(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ),
        ("ended", changed(&|params| params.not_after = OffsetDateTime::now_utc() - Duration::minutes(1))),
        (
            "not begun",
            changed(&|params| params.not_before = OffsetDateTime::now_utc() + Duration::minutes(5)),
        ),
    ];
    for (what, outcome) in refused {
        assert!(outcome.is_err(), "{what}: {outcome:?}");
    }
}

#[test]
fn no_authority_vouches_for_another_s_names() {
    let (home, prod) = trusting();
    let dev = Domain::new(&home, "dev.example");
    home.configure(&section("dev.example", &dev.bundle()));
    let of_dev = "spiffe://dev.example/ns/shop/sa/robot";
    make(&home, "dev-robot");
    add(&home, "dev-robot", &["--spiffe", of_dev]);
    let server = Server::start(&home);
    let stranger = Domain::new(&home, "evil.example");
    assert_eq!(attempt(&server.workload(&prod.svid(ROBOT))), Ok(200));
    assert_eq!(attempt(&server.workload(&dev.svid(of_dev))), Ok(200));
    let below = authority("between");
    assert_eq!(attempt(&server.workload(&prod.issue_below(&below, &leaf(ROBOT)))), Ok(200));
    for (what, svid) in [
        ("dev for prod", dev.svid(ROBOT)),
        ("prod for dev", prod.svid(of_dev)),
        ("below dev for prod", dev.issue_below(&below, &leaf(ROBOT))),
        ("a stranger for prod", stranger.svid(ROBOT)),
        ("a stranger for itself", stranger.svid("spiffe://evil.example/a")),
        ("a leaf that signs", prod.issue_below(&leaf("spiffe://prod.example/x"), &leaf(ROBOT))),
        ("a person by prod", prod.svid("mantlet:user:olivia")),
    ] {
        assert!(attempt(&server.workload(&svid)).is_err(), "{what}");
    }
    // The home's own authority speaks for people, and a person's certificate is no workload.
    let owner = home.founder(home.said("operator"));
    assert_eq!(server.client_as(&owner).get("/admin/v1/keys").status, 200);
    let keyless = owner.dir.join("certificate.pem");
    let alone = server.client().certificate(&server.ca, &keyless, &owner.dir.join("certificate.key"));
    assert_eq!(ask(&alone), 401);
}

#[test]
fn a_key_and_a_certificate_are_of_one_application() {
    let (home, domain) = trusting();
    let (own, other) = (home.busy_key("robot"), home.busy_key("other"));
    let server = Server::start(&home);
    let svid = domain.svid(ROBOT);
    let both = server.workload(&svid).bearer(&own.key).post(PREDICT, &question(&benign()));
    assert_eq!((both.status, &home.entry_of(&both)["authn"]), (200, &json!("api_key+spiffe")));
    let owner = home.founder(home.said("operator"));
    for key in [&other.key, &owner.key] {
        let reply = server.workload(&svid).bearer(key).post(PREDICT, &question(&benign()));
        assert_eq!(reply.status, 401);
        reply.assert_discreet();
    }
    assert_eq!(ask(&server.workload(&svid).bearer("mtk_live_nonsense")), 401, "what is shown must hold");
    assert_eq!(ask(&server.workload(&domain.svid("spiffe://prod.example/x")).bearer(&own.key)), 401);
}

#[test]
fn a_workload_is_no_other_project_s_to_claim() {
    let home = Home::demo();
    let domain = Domain::new(&home, "prod.example");
    home.configure(&section("prod.example", &domain.bundle()));
    home.json(&["project", "create", "red"]);
    home.json(&["consumer", "create", "thief", "--project", "red", "--monitor"]);
    let claim = |consumer: &str| home.run(&["consumer", "identity", "add", consumer, "--spiffe", ROBOT]);
    let refused = claim("thief");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("to no application of `red`"), "{said}");
    // Where the configuration gives it to them it is theirs, and the home's no more.
    let file = home.path.join("mantlet.toml");
    let text = fs::read_to_string(&file).unwrap();
    let given = "[[identity.trust_domain]]\nprojects = { red = \"/ns/shop\" }";
    fs::write(&file, text.replace("[[identity.trust_domain]]", given)).unwrap();
    make(&home, "robot");
    assert!(!claim("robot").status.success());
    let added = claim("thief");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

#[test]
fn bundles_are_replaced_while_connections_are_open() {
    let (home, old) = trusting();
    let server = Server::start(&home);
    let svid = old.svid(ROBOT);
    let mut open = Kept::open(&server, &server.workload(&svid));
    assert_eq!(open.ask(), 200);
    // Both authorities for a while, then the new one alone.
    let new = Domain::new(&home, "prod.example");
    let bundle = old.bundle();
    fs::write(&bundle, format!("{}{}", old.pem, new.pem)).unwrap();
    home.json(&["config", "reload"]);
    assert_eq!((open.ask(), ask(&server.workload(&new.svid(ROBOT)))), (200, 200));
    fs::write(&bundle, &new.pem).unwrap();
    home.json(&["config", "reload"]);
    assert_eq!(open.ask(), 401, "a connection that was open goes on with what counts no more");
    assert!(attempt(&server.workload(&svid)).is_err());
    assert_eq!(ask(&server.workload(&new.svid(ROBOT))), 200);
    // What is no bundle is not taken, and nothing else of the reload is.
    let person = fs::read_to_string(home.path.join("keys/people/olivia/certificate.pem")).unwrap();
    for (what, text) in
        [("a leaf", person.as_str()), ("nothing", ""), ("no PEM", "-----BEGIN CERTIFICATE-----\n!")]
    {
        fs::write(&bundle, text).unwrap();
        assert_eq!(home.run(&["config", "reload"]).status.code(), Some(1), "{what}");
    }
    assert_eq!(ask(&server.workload(&new.svid(ROBOT))), 200);
}

#[test]
fn a_token_is_the_application_that_its_subject_is() {
    let home = Home::demo();
    let tokens = Tokens::new();
    home.configure(&tokens.section(&home));
    make(&home, "pipeline");
    let added = add(&home, "pipeline", &["--issuer", "ci", "--subject", "repo:a/b:ref:refs/heads/main"]);
    let server = Server::start(&home);
    let with = |token: &str| server.client().bearer(token);
    let token = tokens.token("repo:a/b:ref:refs/heads/main");
    for _ in 0..2 {
        let reply = with(&token).post(PREDICT, &question(&benign()));
        let entry = home.entry_of(&reply);
        assert_eq!(
            (reply.status, &entry["principal"], &entry["authn"], &entry["identity"]),
            (200, &json!("consumer:pipeline"), &json!("token"), &added["id"])
        );
    }
    let of = |name: &str, value: Value| {
        let mut claims = claims("repo:a/b:ref:refs/heads/main");
        claims[name] = value;
        tokens.sign(&header(), &claims)
    };
    let mut plain = header();
    plain["typ"] = json!("JWT");
    let bad = [
        tokens.token("repo:a/b:ref:refs/heads/dev"),
        of("aud", json!("client-7")),
        of("iss", json!("https://issuer.example/")),
        of("exp", json!(1)),
        tokens.sign(&plain, &claims("repo:a/b:ref:refs/heads/main")),
        Tokens::new().token("repo:a/b:ref:refs/heads/main"),
        format!("{token}x"),
    ];
    let mut shapes = std::collections::BTreeSet::new();
    for bad in &bad {
        let reply = with(bad).post(PREDICT, &question(&benign()));
        assert_eq!(reply.status, 401);
        reply.assert_discreet();
        shapes.insert(reply.shape());
    }
    assert_eq!(shapes.len(), 1, "what was wrong with a token shows");
    home.json(&[
        "consumer",
        "identity",
        "remove",
        "pipeline",
        "--issuer",
        "ci",
        "--subject",
        "repo:a/b:ref:refs/heads/main",
    ]);
    assert_eq!(ask(&with(&token)), 401, "a mapping that was removed counts at once");
    // Neither a token nor a subject is written down anywhere.
    let signature = token.rsplit('.').next().unwrap();
    for (path, bytes) in home.bytes() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(signature), "a token in {}", path.display());
    }
    assert!(!home.log().iter().any(|entry| entry.to_string().contains("refs/heads")));
}

#[test]
fn what_a_request_says_of_itself_changes_nothing() {
    let (home, domain) = trusting();
    let tokens = Tokens::new();
    home.configure(&tokens.section(&home));
    add(&home, "robot", &["--issuer", "ci", "--subject", "robot"]);
    let key = home.busy_key("robot");
    let server = Server::start(&home);
    let owner = home.said("operator").to_owned();
    let pem = domain.pem.replace('\n', "%0A");
    let claims = [
        ("x-forwarded-user", owner.clone()),
        ("x-forwarded-email", format!("{owner}@example.com")),
        ("x-forwarded-groups", "admin".to_owned()),
        ("x-forwarded-preferred-username", owner.clone()),
        ("x-forwarded-access-token", tokens.token("robot")),
        ("x-forwarded-client-cert", format!("By=spiffe://prod.example/gate;URI={ROBOT};Cert=\"{pem}\"")),
        ("x-auth-request-user", owner.clone()),
        ("x-auth-request-email", owner.clone()),
        ("x-auth-request-access-token", tokens.token("robot")),
        ("x-remote-user", owner.clone()),
        ("remote-user", owner.clone()),
        ("x-user", owner.clone()),
        ("x-spiffe-id", ROBOT.to_owned()),
        ("spiffe-id", ROBOT.to_owned()),
        ("x-ssl-client-cert", pem.clone()),
        ("ssl-client-cert", pem.clone()),
        ("x-client-cert", pem.clone()),
        ("x-amzn-oidc-data", tokens.token("robot")),
        ("x-amzn-oidc-identity", "robot".to_owned()),
        ("x-goog-iap-jwt-assertion", tokens.token("robot")),
        ("cf-access-jwt-assertion", tokens.token("robot")),
        ("x-ms-client-principal-name", owner.clone()),
        ("x-jwt-assertion", tokens.token("robot")),
        ("kubeflow-userid", owner.clone()),
        ("impersonate-user", owner.clone()),
        ("proxy-authorization", format!("Bearer {}", tokens.token("robot"))),
        ("cookie", format!("session={}; access_token={}; mantlet={}", owner, tokens.token("robot"), key.key)),
        ("from", owner.clone()),
    ];
    let callers = [
        ("nobody", server.client(), 401),
        ("a key", server.client_with(&key.key), 200),
        ("a certificate", server.workload(&domain.svid(ROBOT)), 200),
        ("a token", server.client_with(&tokens.token("robot")), 200),
    ];
    for (who, client, status) in &callers {
        let plain = client.post(PREDICT, &question(&benign()));
        assert_eq!(plain.status, *status, "{who}");
        let told = |reply: &crate::support::Reply| {
            let mut entry = home.entry_of(reply);
            for member in ["idx", "ts", "request_id", "latency_us"] {
                entry.as_object_mut().unwrap().remove(member);
            }
            entry
        };
        let expected = (*status == 200).then(|| told(&plain));
        for (name, value) in &claims {
            let reply = client.clone().header(name, value).post(PREDICT, &question(&benign()));
            assert_eq!(reply.status, *status, "{who} with {name}");
            if let Some(expected) = &expected {
                assert_eq!(told(&reply), *expected, "{who} with {name}");
            } else {
                assert_eq!(reply.shape(), plain.shape(), "{who} with {name}");
            }
        }
    }
    // Two credentials leave open who asks, in whatever order.
    let token = tokens.token("robot");
    for (one, two) in [(&key.key, &token), (&token, &key.key)] {
        let client = server.client_with(one).header("x-api-key", two);
        assert_eq!(ask(&client), 401);
    }
    assert_eq!(ask(&server.client().header("authorization", &format!("Basic {}", key.key))), 401);
    assert_eq!(ask(&server.client().header("authorization", &format!("DPoP {token}"))), 401);
    let nobody = 2 + claims.len() as u64 + 1 + 2;
    until("everybody unknown in the log", || {
        (home.strangers().get("unauthenticated") == Some(&nobody)).then_some(())
    });
}

/// One connection, kept.
struct Kept {
    runtime: tokio::runtime::Runtime,
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    host: String,
}

impl Kept {
    fn open(server: &Server, client: &Client) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = client.tls().expect("over TLS");
        let sender = runtime.block_on(async {
            let tcp = tokio::net::TcpStream::connect(server.address).await.unwrap();
            let name = rustls_pki_types::ServerName::IpAddress(server.address.ip().into());
            let stream =
                tokio_rustls::TlsConnector::from(Arc::clone(&config)).connect(name, tcp).await.unwrap();
            let (sender, connection) =
                hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender, host: server.address.to_string() }
    }

    fn ask(&mut self) -> u16 {
        let request = http::Request::post(PREDICT)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(question(&benign()).to_string())))
            .unwrap();
        let sender = &mut self.sender;
        self.runtime.block_on(async {
            sender.ready().await.unwrap();
            let reply = sender.send_request(request).await.unwrap();
            let status = reply.status().as_u16();
            reply.into_body().collect().await.unwrap();
            status
        })
    }
}
