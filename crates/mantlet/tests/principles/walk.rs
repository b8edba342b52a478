//! Every API call is authenticated and authorized.
//!
//! A walk over the route table: every route, by every method, with every kind of credential. What it has no answer
//! for is a route that somebody added without a thought for who may use it.
//!
//! No command makes a key that has expired already: the shortest life is a day. That the door turns expired keys away
//! is tested on a clock of its own, beside the door.

use std::collections::BTreeSet;

use mantlet::server::routes::{Route, TABLE, Verb, Way};
use mantlet_types::Action;
use serde_json::{Value, json};

use crate::support::{
    Client, Home, Reply, Server, llm,
    people::forged,
    rows::{benign, inference, labelled, question},
    until,
    workloads::{Domain, Tokens, claims, header, section},
};

pub(crate) const MODEL: &str = "breast-cancer";

/// Its answers wait for a person.
const HELD: &str = "other";

/// A request, and a held row, that never was.
pub(crate) const ABSENT: &str = "01ARYZ6S41ZZZZZZZZZZZZZZZZ";

/// Limits that a walk does not meet: it is about who may, not about how often.
pub(crate) const WIDE: &str =
    "[limits]\nfailures_per_minute = 1000000\ndenials_per_minute = 1000000\nrate_per_minute = 1000000\n";

/// Of a certificate that nobody has.
const DIGEST: &str = "5e1fb0a3c0ffee00000000000000000000000000000000000000000000000000";

/// Of an identity that no application has.
const IDENTITY: &str = "5e1fb0a3c0ffee000000000000000000";

/// A workload of the application `leaving`.
const LEAVING: &str = "spiffe://prod.example/sa/leaving";

/// A token that would hold, if anybody had signed it.
fn unsigned(tokens: &Tokens) -> String {
    let mut header = header();
    header["alg"] = json!("none");
    let token = tokens.sign(&header, &claims("leaving"));
    token[..=token.rfind('.').unwrap()].to_owned()
}
/// A custom policy that changes nothing for anybody here.
const POLICY: &str =
    r#"@id("X_walk") forbid(principal, action == Mantlet::Action::"configure_route", resource);"#;

/// What routes take names of.
pub(crate) struct Names {
    pub(crate) kid: String,
    pub(crate) user: &'static str,
    pub(crate) receipt: String,
    /// Who asks the model whose answers are held.
    pub(crate) asker: String,
    /// A held row, and the request that it is of.
    pub(crate) item: String,
    pub(crate) request: String,
    /// Path and query of a signed URL; until one is signed, of one that nobody signed.
    pub(crate) url: String,
}

impl Names {
    /// The path of a route that signed URLs are brought to.
    fn brought(&self, route: &Route) -> String {
        let (place, query) = self.url.split_once('?').unwrap();
        let view = &route.path["/artifacts/v1/{model}/{version}/{package}".len()..];
        format!("{place}{}?{query}", view.replace("{*file}", "model.onnx"))
    }
}

/// Whether a route is for those who bring a signed URL, whoever they are.
pub(crate) fn redeems(route: &Route) -> bool {
    matches!(route.way, Way::Deed(Action::RedeemUrl, _))
}

/// A request that the right caller gets an answer for.
pub(crate) struct Sample {
    pub(crate) path: String,
    pub(crate) body: Value,
    /// What the right caller gets.
    pub(crate) status: u16,
}

