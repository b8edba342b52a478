//! Making, opening, locking; keys in their places; certificates that a TLS stack accepts.

use std::{
    collections::HashMap,
    ffi::OsString,
    os::unix::fs::{PermissionsExt, symlink},
    sync::Arc,
};

use mantlet_types::Timestamp;
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};

use super::*;

/// 2026-06-01.
const NOW: Timestamp = Timestamp::from_micros(1_780_272_000_000_000);

fn no_env(_: &str) -> Option<OsString> {
    None
}

fn one_person() -> InitOptions {
    InitOptions { single_person: true, ..InitOptions::default() }
}

fn made(dir: &Path) -> (Home, RootKey) {
    made_for(dir, &[])
}

fn made_for(dir: &Path, names: &[&str]) -> (Home, RootKey) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let (home, source) =
        prepare(dir, &InitOptions { names, ..one_person() }, no_env).unwrap().finish().unwrap();
    let root = home.root_key(&source, no_env).unwrap();
    (home, root)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// All files and directories below.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        if path.is_dir() {
            found.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    found
}

#[test]
fn a_new_home_is_complete_and_closed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("home");
    let (home, root) = made(&dir);
    for path in tree(&dir) {
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    assert_eq!(fs::read_to_string(dir.join(".gitignore")).unwrap(), "*\n");
    assert_eq!(fs::read_to_string(dir.join(".dockerignore")).unwrap(), "*\n");
    assert_eq!(home.audit_seed(&root).unwrap().len(), 32);
    assert!(home.author_key_path().is_file() && home.trusted_signers_dir().join("owner.pem").is_file());
    let config = crate::config::Config::read(&home.config_path(), crate::config::Overlay::default()).unwrap();
    assert_eq!(config.dangers(), ["single_person"]);
    assert_eq!(config.store.root_key, RootKeySource::Inside);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "nothing lies beside it");
}

#[test]
fn a_teams_root_key_lies_outside() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, xdg) = (temp.path().join("home"), temp.path().join("xdg"));
    let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| xdg.clone().into_os_string());
    let new = prepare(&dir, &InitOptions::default(), env).unwrap();
    let key = xdg.join("mantlet").join(format!("{}.key", new.home().id()));
    let (home, source) = new.finish().unwrap();
    assert_eq!(source, RootKeySource::File(key.clone()));
    assert_eq!(mode(&key), 0o600);
    let text = fs::read_to_string(&key).unwrap();
    for path in tree(&dir).into_iter().filter(|path| path.is_file()) {
        assert!(!fs::read(&path).unwrap().windows(64).any(|window| window == &text.as_bytes()[..64]));
    }
    assert!(!home.author_key_path().exists(), "a team's authors keep their own keys");
    let config = crate::config::Config::read(&home.config_path(), crate::config::Overlay::default()).unwrap();
    assert_eq!((config.dangers(), config.store.root_key), (vec![], source));
}

#[test]
fn a_home_that_is_not_finished_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let xdg = temp.path().join("xdg");
    fs::create_dir_all(xdg.join("mantlet")).unwrap();
    let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| xdg.clone().into_os_string());
    let target = temp.path().join("home");
    drop(prepare(&target, &InitOptions::default(), env).unwrap());
    let taken = InitOptions { root_key: Some(RootKeySource::File(xdg.clone())), ..one_person() };
    assert!(prepare(&target, &taken, no_env).is_err(), "the key's place is taken by a directory");
    assert!(matches!(prepare(&target, &InitOptions::default(), no_env), Err(HomeError::NoConfigDir)));
    let inside = InitOptions { root_key: Some(RootKeySource::Inside), ..InitOptions::default() };
    assert!(matches!(prepare(&target, &inside, no_env), Err(HomeError::RootKeyInside)));
    let left: Vec<_> = tree(temp.path()).into_iter().filter(|path| !path.ends_with("xdg")).collect();
    assert_eq!(left, [temp.path().to_owned(), xdg.join("mantlet")]);
}

#[test]
fn an_occupied_place_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("file"), "").unwrap();
    assert!(matches!(prepare(temp.path(), &one_person(), no_env), Err(HomeError::NotEmpty { .. })));
    let dir = temp.path().join("home");
    fs::create_dir(&dir).unwrap();
    made(&dir); // an empty directory will do
    assert!(matches!(prepare(&dir, &one_person(), no_env), Err(HomeError::Exists { .. })));
    // Somebody was quicker, between the look and the rename.
    let late = temp.path().join("late");
    let new = prepare(&late, &one_person(), no_env).unwrap();
    fs::create_dir(&late).unwrap();
    fs::write(late.join("file"), "").unwrap();
    assert!(new.finish().is_err());
    assert_eq!(tree(&late).len(), 2);
}

