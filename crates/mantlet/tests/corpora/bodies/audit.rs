//! Audit entries.

use mantlet_types::Entry;
use serde_json::Value;

/// An entry that is read can be written, in canonical form, and is then read as the same: the verifier relies on it.
pub(crate) fn entry(data: &[u8]) {
    let Ok(entry) = serde_json::from_slice::<Entry>(data) else { return };
    let written = serde_json::to_string(&entry).unwrap();
    let again: Entry = serde_json::from_str(&written).unwrap();
    assert_eq!(entry, again);
    // RFC 8785 for what entries consist of: members in the order of their names, no white space.
    let sorted: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(written, sorted.to_string());
    assert!(written.is_ascii() && !written.contains('\\'), "an entry carries text");
}