/// A valid request for every route. A new route fails the walk until it has one.
pub(crate) fn sample(route: &Route, names: &Names, model: &str) -> Sample {
    let home = "home";
    let (body, status) = match (route.verb, route.path) {
        // In a one-person home nothing waits for a second person.
        (Verb::Get, "/admin/v1/approvals/{kind}/{target}") => (Value::Null, 404),
        (Verb::Post, "/admin/v1/approvals/{kind}/{target}" | "/admin/v1/break-glass/{number}/begin") => {
            (json!({}), 404)
        }
        // No set of policies is in force.
        (Verb::Get, "/admin/v1/policies/{name}") => (Value::Null, 404),
        (Verb::Post, "/admin/v1/policies/changes/{number}/apply") => (json!({}), 404),
        (Verb::Post, "/admin/v1/policies" | "/admin/v1/policies/test") => {
            (json!({ "name": "walk", "text": POLICY }), 200)
        }
        (Verb::Post, "/admin/v1/break-glass") => (json!({ "project": home, "reason": "exercise" }), 200),
        (Verb::Post, "/admin/v1/models/{model}/disable" | "/admin/v1/models/{model}/enable") => {
            (json!({}), 200)
        }
        (Verb::Post, "/admin/v1/models/{model}/versions/{version}/evaluations") => {
            // The receipt is of something else.
            (json!({ "report": "{}", "receipt": names.receipt }), 400)
        }
        // Version 1 is live, and makes room first.
        (Verb::Post, "/admin/v1/models/{model}/versions/{version}/retire") => (json!({}), 409),
        (Verb::Put, "/admin/v1/models/{model}/aliases/{alias}") => (json!({ "version": 1 }), 200),
        // There is no alias of that name.
        (Verb::Delete, "/admin/v1/models/{model}/aliases/{alias}") => (Value::Null, 404),
        // The first that comes keeps it, and what is kept can be shown, replaced and forgotten.
        (Verb::Get | Verb::Delete, "/admin/v1/secrets/{secret}") => (Value::Null, 200),
        (Verb::Put, "/admin/v1/secrets/{secret}") | (Verb::Post, "/admin/v1/secrets/{secret}/rotate") => {
            (json!({ "value": "walked" }), 200)
        }
        (Verb::Get, _) => (Value::Null, 200),
        (Verb::Post, "/v1/chat/completions") => {
            (json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] }), 200)
        }
        (Verb::Post, "/v1/responses") => (json!({ "model": model, "input": "hello" }), 200),
        (Verb::Post, "/v1/completions") => (json!({ "model": model, "prompt": "hello" }), 200),
        (Verb::Post, "/v1/embeddings") => (json!({ "model": model, "input": "hello" }), 200),
        (Verb::Delete, "/admin/v1/consumers/{consumer}/identities/{identity}") => (Value::Null, 404),
        (Verb::Post, "/admin/v1/consumers") => {
            (json!({ "consumer": "keyless", "project": home, "models": [MODEL] }), 200)
        }
        (Verb::Post, "/admin/v1/consumers/{consumer}/identities") => {
            (json!({ "spiffe": "spiffe://prod.example/leaving" }), 200)
        }
        (Verb::Delete, path) if path.starts_with("/admin/v1/") => (Value::Null, 200),
        (Verb::Put, "/admin/v1/consumers/{consumer}") => (json!({ "rate_per_minute": 1 }), 200),
        (Verb::Post, "/admin/v1/users/{user}/enable") => (json!({}), 200),
        (Verb::Post, "/admin/v1/users/{user}/certificates") => (json!({ "digest": DIGEST }), 200),
        (Verb::Post, "/admin/v1/projects") => (json!({ "project": "another" }), 200),
        (Verb::Post, path) if path.ends_with("/predict") || path.ends_with("/explain") => {
            (question(&benign()), 200)
        }
        (Verb::Post, "/admin/v1/reviews/export") => (json!({ "model": HELD }), 200),
        (Verb::Post, "/admin/v1/reviews/{item}/assign") => (json!({}), 200),
        (Verb::Post, "/admin/v1/reviews/{item}/decide") => (json!({ "uphold": true }), 200),
        (Verb::Post, path) if path.ends_with("/evaluate") => (labelled(&benign(), "benign"), 200),
        // Version 1 is live, and is neither compared with itself nor put in its own place.
        (Verb::Post, path) if path.ends_with("/compare") => (labelled(&benign(), "benign"), 409),
        (Verb::Put, "/v2/models/{model}") => {
            (json!({ "version": 1, "comparison": "{}", "receipt": names.receipt }), 409)
        }
        (Verb::Post, path) if path.ends_with("/export") => (json!({}), 200),
        (Verb::Post, path) if path.ends_with("/infer") => (inference(&benign()), 200),
        (Verb::Post, path) if path.ends_with("/export/elsewhere") => {
            (json!({ "at": "s3", "seconds": 60 }), 200)
        }
        (Verb::Post, path) if path.ends_with("/export/url") => (json!({}), 200),
        (Verb::Post, "/admin/v1/url-keys/rotate") => (json!({}), 200),
        (Verb::Post, "/v2/repository/index" | "/admin/v1/reload" | "/admin/v1/keys/{kid}/rotate") => {
            (json!({}), 200)
        }
        // Models go live by deployment; loading and unloading by name is known, and refused to everybody.
        (Verb::Post, "/v2/repository/models/{model}/load" | "/v2/repository/models/{model}/unload") => {
            (json!({}), 403)
        }
        (Verb::Post, "/admin/v1/keys") => {
            (json!({ "consumer": "newcomer", "project": home, "models": [MODEL] }), 200)
        }
        (Verb::Post, "/admin/v1/users") => (json!({ "user": "newbie", "project": home }), 200),
        (Verb::Post, "/admin/v1/roles" | "/admin/v1/roles/revoke") => {
            (json!({ "user": "joiner", "role": "analyst", "project": home }), 200)
        }
        // In a one-person home nothing waits for a second person.
        (Verb::Post, "/admin/v1/grants/{number}/approve" | "/admin/v1/grants/{number}/apply") => {
            (json!({}), 404)
        }
        // What is live needs no deployment, and what was never requested cannot be approved.
        (Verb::Post, "/admin/v1/models/{model}/versions/{version}/request") => (json!({}), 409),
        (
            Verb::Post,
            "/admin/v1/models/{model}/versions/{version}/approve"
            | "/admin/v1/models/{model}/versions/{version}/activate",
        ) => (json!({}), 403),
        // Nothing was live before.
        (Verb::Post, "/admin/v1/models/{model}/rollback") => (json!({}), 409),
        // Leave is given before the package is looked at, and this is none.
        (Verb::Post, "/admin/v1/models/{model}") => (json!({}), 415),
        (Verb::Post, "/audit/v1/search") => (json!({}), 200),
        (Verb::Post, "/audit/v1/prove") => (json!({ "receipt": names.receipt }), 200),
        (verb, path) => panic!("the walk has no request for {} {path}", verb.as_str()),
    };
    // Only one model's answers are held.
    let model = if route.path.ends_with("/reviews/{request}") && model == MODEL { HELD } else { model };
    let mut path = route
        .path
        .replace("{model}", model)
        .replace("{version}", "1")
        .replace("{kid}", if route.path.contains("/url-keys/") { "k1" } else { &names.kid })
        .replace("{user}", names.user)
        .replace("{consumer}", "leaving")
        .replace("{digest}", DIGEST)
        .replace("{identity}", IDENTITY)
        .replace("{number}", "1")
        .replace("{name}", "nothing")
        .replace("{alias}", if route.verb == Verb::Put { "champion" } else { "nothing" })
        .replace("{secret}", "walked")
        .replace("{kind}", "grant")
        .replace("{target}", "1")
        .replace("{item}", &names.item)
        .replace("{request}", &names.request);
    if redeems(route) {
        path = names.brought(route);
    }
    if route.path == "/admin/v1/models/{model}" {
        path.push_str("?project=home");
    }
    Sample { path, body, status }
}

