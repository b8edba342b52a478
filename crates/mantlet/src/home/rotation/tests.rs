//! Either root key opens the home until the former one is let go, and no other ever does.

use super::*;
use crate::home::{InitOptions, prepare};

fn no_env(_: &str) -> Option<OsString> {
    None
}

fn made(dir: &Path) -> Home {
    let options = InitOptions { single_person: true, ..InitOptions::default() };
    prepare(dir, &options, no_env).unwrap().finish().unwrap().0
}

const INSIDE: RootKeySource = RootKeySource::Inside;

/// A file with a root key beside the home.
fn kept(dir: &Path, name: &str, text: &str) -> RootKeySource {
    let path = dir.join(name);
    files::replace(&path, text.as_bytes()).unwrap();
    RootKeySource::File(path)
}

fn text(home: &Home) -> String {
    fs::read_to_string(home.inside_root_key_path()).unwrap()
}

#[test]
fn either_key_opens_until_the_former_one_goes() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    let seed = home.audit_seed(&home.root_key(&INSIDE, no_env).unwrap()).unwrap();
    let former = kept(temp.path(), "former", &text(&home));
    let rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    let next = fs::read_to_string(beside(&home.inside_root_key_path())).unwrap();
    let new = kept(temp.path(), "new", &next);
    let other = kept(temp.path(), "other", &"ab".repeat(32));
    let opens = |source: &RootKeySource| {
        let root = home.root_key(source, no_env);
        root.is_ok_and(|root| home.audit_seed(&root).is_ok_and(|found| found == seed))
    };
    assert!(opens(&former) && opens(&new) && !opens(&other));
    assert_eq!(home.root_keys(&INSIDE, no_env).unwrap(), 2);
    rotation.reseal_files().unwrap();
    assert!(opens(&former) && opens(&new) && !opens(&other));
    rotation.place().unwrap();
    assert!(opens(&former) && opens(&new) && opens(&INSIDE));
    rotation.finish().unwrap();
    assert!(!opens(&former) && opens(&new) && opens(&INSIDE) && !opens(&other));
    assert_eq!((home.root_keys(&INSIDE, no_env).unwrap(), text(&home)), (1, next));
    // Another time, from a home that has a ring.
    let rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    rotation.reseal_files().unwrap();
    rotation.place().unwrap();
    rotation.finish().unwrap();
    assert!(!opens(&new) && opens(&INSIDE));
}

#[test]
fn what_was_interrupted_goes_on_with_the_same_key() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    let waiting = beside(&home.inside_root_key_path());
    // Left by a process that ended before anything opened by it.
    fs::write(&waiting, "nothing yet").unwrap();
    drop(Rotation::begin(&home, &INSIDE, None, no_env).unwrap());
    let (ring, next) = (fs::read(home.ring_path()).unwrap(), fs::read_to_string(&waiting).unwrap());
    let rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    assert_eq!((fs::read(home.ring_path()).unwrap(), fs::read_to_string(&waiting).unwrap()), (ring, next));
    rotation.reseal_files().unwrap();
    rotation.place().unwrap();
    drop(rotation);
    // Only the former key is left to go.
    let rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    assert!(!rotation.waits_for_configuration());
    rotation.reseal_files().unwrap();
    rotation.place().unwrap();
    rotation.finish().unwrap();
    assert_eq!(home.root_keys(&INSIDE, no_env).unwrap(), 1);
}

#[test]
fn to_another_place_the_former_key_goes_once_the_configuration_names_the_new_one() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    let to = RootKeySource::File(temp.path().join("elsewhere/root.key"));
    let rotation = Rotation::begin(&home, &INSIDE, Some(&to), no_env).unwrap();
    assert!(rotation.waits_for_configuration());
    rotation.reseal_files().unwrap();
    drop(rotation);
    let error = Rotation::begin(&home, &INSIDE, None, no_env).unwrap_err();
    assert!(matches!(error, RotationError::UnderWay) && error.hint().is_some());
    let other = kept(temp.path(), "other", &"ab".repeat(32));
    assert!(matches!(Rotation::begin(&home, &INSIDE, Some(&other), no_env), Err(RotationError::UnderWay)));
    let rotation = Rotation::begin(&home, &to, None, no_env).unwrap();
    assert!(!rotation.waits_for_configuration());
    rotation.finish().unwrap();
    assert!(home.root_key(&INSIDE, no_env).is_err());
    assert!(home.audit_seed(&home.root_key(&to, no_env).unwrap()).is_ok());
}

#[test]
fn keys_that_are_no_change_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    let same = kept(temp.path(), "same", &text(&home));
    let refused = |to: &RootKeySource| Rotation::begin(&home, &INSIDE, Some(to), no_env).unwrap_err();
    assert!(matches!(refused(&same), RotationError::SameKey(_)));
    assert!(matches!(refused(&INSIDE), RotationError::SamePlace(_)));
    let variable = RootKeySource::Env("ROOT".into());
    let env = |_: &str| Some(OsString::from(text(&home).trim_end()));
    let error = Rotation::begin(&home, &variable, None, env).unwrap_err();
    assert!(matches!(error, RotationError::NotOurs(_)));
    assert!(!home.ring_path().exists());
}

#[test]
fn an_altered_ring_and_another_homes_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (home, other) = (made(&temp.path().join("a")), made(&temp.path().join("b")));
    fs::copy(home.inside_root_key_path(), other.inside_root_key_path()).unwrap();
    Rotation::begin(&home, &INSIDE, None, no_env).unwrap().reseal_files().unwrap();
    Rotation::begin(&other, &INSIDE, None, no_env).unwrap();
    let ring = fs::read(home.ring_path()).unwrap();
    for at in (0..ring.len()).step_by(3) {
        let mut changed = ring.clone();
        changed[at] ^= 1;
        fs::write(home.ring_path(), changed).unwrap();
        // Of the two slots one is whole, unless it is the mark that was changed. It is the present key's or it is not.
        let opened = home.root_key(&INSIDE, no_env);
        assert!(opened.is_err() || home.audit_seed(&opened.unwrap()).is_ok(), "byte {at}");
    }
    fs::copy(other.ring_path(), home.ring_path()).unwrap();
    assert!(home.root_key(&INSIDE, no_env).is_err(), "the ring of another home with the same root key");
}
