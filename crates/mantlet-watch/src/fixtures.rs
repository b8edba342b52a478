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
    let case =
        |value: &Value| Case { name: value["name"].as_str().unwrap().to_owned(), value: value.clone() };
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

/// Reproducible random numbers (SplitMix64 and the polar method's elder sister, Box and Muller 1958).
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Within [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// A data set's part: rows, and the class in the last column.
pub(crate) struct Dataset {
    pub(crate) values: Vec<f64>,
    pub(crate) features: usize,
    pub(crate) labels: Vec<usize>,
}

pub(crate) fn dataset(name: &str, part: &str) -> Dataset {
    let path = format!("{}/../../testdata/models/{name}/{part}.csv", env!("CARGO_MANIFEST_DIR"));
    let mut reader = csv::Reader::from_path(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    let features = reader.headers().unwrap().len() - 1;
    let mut dataset = Dataset { values: Vec::new(), features, labels: Vec::new() };
    for record in reader.records() {
        let row: Vec<f64> = record.unwrap().iter().map(|cell| cell.parse().unwrap()).collect();
        dataset.values.extend(&row[..features]);
        dataset.labels.push(row[features] as usize);
    }
    dataset
}
