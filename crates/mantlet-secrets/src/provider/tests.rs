//! What is read, what is refused, and that no error repeats a value.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use super::*;

const CANARY: &str = "sk-canary-2b91";

fn variable(name: &str) -> Option<OsString> {
    match name {
        "SET" => Some(format!("{CANARY}\n").into()),
        "EMPTY" => Some(OsString::new()),
        _ => None,
    }
}

struct One;

impl Kept for One {
    fn value(&self, name: &SecretName) -> Option<Arc<Secret>> {
        (name.as_str() == "openai").then(|| Arc::new(Secret::new(CANARY.into()).ok().unwrap()))
    }
}

fn found(reference: &str) -> Result<String, Fault> {
    let providers = Providers::with_variables(One, variable);
    let found = providers.resolve(&reference.parse().unwrap());
    if let Err(error) = &found {
        assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
        assert!(error.to_string().contains(reference), "{error}");
    }
    found.map(|secret| secret.expose_str().unwrap().to_owned()).map_err(|error| error.fault)
}

#[test]
fn variables_and_the_home_s_own_are_found() {
    assert_eq!(found("env:SET").unwrap(), CANARY);
    assert_eq!(found("env:EMPTY"), Err(Fault::Value(SecretValueError::Empty)));
    assert_eq!(found("env:UNSET"), Err(Fault::Missing));
    assert_eq!(found("secret:openai").unwrap(), CANARY);
    assert_eq!(found("secret:other"), Err(Fault::Missing));
}

#[test]
fn files_are_their_owner_s_alone_or_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let at = |path: &Path| found(&format!("file:{}", path.display()));
    assert_eq!(at(&path), Err(Fault::Missing));
    fs::write(&path, format!("{CANARY}\r\n")).unwrap();
    for mode in 0..0o1000 {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let read = at(&path);
        match mode {
            0o400 | 0o600 => assert_eq!(read.unwrap(), CANARY, "{mode:o}"),
            // Whoever runs the tests as root reads these as well.
            0o000 | 0o200 => assert!(read.is_ok() || read == Err(Fault::Unreadable), "{mode:o}"),
            _ => assert!(matches!(read, Err(Fault::Open | Fault::Unreadable)), "{mode:o}: {read:?}"),
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(at(&link), Err(Fault::Link));
    symlink(directory.path().join("nothing"), directory.path().join("dangling")).unwrap();
    assert_eq!(at(&directory.path().join("dangling")), Err(Fault::Link));
    assert_eq!(at(directory.path()), Err(Fault::NoFile));
    assert_eq!(at(Path::new("/dev/null")), Err(Fault::NoFile));
    assert_eq!(at(&path.join("below")), Err(Fault::Missing));
}

#[test]
fn what_is_no_value_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let with = |bytes: Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        found(&format!("file:{}", path.display()))
    };
    assert_eq!(with(Vec::new()), Err(Fault::Value(SecretValueError::Empty)));
    assert_eq!(with(b"\n".to_vec()), Err(Fault::Value(SecretValueError::Empty)));
    let longest = vec![b'x'; SECRET_BYTES_MAX];
    assert_eq!(with([&longest[..], b"\r\n"].concat()).unwrap().len(), SECRET_BYTES_MAX);
    assert_eq!(with([&longest[..], b"y"].concat()), Err(Fault::Value(SecretValueError::TooLong)));
    assert_eq!(with(vec![b'x'; 10 * SECRET_BYTES_MAX]), Err(Fault::Value(SecretValueError::TooLong)));
}

#[tokio::test]
async fn fetching_finds_what_resolving_finds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    fs::write(&path, CANARY).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let providers = Providers::with_variables(One, variable);
    for reference in ["env:SET", "env:UNSET", "secret:openai", &format!("file:{}", path.display())] {
        let reference: SecretRef = reference.parse().unwrap();
        let fetched = providers.fetch(&reference).await.map(|secret| secret.expose().to_vec());
        let resolved = providers.resolve(&reference).map(|secret| secret.expose().to_vec());
        assert_eq!(fetched, resolved.map_err(|error| error.fault));
    }
}
