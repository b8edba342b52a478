//! Archives written byte by byte: their files are not compressed, so that every field can be chosen.

use proptest::prelude::*;

use crate::{Limits, Verdict, scan_bytes};

/// A pickle that does nothing, and one that runs a command.
const GOOD: &[u8] = b"\x80\x04]\x94.";
const BAD: &[u8] = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.";

/// A header of `files` in one folder that is copied as it is, with `more` properties of files.
fn header(files: &[(&str, &[u8])], more: &[u8]) -> Vec<u8> {
    let count = files.len() as u8;
    let total: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut header = vec![1, 4, 6, 0, 1, 9, total as u8, 0];
    header.extend([7, 0x0b, 1, 0, 1, 1, 0, 0x0c, total as u8, 0]);
    header.extend([8, 0x0d, count]);
    if count > 1 {
        header.push(9);
        header.extend(files.iter().take(files.len() - 1).map(|(_, bytes)| bytes.len() as u8));
    }
    header.extend([0x0a, 1]);
    header.extend(files.iter().flat_map(|(_, bytes)| crc32fast::hash(bytes).to_le_bytes()));
    header.push(0);
    header.push(0);
    let names: Vec<u8> = files
        .iter()
        .flat_map(|(name, _)| name.encode_utf16().chain([0]))
        .flat_map(u16::to_le_bytes)
        .collect();
    header.extend([5, count, 0x11, names.len() as u8 + 1, 0]);
    header.extend(names);
    header.extend(more);
    header.extend([0, 0]);
    header
}

fn archive(packed: &[u8], header: &[u8]) -> Vec<u8> {
    let mut next = (packed.len() as u64).to_le_bytes().to_vec();
    next.extend((header.len() as u64).to_le_bytes());
    next.extend(crc32fast::hash(header).to_le_bytes());
    let mut archive = b"7z\xbc\xaf\x27\x1c\0\x04".to_vec();
    archive.extend(crc32fast::hash(&next).to_le_bytes());
    archive.extend(next);
    archive.extend(packed);
    archive.extend(header);
    archive
}

fn of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let packed: Vec<u8> = files.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
    archive(&packed, &header(files, &[]))
}

/// The first rule that an archive breaks.
fn check(archive: &[u8], expect: Option<&str>) {
    let report = scan_bytes(archive, None, &Limits::default());
    assert_eq!(report.findings.first().map(|finding| finding.rule), expect, "{:?}", report.findings);
    assert_eq!(report.verdict == Verdict::Safe, expect.is_none());
}

#[test]
fn every_file_of_a_folder_is_judged() {
    check(&of(&[("a.pkl", GOOD), ("b.pkl", GOOD)]), None);
    let report = scan_bytes(&of(&[("a.pkl", GOOD), ("b.pkl", BAD)]), None, &Limits::default());
    assert_eq!(report.format, crate::Format::SevenZip);
    let finding = &report.findings[0];
    assert_eq!((finding.rule, finding.member.as_deref()), ("pickle/name", Some("b.pkl")));
}

#[test]
fn names_stay_below_and_run_nothing() {
    for name in ["../a.pkl", "/a.pkl", "a\\b.pkl", "C:a.pkl", "", "a//b"] {
        check(&of(&[(name, GOOD)]), Some("archive/path"));
    }
    check(&of(&[("a", GOOD), ("a", GOOD)]), Some("archive/path"));
    check(&of(&[("a.py", GOOD)]), Some("executable/code"));
    // A link of Unix, and one of Windows.
    for attributes in [0xa1ff_8000_u32, 0x400] {
        let more = [&[0x15, 6, 1, 0][..], &attributes.to_le_bytes()].concat();
        check(&archive(GOOD, &header(&[("a", GOOD)], &more)), Some("archive/link"));
    }
}

#[test]
fn headers_account_for_every_byte() {
    let one = header(&[("a", GOOD)], &[]);
    check(&archive(GOOD, &one), None);
    // Bytes of no stream before the header, and behind it.
    check(&archive(&[GOOD, BAD].concat(), &one), Some("sevenz/malformed"));
    check(&[archive(GOOD, &one), BAD.to_vec()].concat(), Some("sevenz/malformed"));
    // Spoiled: content, header, beginning.
    let whole = archive(GOOD, &one);
    for (at, rule) in [(33, "sevenz/unreadable"), (40, "sevenz/malformed"), (20, "sevenz/malformed")] {
        let mut spoiled = whole.clone();
        spoiled[at] ^= 0x20;
        let report = scan_bytes(&spoiled, None, &Limits::default());
        assert!(report.findings.iter().any(|finding| finding.rule == rule), "{at}: {:?}", report.findings);
    }
    // Anti-items, comments, names elsewhere, a property twice.
    for more in [&[0x10, 1, 0x80][..], &[0x16, 1, 0], &[0x11, 3, 0, 0, 0]] {
        check(&archive(GOOD, &header(&[("a", GOOD)], more)), Some("sevenz/malformed"));
    }
    // More files than the header has room for.
    let mut many = one.clone();
    let at = many.iter().rposition(|byte| *byte == 5).unwrap();
    many.splice(at + 1..at + 2, [0xf0, 0xff, 0xff, 0xff, 0x7f]);
    check(&archive(GOOD, &many), Some("sevenz/malformed"));
    check(&archive(b"", &[]), None);
}

#[test]
fn coders_that_are_not_read_are_refused() {
    let one = header(&[("a", GOOD)], &[]);
    let coder = one.windows(3).position(|part| part == [1, 1, 0]).unwrap() + 1;
    // AES, PPMd, BCJ2 with its four inputs, and alternatives.
    for id in [&[0x04, 6, 0xf1, 7, 1][..], &[3, 3, 4, 1], &[0x14, 3, 3, 1, 0x1b, 4, 1], &[0x81, 0]] {
        let mut other = one.clone();
        other.splice(coder..coder + 2, id.iter().copied());
        let report = scan_bytes(&archive(GOOD, &other), None, &Limits::default());
        assert!(report.findings[0].rule.starts_with("sevenz/"), "{id:x?}: {:?}", report.findings);
    }
    // A dictionary of 4 GiB for five bytes takes no more than these; one for as many bytes is over the bound.
    let mut lzma = one.clone();
    lzma.splice(coder..coder + 2, [0x21, 0x21, 1, 40]);
    check(&archive(GOOD, &lzma), Some("sevenz/unreadable"));
}

proptest! {
    /// Whatever stands in a header: a verdict, and never safe unless it is what was written.
    #[test]
    fn spoiled_headers_end_in_a_verdict(at in 0_usize..60, byte in any::<u8>()) {
        let files = [("a.pkl", GOOD), ("b.pkl", BAD)];
        let mut other = header(&files, &[]);
        let at = at % other.len();
        other[at] = byte;
        let packed = [GOOD, BAD].concat();
        let report = scan_bytes(&archive(&packed, &other), None, &Limits::default());
        prop_assert_ne!(report.verdict, Verdict::Safe);
    }
}
