//! Slots that were exchanged, left out or made for another number of keys do not open.

use super::*;
use crate::home::{InitOptions, prepare};

fn home(dir: &std::path::Path) -> Home {
    let options = InitOptions { single_person: true, ..InitOptions::default() };
    prepare(&dir.join("home"), &options, |_| None).unwrap().finish().unwrap().0
}

fn secret(byte: u8) -> Secret {
    Zeroizing::new([byte; 32])
}

fn content(keys: u8) -> Content {
    Content { keys: (0..keys).map(|key| secret(100 + key)).collect(), completed: 3, retired: vec![[9; 32]] }
}

#[test]
fn slots_are_bound_to_their_line_and_number() {
    let temp = tempfile::tempdir().unwrap();
    let home = home(temp.path());
    let (new, former) = (secret(1), secret(2));
    Ring::put(&home, &[(&new, &content(1)), (&former, &content(1))]).unwrap();
    let opened = Ring::open(&home, &former).unwrap();
    assert_eq!((opened.roots, opened.newest_root, opened.content.completed), (2, false, 3));
    assert_eq!((opened.content.keys.len(), opened.content.has_retired([9; 32])), (1, true));
    assert!(Ring::open(&home, &new).unwrap().newest_root);
    let text = std::fs::read_to_string(home.ring_path()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (one, other) = (lines[1], lines[2]);
    let edits = [vec![other, one], vec![one], vec![other], vec![one, one], vec![]];
    for (which, slots) in edits.into_iter().enumerate() {
        std::fs::write(home.ring_path(), format!("{MARK}\n{}\n", slots.join("\n"))).unwrap();
        // The first line twice is the first slot where it was, and no more.
        let first = which == 3;
        assert_eq!(
            (Ring::open(&home, &new).is_ok(), Ring::open(&home, &former).is_ok()),
            (first, false),
            "{which}"
        );
    }
}

#[test]
fn rings_that_cannot_be_are_not_made() {
    let temp = tempfile::tempdir().unwrap();
    let home = home(temp.path());
    let (new, former) = (secret(1), secret(2));
    for keys in [0, 3, 4] {
        assert!(Ring::put(&home, &[(&new, &content(keys))]).is_err(), "{keys}");
    }
    assert!(Ring::put(&home, &[]).is_err());
    assert!(Ring::put(&home, &[(&new, &content(2)), (&former, &content(2))]).is_err());
    assert!(
        Ring::put(&home, &[(&new, &content(1)), (&former, &content(1)), (&former, &content(1))]).is_err()
    );
    assert!(!home.ring_path().exists());
    Ring::put(&home, &[(&new, &content(2))]).unwrap();
    assert_eq!(Ring::open(&home, &new).unwrap().content.keys.len(), 2);
}

#[test]
fn the_oldest_of_too_many_retired_keys_is_forgotten() {
    let mut content = content(1);
    for number in 0..RETIRED_MAX as u64 {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        content.retire(digest);
    }
    assert!(!content.has_retired([9; 32]) && content.has_retired([0; 32]));
    let parsed = Content::parse(&content.encode().unwrap()).unwrap();
    assert_eq!(parsed.retired, content.retired);
}
