//! Either root key opens the home until the former one is let go, and no other ever does.

use super::*;
use crate::home::{InitOptions, RootKeyState, prepare};

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

/// All that is left once a rotation was begun.
fn complete(mut rotation: Rotation<'_>) {
    rotation.place().unwrap();
    rotation.renew_home_key(no_env).unwrap();
    rotation.reseal_files().unwrap();
    rotation.check_files().unwrap();
    rotation.finish().unwrap();
}

fn state(home: &Home, source: &RootKeySource) -> RootKeyState {
    home.root_key_state(source, no_env).unwrap()
}

#[test]
fn either_key_opens_until_the_home_has_a_new_one() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    let seed = home.audit_seed(&home.root_key(&INSIDE, no_env).unwrap()).unwrap();
    let former = kept(temp.path(), "former", &text(&home));
    let mut rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    let next = fs::read_to_string(beside(&home.inside_root_key_path())).unwrap();
    let new = kept(temp.path(), "new", &next);
    let other = kept(temp.path(), "other", &"ab".repeat(32));
    let opens = |source: &RootKeySource| {
        let root = home.root_key(source, no_env);
        root.is_ok_and(|root| home.audit_seed(&root).is_ok_and(|found| found == seed))
    };
    assert!(opens(&former) && opens(&new) && !opens(&other));
    assert_eq!(state(&home, &INSIDE), RootKeyState::Either);
    rotation.place().unwrap();
    assert!(opens(&former) && opens(&new) && opens(&INSIDE) && !opens(&other));
    rotation.renew_home_key(no_env).unwrap();
    assert_eq!(state(&home, &INSIDE), RootKeyState::Resealing);
    let refused = home.root_key(&INSIDE, no_env).unwrap_err();
    assert!(refused.hint().is_some_and(|hint| hint.contains("root key rotate")), "{refused}");
    rotation.reseal_files().unwrap();
    rotation.finish().unwrap();
    assert!(!opens(&former) && opens(&new) && opens(&INSIDE) && !opens(&other));
    assert_eq!((state(&home, &INSIDE), text(&home)), (RootKeyState::Settled, next));
    // Another time, from a home that has a ring.
    complete(Rotation::begin(&home, &INSIDE, None, no_env).unwrap());
    assert!(!opens(&new) && opens(&INSIDE));
}

/// Somebody who has the former root key, and copies of the ring from every moment.
#[test]
fn the_former_root_key_never_opens_the_homes_new_key() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    for round in 0..2 {
        let former = kept(temp.path(), &format!("former-{round}"), &text(&home));
        let former = root_key::secret(&former, &home, &no_env).unwrap();
        let mut rings = Vec::new();
        let mut rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
        let mut copy = || rings.push(fs::read(home.ring_path()).unwrap());
        copy();
        rotation.place().unwrap();
        copy();
        rotation.renew_home_key(no_env).unwrap();
        copy();
        let fresh = rotation.content.keys[0].clone();
        rotation.reseal_files().unwrap();
        rotation.finish().unwrap();
        copy();
        let newest = fs::read(home.ring_path()).unwrap();
        let mut opened = 0;
        for ring in rings {
            fs::write(home.ring_path(), ring).unwrap();
            if let Ok(ring) = Ring::open(&home, &former) {
                opened += 1;
                assert!(!ring.content.keys.contains(&fresh), "round {round}");
            }
        }
        assert_eq!(opened, 2, "the two in which either root key has a slot");
        fs::write(home.ring_path(), newest).unwrap();
    }
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
    let mut rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    assert_eq!(
        (fs::read(home.ring_path()).unwrap(), fs::read_to_string(&waiting).unwrap()),
        (ring, next.clone())
    );
    rotation.place().unwrap();
    drop(rotation);
    let mut rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    assert!(!rotation.waits_for_configuration());
    rotation.renew_home_key(no_env).unwrap();
    rotation.reseal_files().unwrap();
    drop(rotation);
    // Only the former key is left to go.
    complete(Rotation::begin(&home, &INSIDE, None, no_env).unwrap());
    assert_eq!((state(&home, &INSIDE), text(&home)), (RootKeyState::Settled, next));
}