#[test]
fn what_others_can_reach_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("home");
    let (home, _) = made(&dir);
    for path in
        [dir.clone(), home.keys_dir(), home.audit_key_path(), home.config_path(), home.inside_root_key_path()]
    {
        let before = mode(&path);
        for open in [before | 0o004, before | 0o020] {
            set_mode(&path, open);
            let error = Home::open(&dir).unwrap_err();
            assert!(matches!(&error, HomeError::Open { mode, .. } if *mode == open), "{error:?}");
            assert!(error.hint().unwrap().contains("chmod go="), "{error}");
        }
        set_mode(&path, before);
    }
    assert!(Home::open(&dir).is_ok());
    fs::rename(home.audit_key_path(), dir.join("elsewhere")).unwrap();
    symlink(dir.join("elsewhere"), home.audit_key_path()).unwrap();
    assert!(matches!(Home::open(&dir), Err(HomeError::Kind { .. })));
}

#[test]
fn what_is_no_home_is_not_opened() {
    let temp = tempfile::tempdir().unwrap();
    assert!(matches!(Home::open(temp.path()), Err(HomeError::Missing { .. })));
    for (id, newer) in
        [("", false), ("x", false), ("mantlet-home/1 ../../etc", false), ("mantlet-home/2 x", true)]
    {
        fs::write(temp.path().join("home.id"), id).unwrap();
        let error = Home::open(temp.path()).unwrap_err();
        assert_eq!(matches!(error, HomeError::Newer { .. }), newer, "{id}: {error}");
    }
}

#[test]
fn the_home_is_where_it_is_said_to_be() {
    let env = |value: &'static str| move |name: &str| (name == "MANTLET_HOME").then(|| OsString::from(value));
    assert_eq!(Home::find(Some(Path::new("/given")), env("/env")), Path::new("/given"));
    assert_eq!(Home::find(None, env("/env")), Path::new("/env"));
    assert_eq!(Home::find(None, env("")), Path::new(DEFAULT_DIR));
}

#[test]
fn a_second_writer_is_told_who_is_first() {
    let temp = tempfile::tempdir().unwrap();
    let (home, _) = made(&temp.path().join("home"));
    let lock = home.lock().unwrap();
    let error = home.lock().unwrap_err();
    assert!(matches!(error, HomeError::InUse { pid } if pid == std::process::id()), "{error}");
    drop(lock);
    assert!(home.lock().is_ok());
}

#[test]
fn a_root_key_comes_from_where_it_is_said_to_be() {
    let temp = tempfile::tempdir().unwrap();
    let (home, root) = made(&temp.path().join("home"));
    let seed = home.audit_seed(&root).unwrap();
    let text = fs::read_to_string(home.inside_root_key_path()).unwrap();
    let outside = temp.path().join("key");
    fs::write(&outside, &text).unwrap();
    set_mode(&outside, 0o640);
    let file = RootKeySource::File(outside.clone());
    assert!(matches!(home.root_key(&file, no_env), Err(RootKeyError::Open(_))));
    set_mode(&outside, 0o400);
    let env: HashMap<&str, OsString> = HashMap::from([
        ("CREDENTIALS_DIRECTORY", temp.path().as_os_str().to_owned()),
        ("ROOT", text.trim_end().into()),
        ("SHORT", text[..63].into()),
    ]);
    let env = |name: &str| env.get(name).cloned();
    for source in ["inside", &format!("file:{}", outside.display()), "credential:key", "env:ROOT"] {
        let root = home.root_key(&source.parse().unwrap(), env).unwrap();
        assert_eq!(home.audit_seed(&root).unwrap(), seed, "{source}");
    }
    for source in ["env:SHORT", "env:NONE", "credential:none", "file:/nonexistent/key"] {
        assert!(home.root_key(&source.parse().unwrap(), env).is_err(), "{source}");
    }
    assert!(matches!(
        home.root_key(&"credential:key".parse().unwrap(), no_env),
        Err(RootKeyError::NoCredentials)
    ));
}

