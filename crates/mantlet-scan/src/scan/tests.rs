//! What a folder's files claim for one another.

use super::*;

#[test]
fn claims_are_for_files_and_by_their_exact_names() {
    let limits = Limits::default();
    let raw = Input::Memory(b"\x00\xff\x00\xff");
    let mut scan = Scan::new(None, &limits);
    scan.claim("weights.bin");
    scan.file("weights.bin", &raw);
    assert_eq!(scan.report(Format::Folder).verdict, Verdict::Safe);
    // A member that is shown like a claimed file, and a name that is only shown alike.
    let mut scan = Scan::new(None, &limits);
    scan.claim("a!b");
    scan.within.push(("a".to_owned(), None));
    assert!(scan.member("b", &raw).is_ok());
    scan.within.pop();
    assert_eq!(scan.report(Format::Folder).verdict, Verdict::Unknown);
    let mut scan = Scan::new(None, &limits);
    scan.claim("a\\u{1}");
    scan.file("a\u{1}", &raw);
    assert_eq!(scan.report(Format::Folder).verdict, Verdict::Unknown);
    // A pickle is none because somebody claims it.
    let mut scan = Scan::new(None, &limits);
    scan.claim("weights.bin");
    scan.file("weights.bin", &Input::Memory(b"N0cwonder\nful\n\x00\xff"));
    assert_eq!(scan.report(Format::Folder).verdict, Verdict::Unsafe);
}
