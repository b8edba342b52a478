//! The demonstration's model: small, real, and part of the binary. Its origin and licence stand in its README.

use std::collections::BTreeMap;

/// The model's name.
pub const MODEL: &str = "breast-cancer";

/// The package's files, unsigned: a home's own author signs them.
#[must_use]
pub fn files() -> BTreeMap<String, Vec<u8>> {
    let files: [(&str, &[u8]); 4] = [
        ("model.onnx", include_bytes!("../demo/breast-cancer/model.onnx")),
        ("mantlet-model.toml", include_bytes!("../demo/breast-cancer/mantlet-model.toml")),
        ("profile.json", include_bytes!("../demo/breast-cancer/profile.json")),
        ("README.md", include_bytes!("../demo/breast-cancer/README.md")),
    ];
    files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect()
}

/// A row of the model's test data, which it answers with confidence.
pub const ROW: &str = include_str!("../demo/breast-cancer/row.json");