#[test]
fn places_of_root_keys_read_as_they_are_written() {
    for text in ["inside", "file:/a/b", "credential:mantlet-root-key", "env:ROOT_KEY"] {
        assert_eq!(text.parse::<RootKeySource>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "outside",
        "file:a",
        "file:",
        "credential:",
        "credential:../x",
        "credential:a/b",
        "env:",
        "env:.",
        "secret:x",
        "00ff",
    ] {
        assert!(text.parse::<RootKeySource>().is_err(), "{text}");
    }
}

#[test]
fn sealed_files_belong_to_one_name_and_one_home() {
    let temp = tempfile::tempdir().unwrap();
    let (home, root) = made(&temp.path().join("a"));
    let (other, other_root) = made(&temp.path().join("b"));
    assert!(matches!(home.audit_seed(&other_root), Err(HomeError::Altered { .. })));
    // The same secret bytes under another home's id are another key.
    fs::copy(home.inside_root_key_path(), other.inside_root_key_path()).unwrap();
    let copied = other.root_key(&RootKeySource::Inside, no_env).unwrap();
    assert!(copied.open("x", &root.seal("x", b"secret").unwrap()).is_none());
    assert_eq!(**root.open("x", &root.seal("x", b"secret").unwrap()).unwrap(), *b"secret");
    // The authority's key in the audit key's place.
    fs::copy(home.keys_dir().join("ca.key"), home.audit_key_path()).unwrap();
    assert!(matches!(home.audit_seed(&root), Err(HomeError::Altered { .. })));
}

fn roots(home: &Home, root: &RootKey) -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.add(home.authority(root).certificate().unwrap()).unwrap();
    Arc::new(store)
}

fn at(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_micros(u64::try_from(time.micros()).unwrap()))
}

/// Certificates begin when the home is made, which is by the machine's clock.
fn now() -> Timestamp {
    let now = time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000;
    Timestamp::from_micros(i64::try_from(now).unwrap())
}

#[test]
fn the_servers_certificate_satisfies_a_client() {
    let temp = tempfile::tempdir().unwrap();
    let (home, root) = made_for(&temp.path().join("home"), &["example.com", "192.0.2.1"]);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let now = now();
    let names = ["gate.example.com".to_owned(), "192.0.2.1".to_owned()];
    let identity = home.authority(&root).server_identity(&names, now).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(&home, &root), Arc::clone(&provider))
        .build()
        .unwrap();
    let verify = |name: &str, time| {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&identity.chain[0], &[], &name, &[], at(time))
    };
    for name in ["localhost", "127.0.0.1", "::1", "gate.example.com", "192.0.2.1"] {
        assert!(verify(name, now).is_ok(), "{name}: {:?}", verify(name, now));
    }
    assert!(verify("evil.example.com", now).is_err());
    assert!(verify("localhost", now.plus_seconds(396 * 86_400)).is_ok());
    assert!(verify("localhost", now.plus_seconds(398 * 86_400)).is_err());
    rustls::crypto::aws_lc_rs::sign::any_supported_type(&identity.key).expect("the key can sign");
}

#[test]
fn a_stolen_authority_impersonates_no_other_site() {
    let temp = tempfile::tempdir().unwrap();
    let (home, root) = made_for(&temp.path().join("home"), &["gate.example.com", "192.0.2.1"]);
    let authority = home.authority(&root);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots(&home, &root), provider).build().unwrap();
    // The thief has no need of our own check.
    let key = files::read_sealed(&home.keys_dir().join("ca.key"), &root).unwrap();
    let key = rcgen::KeyPair::try_from(key.as_slice()).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_der(&authority.certificate().unwrap(), key).unwrap();
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let believed = |name: &str| {
        let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        let leaf = params.signed_by(&leaf_key, &issuer).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(leaf.der(), &[], &name, &[], at(now())).is_ok()
    };
    for own in
        ["localhost", "127.0.0.1", "127.0.0.2", "::1", "gate.example.com", "a.gate.example.com", "192.0.2.1"]
    {
        assert!(believed(own), "{own}");
    }
    for other in ["example.com", "bank.example", "xgate.example.com", "192.0.2.2", "2001:db8::1"] {
        assert!(!believed(other), "{other}");
        let refused = authority.server_identity(&[other.to_owned()], now());
        assert!(matches!(refused, Err(AuthorityError::NotPermitted(name)) if name == other));
    }
}

