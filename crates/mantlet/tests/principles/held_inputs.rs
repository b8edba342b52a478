//! Whatever a model takes, rows that it is not sure of are withheld one by one, in every protocol alike, and what is held
//! of them is what was asked.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use crate::support::{Client, Home, Server};

fn models() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/models"))
}

/// The first rows of a test set, with their columns' names; the last column is what is true.
fn test_set(data: &str, rows: usize) -> (Vec<String>, Vec<Vec<String>>) {
    let text = fs::read_to_string(models().join(data).join("test.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let mut names = lines.next().unwrap();
    names.pop();
    let rows = lines.take(rows).map(|mut row| {
        row.pop();
        row
    });
    (names, rows.collect())
}

/// Registers a model of the test data under its data's name, with or without a profile.
fn add(home: &Home, data: &str, model: &str, profiled: bool) {
    let dir = home.beside(data);
    fs::create_dir(&dir).unwrap();
    fs::copy(models().join(data).join(model), dir.join("model.onnx")).unwrap();
    fs::write(dir.join("mantlet-model.toml"), format!("name = \"{data}\"\nthreshold = 0.8\n")).unwrap();
    let (dir, sets) = (dir.to_str().unwrap(), models().join(data));
    let set = |name: &str| sets.join(name).to_str().unwrap().to_owned();
    if profiled {
        let (train, calibration) = (set("train.csv"), set("calib.csv"));
        home.json(&["model", "profile", dir, "--reference", &train, "--calibration", &calibration]);
    }
    home.json(&["model", "add", dir]);
}

/// A number where it is one.
fn cell(text: &str) -> Value {
    text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number))
}

/// The item of one row of a request, opened.
fn held(reviewer: &Client, request: &str, row: usize) -> Value {
    let listed = reviewer.get("/admin/v1/reviews").json();
    let wanted = |item: &&Value| item["request_id"] == request && item["row"] == row;
    let item = listed["reviews"].as_array().unwrap().iter().find(wanted).expect("a held row").clone();
    reviewer.get(&format!("/admin/v1/reviews/{}", item["item"].as_str().unwrap())).json()
}

fn assert_mixed(outcomes: &[String]) {
    for wanted in ["served", "review"] {
        assert!(outcomes.iter().any(|outcome| outcome == wanted), "no row is {wanted}: {outcomes:?}");
    }
}

/// Outcomes of an answer over the Open Inference Protocol, whose withheld rows must hold nothing.
fn outcomes(answer: &Value) -> Vec<String> {
    let text = answer["parameters"]["row_outcome"].as_str().unwrap();
    let outcomes: Vec<String> = text.split(',').map(str::to_owned).collect();
    for output in answer["outputs"].as_array().unwrap() {
        let data = output["data"].as_array().unwrap();
        for (row, outcome) in data.chunks(data.len() / outcomes.len()).zip(&outcomes) {
            // 0 is a class, but no probability of one that is answered.
            let empty = row.iter().all(|value| match output["datatype"].as_str() {
                Some("INT64") => *value == -1,
                _ => *value == 0.0,
            });
            assert_eq!(empty, outcome == "review", "{} {row:?}", output["name"]);
        }
    }
    outcomes
}

#[test]
fn rows_of_text_and_numbers_are_withheld_one_by_one() {
    let home = Home::demo();
    home.configure("[[model]]\nname = \"credit\"\nhold = \"below_threshold\"\n");
    add(&home, "credit", "credit-lr.onnx", true);
    let key = home.key("bank", &["--model", "credit", "--rate", "6000/min"]).key;
    let rita = home.bound("rita", "reviewer");
    let server = Server::start(&home);
    let (app, reviewer) = (server.client_with(&key), server.client_as(&rita));
    let (names, rows) = test_set("credit", 12);
    let named = |row: &Vec<String>| -> Map<String, Value> {
        names.iter().cloned().zip(row.iter().map(|text| cell(text))).collect()
    };
    let asked = app.post(
        "/v1/models/credit/predict",
        &json!({ "features": rows.iter().map(named).collect::<Vec<_>>() }),
    );
    assert_eq!(asked.status, 200, "{}", asked.text());
    let answer = asked.json();
    let simple: Vec<String> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            assert_eq!(row["result"] == "uncertain", row["outcome"] == "review", "{row}");
            row["outcome"].as_str().unwrap_or("served").to_owned()
        })
        .collect();
    assert_mixed(&simple);
    // Listed values, and a tensor for each column: the same rows, the same outcomes.
    let ordered: Vec<Vec<Value>> =
        rows.iter().map(|row| row.iter().map(|text| cell(text)).collect()).collect();
    let listed = app.post("/v1/models/credit/predict", &json!({ "features": ordered })).json();
    assert_eq!(listed["results"], answer["results"]);
    let inputs: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let data: Vec<Value> = rows.iter().map(|row| cell(&row[column])).collect();
            let datatype = if data[0].is_string() { "BYTES" } else { "FP32" };
            json!({ "name": name, "datatype": datatype, "shape": [rows.len(), 1], "data": data })
        })
        .collect();
    let columns = app.post("/v2/models/credit/infer", &json!({ "inputs": inputs }));
    assert_eq!(columns.status, 200, "{}", columns.text());
    assert_eq!(outcomes(&columns.json()), simple);
    // What is held is what was asked, whichever way.
    let row = simple.iter().position(|outcome| outcome == "review").unwrap();
    for request in [asked.request_id(), columns.request_id()] {
        assert_eq!(held(&reviewer, request, row)["features"], json!(named(&rows[row])));
    }
}

#[test]
fn rows_of_tensors_are_withheld_one_by_one() {
    let home = Home::demo();
    home.configure("[[model]]\nname = \"digits\"\nhold = \"below_threshold\"\nthreshold = 0.999\n");
    // Without a profile: nothing is known of the columns of the one tensor that it takes.
    add(&home, "digits", "digits-cnn.onnx", false);
    let key = home.key("post", &["--model", "digits", "--rate", "6000/min"]).key;
    let rita = home.bound("rita", "reviewer");
    let server = Server::start(&home);
    let (app, reviewer) = (server.client_with(&key), server.client_as(&rita));
    let (_, rows) = test_set("digits", 20);
    let pixels: Vec<f64> = rows.iter().flatten().map(|text| text.parse().unwrap()).collect();
    let tensor = json!({ "name": "input", "datatype": "FP32", "shape": [rows.len(), 64], "data": pixels });
    let asked = app.post("/v2/models/digits/infer", &json!({ "inputs": [tensor] }));
    assert_eq!(asked.status, 200, "{}", asked.text());
    let outcomes = outcomes(&asked.json());
    assert_mixed(&outcomes);
    let row = outcomes.iter().position(|outcome| outcome == "review").unwrap();
    let shown = held(&reviewer, asked.request_id(), row);
    // Columns without a name are numbered.
    let pixel = |(column, value): (usize, &f64)| (format!("f{column}"), json!(value));
    let expect: Map<String, Value> = pixels[row * 64..][..64].iter().enumerate().map(pixel).collect();
    assert_eq!(shown["features"], json!(expect));
    assert_eq!(shown["labels"].as_array().unwrap().len(), 10, "{shown}");
}
