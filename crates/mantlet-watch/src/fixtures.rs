//! Reference values that the field's tools computed, for tests.

use std::io::Read;

use serde_json::Value;

/// A pair of samples by its name.
pub(crate) struct Case {
    pub(crate) name: String,
    value: Value,
}

impl Case {
    pub(crate) fn is_numeric(&self) -> bool {
        self.value["type"] == "numeric"
    }

    pub(crate) fn numbers(&self, key: &str) -> Vec<f64> {
        self.value[key].as_array().unwrap().iter().map(number).collect()
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        self.value[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let all = json("cases");
    let case = |value: &Value| Case { name: value["name"].as_str().unwrap().to_owned(), value: value.clone() };
    all["cases"].as_array().unwrap().iter().map(case).collect()
}

/// A file of reference values; what JSON has no word for stands there as null.
pub(crate) fn json(name: &str) -> Value {
    serde_json::from_str(&text(&format!("{name}.json.gz")).replace("NaN", "null")).unwrap()
}

pub(crate) fn text(file: &str) -> String {
    let path = format!("{}/../../testdata/watch/{file}", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Equal up to a relative tolerance; numbers that are nothing beside 1 are compared as such.
#[track_caller]
pub(crate) fn close(what: &str, got: f64, expect: f64, tolerance: f64) {
    let off = (got - expect).abs();
    assert!(
        got == expect || off <= tolerance * expect.abs() || off < 2e-16,
        "{what}: got {got}, expected {expect}"
    );
}