pub(crate) fn send(client: &Client, method: &str, sample: &Sample) -> Reply {
    let body = if sample.body.is_null() { String::new() } else { sample.body.to_string() };
    client.clone().header("content-type", "application/json").send(method, &sample.path, body)
}

fn published(route: &Route) -> bool {
    matches!(route.way, Way::Open(_))
}

/// The table but for gRPC's methods, which are walked over HTTP/2 beside this.
pub(crate) fn routes() -> impl Iterator<Item = &'static Route> {
    TABLE.iter().filter(|route| !route.is_rpc())
}

/// A home with everything that the table's paths name.
fn home() -> Home {
    trusting().0
}

/// The same, with those who vouch for its workloads.
fn trusting() -> (Home, Domain, Tokens) {
    let home = Home::demo();
    let (domain, tokens) = (Domain::new(&home, "prod.example"), Tokens::new());
    home.configure(WIDE);
    home.configure(&section("prod.example", &domain.bundle()));
    home.configure(&tokens.section(&home));
    home.add_model(HELD);
    home.configure(&format!("[[model]]\nname = \"{HELD}\"\nhold = \"always\"\n"));
    // A language model of the same name, since applications name either.
    let model = llm::Model::start();
    let route = model.section("assistant", "").replace("\"small\"", &format!("\"{MODEL}\""));
    home.configure(&route);
    std::mem::forget(model); // it serves until the test ends
    (home, domain, tokens)
}

