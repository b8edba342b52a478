//! Packages on the wire.

use mantlet::server::upload::{decode, encode};

/// What is taken was sent whole, and is the same when it is sent again.
pub(crate) fn body(data: &[u8]) {
    let Ok((subject, files)) = decode(data) else { return };
    let content: usize = files.values().map(Vec::len).sum();
    assert!(content < data.len(), "there is more in the files than was sent");
    let again = encode(&subject, files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    assert_eq!(decode(&again), Ok((subject, files)));
}
