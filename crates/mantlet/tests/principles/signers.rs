//! Trust stands, or it does not: what a signer has signed answers for as long as the signer is trusted.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
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

#[test]
fn two_packages_with_one_manifest_stand_each_by_its_own_signer() {
    let home = Home::demo();
    let keygen = |name: &str| {
        let key = home.beside(name);
        let made = mantlet().args(["model", "keygen", key.to_str().unwrap()]).output().unwrap();
        assert!(made.status.success());
        let trusted = home.path.join(format!("keys/trusted/{name}.pem"));
        fs::copy(format!("{}.pub", key.display()), &trusted).unwrap();
        (key.to_str().unwrap().to_owned(), trusted)
    };
    let (anna, berta) = (keygen("anna"), keygen("berta"));
    let server = Server::start(&home);
    // The same files, signed by the one and then by the other: one manifest, two signatures.
    let package = home.package("twins");
    let dir = package.to_str().unwrap();
    for (key, _) in [&anna, &berta] {
        let _ = fs::remove_file(package.join("model.sig"));
        assert!(mantlet().args(["model", "sign", dir, "--key", key]).output().unwrap().status.success());
        home.json(&["model", "add", dir]);
    }
    let versions = || {
        let listed = home.json(&["model", "list"]);
        let models = listed["models"].as_array().unwrap().clone();
        let of = |number: u64| {
            models
                .iter()
                .find(|model| model["model"] == "twins" && model["version"] == number)
                .unwrap()
                .clone()
        };
        [of(1), of(2)]
    };
    let before = versions();
    assert_eq!(before[0]["digest"], before[1]["digest"], "the test is about one manifest");
    fs::remove_file(&anna.1).unwrap();
    let reloaded = home.json(&["config", "reload"]);
    assert_eq!(reloaded["stopped"].as_array().map(Vec::len), Some(1), "{reloaded}");
    assert_eq!(reloaded["stopped"][0], "twins@1", "whoever signed the other one is trusted still");
    assert_eq!(versions()[1]["status"], "live");
    drop(server);
}

/// An authority that certifies signers, in PEM, and a key with the chain that it gave.
fn certified(home: &Home) -> (String, PathBuf, PathBuf) {
    let named = |name: &str, is_ca, usage| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = is_ca;
        params.key_usages = vec![usage];
        params
    };
    let key = || KeyPair::generate().unwrap();
    let any = IsCa::Ca(BasicConstraints::Unconstrained);
    let (above, issuing, signer) = (named("models", any, KeyUsagePurpose::KeyCertSign), key(), key());
    let root = above.self_signed(&issuing).unwrap();
    let authority = Issuer::new(above, issuing);
    let leaf = named("dora", IsCa::ExplicitNoCa, KeyUsagePurpose::DigitalSignature);
    let leaf = leaf.signed_by(&signer, &authority).unwrap();
    let (private, chain) = (home.beside("dora.key"), home.beside("dora.crt"));
    fs::write(&private, signer.serialize_pem()).unwrap();
    fs::write(&chain, leaf.pem()).unwrap();
    (root.pem(), private, chain)
}

#[test]
fn whom_an_authority_certifies_may_sign_for_as_long_as_the_authority_is_trusted() {
    let home = Home::demo();
    let (authority, private, chain) = certified(&home);
    let package = home.package("certified");
    let dir = package.to_str().unwrap();
    let mut sign = mantlet();
    sign.args(["model", "sign", dir, "--key"]).arg(&private).arg("--certificate").arg(&chain);
    assert!(sign.output().unwrap().status.success());
    // The chain comes with the signature, and that is no reason to believe it.
    assert_eq!(home.run(&["model", "add", dir]).status.code(), Some(2));
    let trusted = home.path.join("keys/trusted/models-ca.pem");
    fs::write(&trusted, authority).unwrap();
    home.json(&["model", "add", dir]);
    let key = home.key("app", &["--model", "certified"]);
    let server = Server::start(&home);
    let client = server.client_with(&key.key);
    let ask = || client.post("/v1/models/certified/predict", &question(&benign())).status;
    assert_eq!(ask(), 200);
    fs::remove_file(&trusted).unwrap();
    let reloaded = home.json(&["config", "reload"]);
    assert_eq!(reloaded["stopped"], serde_json::json!(["certified@1"]), "{reloaded}");
    assert_eq!(ask(), 503);
}