fn names_in(home: &Home) -> Names {
    let kid = home.key("leaving", &["--model", MODEL]).kid;
    for user in ["leaver", "joiner"] {
        home.invite(user);
    }
    let asker = home.key("asker", &["--model", HELD]).key;
    let (item, request) = (ABSENT.to_owned(), ABSENT.to_owned());
    let (id, sig) = ("ab".repeat(16), "cd".repeat(32));
    let url = format!(
        "/artifacts/v1/{MODEL}/1/{DIGEST}?expires=4000000000&kid=k1&by={}&id={id}&sig={sig}",
        home.said("operator")
    );
    Names { kid, user: "leaver", receipt: String::new(), asker, item, request, url }
}

/// Has a row held, and remembers it.
fn hold(home: &Home, server: &Server, names: &mut Names) {
    let asked = server.client_with(&names.asker).post("/v1/models/other/predict", &question(&benign()));
    assert_eq!(asked.json()["outcome"], "review", "{}", asked.text());
    names.request = asked.request_id().to_owned();
    let owner = server.client_as(&home.founder(home.said("operator")));
    let listed = owner.get("/admin/v1/reviews").json();
    names.item = listed["reviews"][0]["item"].as_str().unwrap().to_owned();
}

#[test]
fn nobody_is_answered_without_a_credential_that_holds() {
    let (home, domain, tokens) = trusting();
    let names = names_in(&home);
    home.json(&["consumer", "identity", "add", "leaving", "--spiffe", LEAVING]);
    home.json(&["consumer", "identity", "add", "leaving", "--issuer", "ci", "--subject", "leaving"]);
    let revoked = home.key("gone", &["--model", MODEL]);
    home.json(&["key", "revoke", &revoked.kid]);
    let disabled = home.bound("left", "analyst");
    home.json(&["user", "disable", "left"]);
    let server = Server::start(&home);
    let spoofed =
        ["x-user", "x-forwarded-user", "x-remote-user", "remote-user", "kubeflow-userid", "x-auth-user"];
    let spoofing = spoofed.iter().fold(server.client(), |client, name| client.header(name, "alice"));
    let truth = home.said("demo_key");
    let mistyped = format!("{}{}", &truth[..truth.len() - 1], if truth.ends_with('0') { '1' } else { '0' });
    let callers = [
        ("no credential", server.client()),
        ("a header that names a user", spoofing),
        ("no key", server.client_with("let-me-in")),
        ("another scheme", server.client().header("authorization", "Basic YWxpY2U6YWxpY2U=")),
        ("a mistyped key", server.client_with(&mistyped)),
        ("an unknown key", server.client_with(&forged("AAAAAAAAAAAA"))),
        ("a known key's id with another secret", server.client_with(&forged(&names.kid))),
        ("a revoked key", server.client_with(&revoked.key)),
        ("a disabled person's key", server.client_as(&disabled)),
        ("a workload that is nobody", server.workload(&domain.svid("spiffe://prod.example/nobody"))),
        ("a workload with a revoked key", server.workload(&domain.svid(LEAVING)).bearer(&revoked.key)),
        ("a token of nobody", server.client_with(&tokens.token("nobody"))),
        ("a token of an unknown issuer's key", server.client_with(&Tokens::new().token("leaving"))),
        ("an unsigned token", server.client_with(&unsigned(&tokens))),
    ];
    let (mut turned_away, mut not_found) = (0, 0);
    for route in routes().filter(|route| !published(route)) {
        let sample = sample(route, &names, MODEL);
        let mut shapes = BTreeSet::new();
        for (who, client) in &callers {
            let reply = send(client, route.verb.as_str(), &sample);
            // Where signed URLs are brought, nobody is told to prove who they are.
            let (status, challenge) = if redeems(route) { (404, None) } else { (401, Some("Bearer")) };
            assert_eq!(reply.status, status, "{who}: {} {}", route.verb.as_str(), sample.path);
            assert_eq!(reply.header("www-authenticate"), challenge);
            assert_eq!(reply.header("mantlet-receipt"), None);
            reply.assert_discreet();
            shapes.insert(reply.shape());
            *if redeems(route) { &mut not_found } else { &mut turned_away } += 1;
        }
        assert_eq!(shapes.len(), 1, "what was wrong with a credential shows in {shapes:?}");
    }
    // Nobody known asked, so there is no entry for each; but every single one is counted.
    until("all failures in the log", || {
        let strangers = home.strangers();
        let counted = |code: &str| strangers.get(code).copied();
        (counted("unauthenticated") == Some(turned_away) && counted("not_found") == Some(not_found))
            .then_some(())
    });
}

