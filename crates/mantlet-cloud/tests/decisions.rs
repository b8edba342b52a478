//! Every case of the labeled sets is decided as its label says, and none is left undecided.

#![expect(clippy::unwrap_used, reason = "whatever a test does not expect ends it")]

use std::{fs::File, io::Read, path::Path, time::Instant};

use flate2::read::GzDecoder;
use serde_json::Value;

fn lines(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_question_about_permissions_is_decided() {
    let lines = lines("decision.jsonl.gz");
    assert_eq!(lines.len(), 290);
    let mut wrong = Vec::new();
    let mut times = Vec::new();
    for line in &lines {
        let case: Value = serde_json::from_str(line).unwrap();
        let start = Instant::now();
        let answer = mantlet_cloud::iam::lines::answer(line);
        times.push((start.elapsed(), case["id"].clone()));
        if answer.possible != case["expected"]["possible"] {
            wrong.push(format!("{}: {:?} {:?}", case["id"], answer.possible, answer.why));
        }
        assert_eq!(answer.id, case["id"]);
        // Ours is a shortest resource; theirs cannot be shorter.
        if let (Some(ours), Some(theirs)) =
            (&answer.witness, case["expected"]["witness"]["resource"].as_str())
        {
            assert!(ours.resource.len() <= theirs.len(), "{}: {ours:?} {theirs}", case["id"]);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    times.sort_by_key(|(time, _)| *time);
    eprintln!("median {:?}, slowest {:?}", times[145], times[289]);
}

#[test]
fn every_network_is_decided() {
    let lines = lines("reachability.jsonl.gz");
    assert_eq!(lines.len(), 240);
    let mut wrong = Vec::new();
    for line in &lines {
        let case: Value = serde_json::from_str(line).unwrap();
        let answer = serde_json::to_value(mantlet_cloud::network::lines::answer(line)).unwrap();
        for (field, expected) in case["expected"].as_object().unwrap() {
            if answer[field] != *expected {
                wrong.push(format!("{}: {field} {} instead of {expected}", case["id"], answer[field]));
            }
        }
        let paths = answer["paths"].as_array().unwrap();
        let lists = ["via_load_balancer", "lateral_last_hop"].map(|it| answer[it].as_array().unwrap().len());
        assert_eq!(paths.len(), usize::from(answer["direct"] == true) + lists[0] + lists[1]);
        for path in paths {
            let hops = path["hops"].as_array().unwrap();
            assert_eq!(hops[0]["from"], "internet");
            assert_eq!(hops.last().unwrap()["to"], case["model"]["target"]["eni"]);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
