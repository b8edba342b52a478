//! Against NannyML and River, and false alarms counted.

use super::*;
use crate::fixtures::{Draws, close, json, number, text};

fn rows(file: &str) -> (Vec<Answer>, Vec<bool>) {
    let text = text(file);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let row = |record: csv::StringRecord| {
        let cell = |at: usize| record.get(at).unwrap().parse::<f64>().unwrap();
        (Answer { probability: cell(0), is_positive: cell(1) == 1.0 }, cell(2) == 1.0)
    };
    reader.records().map(|record| row(record.unwrap())).unzip()
}

#[test]
fn performance_without_labels_is_what_nannyml_estimates() {
    let expect = json("nannyml");
    let expect = &expect["cbpe"];
    let (reference, truths) = rows("cbpe_reference.csv.gz");
    let (analysis, realized) = rows("cbpe_analysis.csv.gz");
    let cbpe = Cbpe::fit(&reference, &truths, 5000).unwrap();
    let chunks = expect["chunks"].as_array().unwrap();
    assert_eq!(chunks.len(), 20);
    let mut alerts = 0;
    for (chunk, expect) in reference.chunks(5000).chain(analysis.chunks(5000)).zip(chunks) {
        let got = cbpe.estimate(chunk).unwrap();
        for (name, value, limits) in
            [("accuracy", got.accuracy, cbpe.accuracy_limits()), ("f1", got.f1, cbpe.f1_limits())]
        {
            let expect = &expect[name];
            close(name, value, number(&expect["estimated"]), 1e-9);
            close(name, limits.lower, number(&expect["lower"]), 1e-9);
            close(name, limits.upper, number(&expect["upper"]), 1e-9);
            assert_eq!(limits.is_alert(value), expect["alert"].as_bool().unwrap());
            alerts += usize::from(limits.is_alert(value));
        }
        // There, rows of one score are taken in the order in which a sort leaves them.
        close("auc", got.roc_auc, number(&expect["roc_auc"]["estimated"]), 1e-3);
    }
    assert_eq!(alerts, 10);
    for (chunk, realized) in
        realized.chunks(5000).zip(analysis.chunks(5000)).zip(expect["realised_accuracy"].as_array().unwrap())
    {
        let (truths, answers) = chunk;
        let right = answers.iter().zip(truths).filter(|(a, t)| a.is_positive == **t).count();
        close("realized", right as f64 / 5000.0, number(realized), 1e-12);
        assert!((cbpe.estimate(answers).unwrap().accuracy - number(realized)).abs() < 0.01);
    }
}

#[test]
fn what_cannot_be_estimated_is_refused() {
    let answer = Answer { probability: 0.5, is_positive: true };
    assert_eq!(Cbpe::fit(&[answer], &[], 1).unwrap_err(), CbpeError::Shape);
    assert_eq!(Cbpe::fit(&[answer], &[true], 1).unwrap_err(), CbpeError::Chunks(1));
    let bad = Answer { probability: f64::NAN, ..answer };
    assert_eq!(Cbpe::fit(&[answer, bad], &[true, true], 1).unwrap_err(), CbpeError::Probability(1));
    let cbpe = Cbpe::fit(&[answer; 4], &[true, false, true, false], 2).unwrap();
    assert_eq!(cbpe.estimate(&[]), Err(CbpeError::Empty));
}

#[test]
fn detectors_find_what_river_finds_where_it_does() {
    let expect = json("stream");
    let streams = expect["streams"].as_object().unwrap();
    assert_eq!(streams.len(), 5);
    for (name, stream) in streams {
        let x: Vec<f64> = stream["x"].as_array().unwrap().iter().map(number).collect();
        let found = |mut observe: Box<dyn FnMut(f64) -> bool>| -> Vec<usize> {
            x.iter().enumerate().filter_map(|(at, x)| observe(*x).then_some(at)).collect()
        };
        let indices = |key: &str| -> Vec<usize> {
            stream["detections"][key]
                .as_array()
                .unwrap()
                .iter()
                .map(|at| at.as_u64().unwrap() as usize)
                .collect()
        };
        let (mut adwin, mut page) = (Adwin::new(0.002).unwrap(), PageHinkley::default());
        assert_eq!(found(Box::new(move |x| page.observe(x))), indices("PageHinkley default"), "{name}");
        assert_eq!(found(Box::new(move |x| adwin.observe(x))), indices("ADWIN delta 0.002"), "{name}");
        let bets = &stream["detections"]["betting"];
        let (mut uniform, mut hits) = (UniformBet::default(), BernoulliBet::new(0.02).unwrap());
        let mut at = 0;
        for (i, p) in bets["p"].as_array().unwrap().iter().map(number).enumerate() {
            uniform.observe(p);
            hits.observe(p <= 0.05);
            if (i + 1) % 100 == 0 {
                let of = |key: &str| number(&bets[key][at]);
                close(name, uniform.log_wealth(), of("log_wealth_every_100"), 1e-9);
                close(name, uniform.log_wealth_two_sided(), of("two_sided_every_100"), 1e-9);
                close(name, hits.log_wealth(), of("bernoulli_p0_0_02_hit_p_below_0_05_every_100"), 1e-9);
                at += 1;
            }
        }
        assert_eq!(at, 20);
    }
}

#[test]
fn an_error_rate_as_tolerated_hardly_ever_alarms_and_twice_the_rate_soon_does() {
    let mut draws = Draws::new(1);
    let mut run = |rate: f64, length: usize| {
        let mut watch = ErrorRate::new(0.05).unwrap();
        (0..length).position(|_| {
            watch.observe(draws.uniform() < rate);
            watch.is_alarm(0.01)
        })
    };
    let false_alarms = (0..200).filter(|_| run(0.05, 2000).is_some()).count();
    // At most 1 %: six of 200 would be a chance of less than one in fifty.
    assert!(false_alarms <= 5, "{false_alarms} of 200");
    let found: Vec<usize> = (0..50).filter_map(|_| run(0.15, 2000)).collect();
    assert_eq!(found.len(), 50);
    assert!(found.iter().sum::<usize>() / 50 < 200);
    assert_eq!(ErrorRate::new(0.0), None);
}

#[test]
fn states_survive_a_restart_and_foreign_ones_are_refused() {
    let mut adwin = Adwin::new(0.002).unwrap();
    let mut rate = ErrorRate::new(0.1).unwrap();
    for i in 0..1000 {
        adwin.observe(f64::from(i % 7));
        rate.observe(i % 20 == 0);
    }
    let read: Adwin = serde_json::from_str(&serde_json::to_string(&adwin).unwrap()).unwrap();
    assert_eq!(read, adwin);
    let text = serde_json::to_string(&rate).unwrap();
    assert_eq!(serde_json::from_str::<ErrorRate>(&text).unwrap(), rate);
    assert_eq!(rate.counts(), (1000, 50));
    assert!(serde_json::from_str::<Mixture<5>>(r#"{"logs":[0.0]}"#).is_err());
    assert!(!adwin.observe(f64::NAN));
}