#[test]
fn published_pages_reveal_nothing() {
    let home = home();
    let names = names_in(&home);
    let server = Server::start(&home);
    let pages: BTreeSet<&str> = routes().filter(|route| published(route)).map(|route| route.path).collect();
    assert_eq!(pages, BTreeSet::from(["/healthz", "/v2", "/v2/health/live", "/v2/health/ready"]));
    for route in routes().filter(|route| published(route)) {
        let stranger = send(&server.client(), "GET", &sample(route, &names, MODEL));
        assert_eq!(stranger.status, 200, "{}", route.path);
        stranger.assert_discreet();
        let owner = send(
            &server.client_as(&home.founder(home.said("operator"))),
            "GET",
            &sample(route, &names, MODEL),
        );
        assert_eq!(stranger.text(), owner.text(), "{}: a credential changes what is published", route.path);
        for secret in [MODEL, "other", home.said("operator"), home.path.to_str().unwrap()] {
            assert!(!stranger.text().contains(secret), "{}", route.path);
        }
        assert!(stranger.body.len() < 200, "{}", stranger.text());
    }
}

#[test]
fn probes_learn_of_health_and_of_nothing_else() {
    let home = home();
    home.configure("[server]\nprobe_listen = \"127.0.0.2:0\"\n");
    let names = names_in(&home);
    let owner = home.founder(home.said("operator"));
    let server = Server::start(&home);
    let probe = Client::plain(server.probe.expect("serve says where it answers probes"));
    for client in [probe.clone(), probe.bearer(&owner.key)] {
        for route in routes() {
            let reply = send(&client, route.verb.as_str(), &sample(route, &names, MODEL));
            assert_eq!(reply.status, if published(route) { 200 } else { 404 }, "{}", route.path);
            reply.assert_discreet();
        }
    }
}

#[test]
fn a_path_answers_only_the_methods_that_the_table_has() {
    let home = home();
    let names = names_in(&home);
    let server = Server::start(&home);
    let owner = server.client_as(&home.founder(home.said("operator")));
    for route in routes() {
        let known: BTreeSet<&str> =
            TABLE.iter().filter(|other| other.path == route.path).map(|other| other.verb.as_str()).collect();
        let sample = sample(route, &names, MODEL);
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
            if known.contains(method) || method == "HEAD" && known.contains("GET") {
                continue;
            }
            for client in [&server.client(), &owner] {
                let reply = send(client, method, &sample);
                assert_eq!(reply.status, 405, "{method} {}", sample.path);
                let allowed: BTreeSet<&str> = reply.header("allow").unwrap().split(", ").collect();
                assert!(allowed.is_superset(&known) && !allowed.contains(method), "{allowed:?}");
                reply.assert_discreet();
            }
        }
    }
    for path in
        ["/", "/v1", "/v3", "/admin", "/admin/v1", "/v2/models/..", "//v2", "/v2/", "/console", "/%2e%2e/v2"]
    {
        assert_eq!(owner.get(path).status, 404, "{path}");
    }
}