#[test]
fn to_another_place_the_former_key_goes_once_the_configuration_names_the_new_one() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    let to = RootKeySource::File(temp.path().join("elsewhere/root.key"));
    let mut rotation = Rotation::begin(&home, &INSIDE, Some(&to), no_env).unwrap();
    assert!(rotation.waits_for_configuration());
    assert!(matches!(rotation.renew_home_key(no_env), Err(RotationError::UnderWay)));
    drop(rotation);
    let under_way = |source: &RootKeySource, to: Option<&RootKeySource>| {
        let error = Rotation::begin(&home, source, to, no_env).unwrap_err();
        assert!(matches!(error, RotationError::UnderWay) && error.hint().is_some(), "{error}");
    };
    under_way(&INSIDE, None);
    let other = kept(temp.path(), "other", &"ab".repeat(32));
    under_way(&INSIDE, Some(&other));
    // Once the new one is named, another place would not be heard.
    under_way(&to, Some(&other));
    let mut rotation = Rotation::begin(&home, &to, None, no_env).unwrap();
    assert!(!rotation.waits_for_configuration());
    rotation.renew_home_key(no_env).unwrap();
    drop(rotation);
    under_way(&to, Some(&other));
    complete(Rotation::begin(&home, &to, None, no_env).unwrap());
    assert!(home.root_key(&INSIDE, no_env).is_err());
    assert!(home.audit_seed(&home.root_key(&to, no_env).unwrap()).is_ok());
    // The former key is where it was.
    let error = Rotation::begin(&home, &to, Some(&INSIDE), no_env).unwrap_err();
    assert!(matches!(error, RotationError::Retired(_)), "{error}");
}

/// A file of that name that is somebody's, or that leads somewhere, is not written over.
#[test]
fn a_new_key_is_made_where_nothing_is() {
    let temp = tempfile::tempdir().unwrap();
    let (place, link) = (temp.path().join("a/b/root.key"), temp.path().join("link"));
    let elsewhere = tempfile::tempdir().unwrap();
    let home = made(&elsewhere.path().join("home"));
    let make = |path: &Path| root_key::make_secret(&home, &INSIDE, path, &no_env);
    make(&place).unwrap();
    let first = fs::read(&place).unwrap();
    assert!(make(&place).is_err());
    assert_eq!(fs::read(&place).unwrap(), first);
    std::os::unix::fs::symlink(temp.path().join("nowhere"), &link).unwrap();
    assert!(make(&link).is_err());
    assert!(!temp.path().join("nowhere").exists());
    let left =
        fs::read_dir(place.parent().unwrap()).unwrap().count() + fs::read_dir(temp.path()).unwrap().count();
    assert_eq!(left, 3, "a copy of a key was left behind");
}

#[test]
fn a_ring_that_was_exchanged_is_not_finished() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    let mut rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    rotation.place().unwrap();
    let either = fs::read(home.ring_path()).unwrap();
    rotation.renew_home_key(no_env).unwrap();
    rotation.reseal_files().unwrap();
    fs::write(home.ring_path(), &either).unwrap();
    assert!(matches!(rotation.finish(), Err(RotationError::UnderWay)));
    assert_eq!(fs::read(home.ring_path()).unwrap(), either);
}

#[test]
fn a_change_is_abandoned_before_the_new_key_is_in_its_place_only() {
    let temp = tempfile::tempdir().unwrap();
    let home = made(&temp.path().join("home"));
    let abandon = || Rotation::abandon(&home, &INSIDE, no_env);
    assert!(matches!(abandon(), Err(RotationError::NotUnderWay)));
    let before = text(&home);
    let to = RootKeySource::File(temp.path().join("new.key"));
    drop(Rotation::begin(&home, &INSIDE, Some(&to), no_env).unwrap());
    abandon().unwrap();
    assert_eq!((state(&home, &INSIDE), text(&home)), (RootKeyState::Settled, before));
    assert!(home.root_key(&to, no_env).is_err());
    let again = Rotation::begin(&home, &INSIDE, Some(&to), no_env).unwrap_err();
    assert!(matches!(again, RotationError::Retired(_)), "{again}");
    let mut rotation = Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
    rotation.place().unwrap();
    assert!(matches!(abandon(), Err(RotationError::TooLate)));
    rotation.renew_home_key(no_env).unwrap();
    assert!(matches!(abandon(), Err(RotationError::TooLate)));
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
    Rotation::begin(&home, &INSIDE, None, no_env).unwrap();
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