#[test]
fn the_certificate_that_stands_alone_is_for_the_homes_names_and_in_a_file_of_its_own() {
    let temp = tempfile::tempdir().unwrap();
    let (home, root) = made_for(&temp.path().join("home"), &["gate.example.com", "192.0.2.1"]);
    let lone = home.authority(&root).server_identity(&[], now()).unwrap().lone.unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut trusted = rustls::RootCertStore::empty();
    let alone: Vec<_> =
        CertificateDer::pem_file_iter(home.grpc_path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(alone, std::slice::from_ref(&lone.certificate));
    trusted.add(lone.certificate.clone()).unwrap();
    // Who trusts the authority trusts nothing else: some verifiers believe whatever they trust in all that it signs.
    assert_eq!(CertificateDer::pem_file_iter(home.ca_path()).unwrap().count(), 1);
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(trusted), provider).build().unwrap();
    let verify = |certificate: &CertificateDer<'_>, name: &str| {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(certificate, &[], &name, &[], at(now())).is_ok()
    };
    for name in ["localhost", "127.0.0.1", "::1", "gate.example.com", "192.0.2.1"] {
        assert!(verify(&lone.certificate, name), "{name}");
    }
    for name in ["127.0.0.2", "a.gate.example.com", "example.com"] {
        assert!(!verify(&lone.certificate, name), "{name}");
    }
    let (_, parsed) = x509_parser::parse_x509_certificate(&lone.certificate).unwrap();
    assert!(!parsed.is_ca() && parsed.name_constraints().unwrap().is_none());
    rustls::crypto::aws_lc_rs::sign::any_supported_type(&lone.key).expect("the key can sign");
}

#[test]
fn the_servers_certificate_is_kept_while_it_will_do() {
    let temp = tempfile::tempdir().unwrap();
    let (home, root) = made_for(&temp.path().join("home"), &["gate.example.com"]);
    let authority = home.authority(&root);
    let identity = |names: &[&str], time| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        authority.server_identity(&names, time).unwrap().chain[0].clone()
    };
    let first = identity(&[], NOW);
    assert_eq!(identity(&[], NOW.plus_seconds(382 * 86_400)), first);
    let renewed = identity(&[], NOW.plus_seconds(384 * 86_400));
    assert_ne!(renewed, first, "two weeks before the end");
    assert_ne!(identity(&["gate.example.com"], NOW.plus_seconds(384 * 86_400)), renewed, "another name");
    let named = identity(&["gate.example.com"], NOW.plus_seconds(384 * 86_400));
    fs::remove_file(home.keys_dir().join("server.key")).unwrap();
    assert_ne!(identity(&["gate.example.com"], NOW.plus_seconds(384 * 86_400)), named, "the key is gone");
    assert!(matches!(authority.server_identity(&["ü".to_owned()], NOW), Err(AuthorityError::Name(_))));
}

#[test]
fn a_user_certificate_satisfies_the_server_and_names_its_user() {
    let temp = tempfile::tempdir().unwrap();
    let (home, root) = made(&temp.path().join("home"));
    let now = now();
    let alice = "alice".parse().unwrap();
    let issued = home.authority(&root).issue_user_certificate(&alice, now).unwrap();
    let der = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
    let factor = user_certificate(&der).unwrap();
    assert_eq!((factor.user, factor.digest, factor.expires), (alice, issued.digest, issued.expires));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    assert_eq!(digest.as_ref(), issued.digest.0);
    let days = (issued.expires.micros() - now.micros()) / 86_400_000_000;
    assert!((89..=90).contains(&days), "{days}");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(&home, &root), provider).build().unwrap();
    assert!(verifier.verify_client_cert(&der, &[], at(now)).is_ok());
    assert!(verifier.verify_client_cert(&der, &[], at(now.plus_seconds(91 * 86_400))).is_err());
    // A server's certificate is nobody's second factor.
    let server = home.authority(&root).server_identity(&[], now).unwrap();
    assert!(verifier.verify_client_cert(&server.chain[0], &[], at(now)).is_err());
    assert_eq!(user_certificate(&server.chain[0]), None);
    assert_eq!(user_certificate(b"not a certificate"), None);
}

#[test]
fn ones_own_certificate_is_read_if_its_key_is_private() {
    let temp = tempfile::tempdir().unwrap();
    let (home, root) = made(&temp.path().join("home"));
    let issued = home.authority(&root).issue_user_certificate(&"alice".parse().unwrap(), NOW).unwrap();
    let (certificate, key) = (temp.path().join("c.pem"), temp.path().join("k.pem"));
    fs::write(&certificate, &issued.certificate_pem).unwrap();
    fs::write(&key, issued.key_pem.as_bytes()).unwrap();
    set_mode(&key, 0o644);
    assert!(matches!(ServerIdentity::from_files(&certificate, &key), Err(AuthorityError::File(_))));
    set_mode(&key, 0o600);
    assert_eq!(ServerIdentity::from_files(&certificate, &key).unwrap().expires, issued.expires);
    assert!(matches!(ServerIdentity::from_files(&key, &key), Err(AuthorityError::Unreadable { .. })));
}