/// Lists hold what the caller may see. To those who may see nothing they are empty, and that is their answer.
const LISTS: [(Verb, &str); 10] = [
    (Verb::Get, "/v1/models"),
    (Verb::Get, "/admin/v1/secrets"),
    (Verb::Get, "/admin/v1/reviews"),
    (Verb::Get, "/admin/v1/approvals"),
    (Verb::Get, "/admin/v1/keys"),
    (Verb::Get, "/admin/v1/users"),
    (Verb::Get, "/admin/v1/roles"),
    (Verb::Get, "/admin/v1/models"),
    (Verb::Get, "/v2/models/stats"),
    (Verb::Post, "/v2/repository/index"),
];

/// What tells everybody known the same: the table itself.
const FOR_ALL_KNOWN: [&str; 1] = ["/openapi.json"];

#[test]
fn the_wrong_key_opens_nothing_and_leaves_its_trace() {
    let home = home();
    let mut names = names_in(&home);
    let foreign = home.key("foreign", &["--model", "other", "--rate", "6000000/min"]);
    let own = home.busy_key("own");
    let roleless = home.invite("roleless");
    let server = Server::start(&home);
    hold(&home, &server, &mut names);
    names.receipt = receipt(&server.client_with(&own.key));
    let callers = [
        ("consumer:foreign", "another model's key", server.client_with(&foreign.key)),
        ("consumer:own", "an application's key", server.client_with(&own.key)),
        ("user:roleless", "a person without a role", server.client_as(&roleless)),
    ];
    let mut asked = Vec::new();
    for route in routes().filter(|route| !published(route)) {
        let asks_model = route.path.contains("/models/{model}") && !route.path.starts_with("/admin");
        let asks_only = matches!(route.way, Way::Ask(..) | Way::Deed(Action::Predict, _));
        for (principal, who, client) in &callers {
            // Applications ask; what a model's answers are worth is for people to find out.
            let evaluates = matches!(route.way, Way::Ask(Action::Evaluate, _));
            if *principal == "consumer:own" && asks_model && asks_only && !evaluates {
                continue; // that would be the right key
            }
            let reply = send(client, route.verb.as_str(), &sample(route, &names, MODEL));
            if redeems(route) {
                // No key is asked for there, and one beside a URL leaves open who asks.
                assert_eq!((reply.status, reply.header("mantlet-receipt")), (404, None), "{who}");
                continue;
            }
            let what =
                format!("{who}: {} {} → {} {}", route.verb.as_str(), route.path, reply.status, reply.text());
            if LISTS.contains(&(route.verb, route.path)) {
                assert_eq!(reply.status, 200, "{what}");
                for hidden in
                    [home.said("operator"), "leaver", "leaving", "consumer:demo", names.kid.as_str()]
                {
                    assert!(!reply.text().contains(hidden), "{what}");
                }
                assert!(*principal == "consumer:own" || !reply.text().contains(MODEL), "{what}");
            } else if FOR_ALL_KNOWN.contains(&route.path) {
                assert_eq!(reply.status, 200, "{what}");
            } else {
                assert!([400, 403, 404, 415].contains(&reply.status), "{what}");
                assert_eq!(reply.header("mantlet-receipt"), None, "{what}");
                reply.assert_discreet();
                let sees = *principal == "consumer:own" && evaluates && reply.status == 403;
                if asks_model && !sees {
                    // A model that one may not ask, and one that does not exist, are one answer.
                    let nothing = send(client, route.verb.as_str(), &sample(route, &names, "nothing"));
                    assert_eq!((reply.status, reply.shape()), (nothing.status, nothing.shape()), "{what}");
                }
            }
            asked.push((*principal, reply));
        }
    }
    recorded(&home, &asked);
}

