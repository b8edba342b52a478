//! Trust stands, or it does not: what a signer has signed answers for as long as the signer is trusted.

use std::fs;

use serde_json::Value;

use crate::support::{
    Home, Server, mantlet,
    rows::{benign, question},
};

#[test]
fn what_a_signer_signed_answers_for_as_long_as_the_signer_is_trusted() {
    let home = Home::demo();
    home.add_model("other");
    let key = home.key("app", &["--model", "breast-cancer"]);
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let ask = || client.post("/v1/models/breast-cancer/predict", &question(&benign()));
    let ready = || server.client().get("/v2/health/ready").status;
    assert_eq!((ask().status, ready()), (200, 200));
    let trusted = home.path.join("keys/trusted/owner.pem");
    let owner = fs::read(&trusted).unwrap();
    // Somebody else is trusted, and whoever signed these is not any more.
    let stranger = home.beside("stranger.key");
    let made = mantlet().args(["model", "keygen", stranger.to_str().unwrap()]).output().unwrap();
    assert!(made.status.success());
    fs::copy(home.beside("stranger.key.pub"), home.path.join("keys/trusted/stranger.pem")).unwrap();
    fs::remove_file(&trusted).unwrap();
    let reloaded = home.json(&["config", "reload"]);
    assert_eq!(reloaded["stopped"].as_array().map(Vec::len), Some(2), "{reloaded}");
    let refused = ask();
    assert_eq!((refused.status, ready()), (503, 503), "{}", refused.text());
    refused.assert_discreet();
    assert!(server.said().contains("whoever signed this version is trusted no more"), "{}", server.said());
    let listed = home.json(&["model", "list"]);
    assert!(listed["models"].as_array().unwrap().iter().all(|model| model["status"] == "broken"), "{listed}");
    // A start comes to the same end as a reload.
    assert!(server.stop().success());
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let ask = || client.post("/v1/models/breast-cancer/predict", &question(&benign()));
    assert_eq!(ask().status, 503);
    // Trusted again, they answer again, without a restart.
    fs::write(&trusted, owner).unwrap();
    assert_eq!(home.json(&["config", "reload"])["stopped"], Value::Null);
    assert_eq!(ask().status, 200);
    assert_eq!(server.client().get("/v2/health/ready").status, 200);
}