#[test]
fn the_right_caller_is_answered_and_leaves_its_trace() {
    let (home, domain, tokens) = trusting();
    let mut names = names_in(&home);
    let own = home.key("own", &["--model", MODEL, "--route", "assistant", "--rate", "6000000/min"]);
    home.json(&["consumer", "identity", "add", "own", "--spiffe", "spiffe://prod.example/sa/own"]);
    home.json(&["consumer", "identity", "add", "own", "--issuer", "ci", "--subject", "own"]);
    let server = Server::start(&home);
    let proofs = [
        server.workload(&domain.svid("spiffe://prod.example/sa/own")),
        server.client_with(&tokens.token("own")),
    ];
    let owner = format!("user:{}", home.said("operator"));
    let operator = server.client_as(&home.founder(home.said("operator")));
    let consumer = server.client_with(&own.key);
    hold(&home, &server, &mut names);
    let asker = server.client_with(&names.asker);
    names.receipt = receipt(&consumer);
    let kept = Sample {
        path: "/admin/v1/secrets/walked".to_owned(),
        body: json!({ "value": "first" }),
        status: 200,
    };
    assert_eq!(send(&operator, "PUT", &kept).status, kept.status);
    let signed = operator.post(&format!("/v2/models/{MODEL}/export/url"), &json!({}));
    names.url = signed.json()["path"].as_str().unwrap().to_owned();
    let nobody = server.client();
    let mut asked = Vec::new();
    for route in routes().filter(|route| !published(route)) {
        let (who, client) = match route.way {
            Way::Ask(Action::Predict | Action::Explain | Action::Complete, _)
            | Way::Deed(Action::Complete, _) => ("consumer:own", &consumer),
            Way::Deed(Action::ReadHeld, _) => ("consumer:asker", &asker),
            Way::Deed(Action::RedeemUrl, _) => (owner.as_str(), &nobody),
            _ => (owner.as_str(), &operator),
        };
        let sample = sample(route, &names, MODEL);
        // Whatever an application proves itself by, it gets the same.
        let proofs = if who == "consumer:own" { proofs.as_slice() } else { &[] };
        for client in std::iter::once(client).chain(proofs) {
            let reply = send(client, route.verb.as_str(), &sample);
            let what = format!("{} {}: {}", route.verb.as_str(), sample.path, reply.text());
            assert_eq!(reply.status, sample.status, "{what}");
            asked.push((who, reply));
        }
    }
    recorded(&home, &asked);
    let answered: Vec<&Reply> =
        asked.iter().map(|(_, reply)| reply).filter(|reply| reply.status == 200).collect();
    assert!(
        answered.iter().all(|reply| reply.header("mantlet-receipt").is_some()),
        "an answer has no receipt"
    );
}

#[test]
fn headers_that_name_somebody_have_no_influence() {
    let home = home();
    let own = home.busy_key("own");
    let server = Server::start(&home);
    let claims =
        ["x-user", "x-forwarded-user", "x-remote-user", "kubeflow-userid", "x-forwarded-email", "x-real-ip"];
    let client =
        claims.iter().fold(server.client_with(&own.key), |client, name| client.header(name, "alice"));
    let client = client.header("x-forwarded-for", "203.0.113.9").header("forwarded", "for=203.0.113.9");
    let reply = client.post("/v1/models/breast-cancer/predict", &question(&benign()));
    assert_eq!(reply.status, 200);
    let entry = home.entry_of(&reply);
    assert_eq!((&entry["principal"], &entry["client_ip"]), (&json!("consumer:own"), &json!("127.0.0.1")));
    assert_eq!(client.get("/admin/v1/keys").json().as_array().map(|keys| keys.len() < 2), Some(true));
    assert_eq!(client.post("/audit/v1/search", &json!({})).status, 404);
}

/// The receipt of an answer.
fn receipt(client: &Client) -> String {
    let reply = client.post("/v1/models/breast-cancer/predict", &question(&benign()));
    reply.header("mantlet-receipt").expect("an answer has a receipt").to_owned()
}

/// Every request of somebody known is in the log, under their name, with what they were told.
fn recorded(home: &Home, asked: &[(&str, Reply)]) {
    until("every request in the log", || {
        let log = home.log();
        let missing = asked.iter().find(|(principal, reply)| {
            !log.iter().any(|entry| {
                entry["request_id"] == reply.request_id()
                    && entry["principal"] == *principal
                    && entry["status"] == reply.status
            })
        });
        missing.is_none().then_some(())
    });
}
