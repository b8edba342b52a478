//! Honest principals of real data raise nothing, and those who extract a model are found early.

use std::collections::HashMap;

use super::*;
use crate::{
    anomaly::Rows,
    fixtures::{Dataset, Draws, dataset, json, number},
};

/// A small network, evaluated by the book.
struct Network {
    mean: Vec<f64>,
    scale: Vec<f64>,
    layers: Vec<(Vec<f64>, Vec<f64>)>,
    temperature: f64,
}

impl Network {
    fn read(name: &str) -> Self {
        let all = json("networks");
        let of = |value: &serde_json::Value| value.as_array().unwrap().iter().map(number).collect::<Vec<_>>();
        let own = &all[name];
        let layers = own["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| (of(&layer["w"]), of(&layer["b"])))
            .collect();
        Self {
            mean: of(&own["mean"]),
            scale: of(&own["scale"]),
            layers,
            temperature: number(&own["temperature"]),
        }
    }

    fn probabilities(&self, row: &[f64]) -> Vec<f64> {
        let mut values: Vec<f64> = row
            .iter()
            .zip(&self.mean)
            .zip(&self.scale)
            .map(|((value, mean), scale)| (value - mean) / scale)
            .collect();
        for (at, (weights, biases)) in self.layers.iter().enumerate() {
            let mut next = biases.clone();
            for (value, line) in values.iter().zip(weights.chunks(biases.len())) {
                next.iter_mut().zip(line).for_each(|(sum, weight)| *sum += value * weight);
            }
            if at + 1 < self.layers.len() {
                next.iter_mut().for_each(|value| *value = value.max(0.0));
            }
            values = next;
        }
        crate::calibrate::softmax(&values, self.temperature)
    }

    fn label(&self, row: &[f64]) -> usize {
        let p = self.probabilities(row);
        (0..p.len()).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap()
    }

    fn margin(&self, row: &[f64]) -> f64 {
        let mut p = self.probabilities(row);
        p.sort_by(f64::total_cmp);
        p[p.len() - 1] - p[p.len() - 2]
    }
}

struct World {
    network: Network,
    ordinary: Ordinary,
    train: Dataset,
    test: Dataset,
}

fn world(name: &str) -> World {
    let network = Network::read(name);
    let [train, calibration, test] = ["train", "calib", "test"].map(|part| dataset(name, part));
    let rows = |part: &Dataset| part.values.chunks(part.features).map(<[f64]>::to_vec).collect::<Vec<_>>();
    let right =
        rows(&test).iter().zip(&test.labels).filter(|(row, label)| network.label(row) == **label).count();
    // The network is the one that it is taken for.
    assert!(right as f64 / test.labels.len() as f64 > 0.94, "{name}");
    let margins: Vec<f64> = rows(&calibration).iter().map(|row| network.margin(row)).collect();
    let ordinary = Ordinary::fit(
        &Rows::new(&train.values, train.features).unwrap(),
        &train.labels,
        &Rows::new(&calibration.values, calibration.features).unwrap(),
        &margins,
    )
    .unwrap();
    World { network, ordinary, train, test }
}

impl World {
    fn test_rows(&self) -> Vec<Vec<f64>> {
        self.test.values.chunks(self.test.features).map(<[f64]>::to_vec).collect()
    }

    /// After how many queries the alarm comes.
    fn alarm(&self, queries: impl Iterator<Item = Vec<f64>>) -> Option<usize> {
        let mut prober = Prober::new(ProberConfig::default()).unwrap();
        let mut alarm = None;
        for (at, row) in queries.enumerate() {
            prober.observe(&self.ordinary, &row, self.network.margin(&row));
            if prober.level(&Levels::default()) >= Level::Alert {
                alarm = Some(at + 1);
                break;
            }
        }
        alarm
    }

    /// 60 principals of each of three kinds, 1,000 queries each: all rows, one class, the half with the least margin.
    fn benign_alarms(&self, seed: u64) -> usize {
        let rows = self.test_rows();
        let margins: Vec<f64> = rows.iter().map(|row| self.network.margin(row)).collect();
        let looks: Vec<Query> =
            rows.iter().zip(&margins).map(|(row, margin)| self.ordinary.look(row, *margin)).collect();
        let classes = 1 + self.test.labels.iter().max().unwrap();
        let mut hard: Vec<usize> = (0..rows.len()).collect();
        hard.sort_by(|a, b| margins[*a].total_cmp(&margins[*b]));
        hard.truncate(rows.len() / 2);
        let mut draws = Draws::new(seed);
        let mut alarms = 0;
        for principal in 0..180 {
            let pool: Vec<usize> = match principal % 3 {
                0 => (0..rows.len()).collect(),
                1 => {
                    (0..rows.len()).filter(|row| self.test.labels[*row] == principal / 3 % classes).collect()
                }
                _ => hard.clone(),
            };
            let mut prober = Prober::new(ProberConfig::default()).unwrap();
            let mut sent: HashMap<usize, ()> = HashMap::new();
            for _ in 0..1000 {
                let row = pool[(draws.uniform() * pool.len() as f64) as usize];
                // An exact repeat counts as nothing, which another test shows; here it would only take time.
                if sent.insert(row, ()).is_none() {
                    prober.observe_looked_at(&self.ordinary, &rows[row], || looks[row]);
                }
            }
            alarms += usize::from(prober.level(&Levels::default()) >= Level::Alert);
        }
        alarms
    }

    fn uniform<'a>(&'a self, draws: &'a mut Draws) -> impl Iterator<Item = Vec<f64>> + 'a {
        let row = |draws: &mut Draws| {
            self.ordinary
                .screen()
                .ranges()
                .iter()
                .map(|(low, high)| low + (high - low) * draws.uniform())
                .collect()
        };
        std::iter::repeat_with(move || row(draws)).take(500)
    }

    /// Each feature of a row of its own: every column is as it should be.
    fn shuffled<'a>(&'a self, draws: &'a mut Draws) -> impl Iterator<Item = Vec<f64>> + 'a {
        let (features, count) = (self.train.features, self.train.labels.len());
        let mut cell = move |at: usize| {
            let row = (draws.uniform() * count as f64) as usize;
            self.train.values[row * features + at]
        };
        std::iter::repeat_with(move || (0..features).map(&mut cell).collect()).take(500)
    }

    /// From 20 real rows, each answer's row is moved along the signs of the gradient (Papernot et al. 2017), round after round.
    fn jacobian(&self) -> Vec<Vec<f64>> {
        let mut rows: Vec<Vec<f64>> = self.test_rows().into_iter().take(20).collect();
        let units = self.ordinary.screen().neighbors().units().to_vec();
        let mut from = 0;
        while rows.len() < 320 {
            let upto = rows.len();
            for at in from..upto {
                let row = rows[at].clone();
                let label = self.network.label(&row);
                let base = self.network.probabilities(&row)[label];
                let moved = (0..row.len()).map(|feature| {
                    let mut other = row.clone();
                    other[feature] += 1e-3 * units[feature];
                    let slope = self.network.probabilities(&other)[label] - base;
                    row[feature] + 0.1 * units[feature] * slope.signum()
                });
                let moved = moved.collect();
                rows.push(moved);
            }
            from = if upto == 20 { 0 } else { from };
        }
        rows
    }

    /// Between rows of different classes, the border is looked for by halving.
    fn line_search(&self, draws: &mut Draws) -> Vec<Vec<f64>> {
        let pool = self.test_rows();
        let mut sent = Vec::new();
        while sent.len() < 300 {
            let pick = |draws: &mut Draws| pool[(draws.uniform() * pool.len() as f64) as usize].clone();
            let (mut a, mut b) = (pick(draws), pick(draws));
            let label = self.network.label(&a);
            sent.extend([a.clone(), b.clone()]);
            if self.network.label(&b) == label {
                continue;
            }
            for _ in 0..8 {
                let middle: Vec<f64> = a.iter().zip(&b).map(|(a, b)| f64::midpoint(*a, *b)).collect();
                sent.push(middle.clone());
                if self.network.label(&middle) == label { a = middle } else { b = middle }
            }
        }
        sent
    }
}

#[test]
fn of_360_honest_principals_none_raises_an_alarm() {
    for (name, seed) in [("digits", 1), ("breast_cancer", 2)] {
        assert_eq!(world(name).benign_alarms(seed), 0, "{name}");
    }
}

#[test]
fn who_extracts_a_model_is_found_early() {
    for name in ["digits", "breast_cancer"] {
        let world = world(name);
        let mut draws = Draws::new(3);
        let uniform = world.alarm(world.uniform(&mut draws));
        let shuffled = world.alarm(world.shuffled(&mut draws));
        let jacobian = world.alarm(world.jacobian().into_iter());
        let line = world.alarm(world.line_search(&mut draws).into_iter());
        println!("{name}: uniform {uniform:?}, shuffled {shuffled:?}, jacobian {jacobian:?}, line {line:?}");
        for (what, alarm, goal) in [
            ("uniform", uniform, 20),
            ("shuffled", shuffled, 80),
            ("jacobian", jacobian, 175),
            ("line search", line, 45),
        ] {
            assert!(alarm.is_some_and(|at| at <= goal), "{name}, {what}: {alarm:?}, goal {goal}");
        }
        // Real rows are not told from honest ones, and that is said, not hidden.
        assert_eq!(world.alarm(world.test_rows().into_iter()), None, "{name}");
    }
}

#[test]
fn polling_is_no_probing_and_a_moving_sensor_needs_near_switched_off() {
    let world = world("breast_cancer");
    let rows = world.test_rows();
    assert_eq!(world.alarm((0..2000).map(|i| rows[i % 5].clone())), None);
    let units = world.ordinary.screen().neighbors().units();
    let sensor = |i: usize| -> Vec<f64> {
        rows[0].iter().zip(units).map(|(value, unit)| value + 0.02 * unit * (i as f64 / 30.0)).collect()
    };
    assert!(world.alarm((0..200).map(sensor)).is_some());
    let mut prober = Prober::new(ProberConfig { near_counts: false }).unwrap();
    (0..200).for_each(|i| prober.observe(&world.ordinary, &sensor(i), 0.99));
    assert_eq!(prober.level(&Levels::default()), Level::Quiet);
}

#[test]
fn evidence_stays_over_restarts_and_ordinary_queries() {
    let world = world("breast_cancer");
    let mut draws = Draws::new(4);
    let mut prober = Prober::new(ProberConfig::default()).unwrap();
    for row in world.uniform(&mut draws).take(30) {
        prober.observe(&world.ordinary, &row, 0.5);
    }
    let level = prober.level(&Levels::default());
    assert_eq!(level, Level::CutOff);
    let text = serde_json::to_string(prober.state()).unwrap();
    let mut prober =
        Prober::resume(ProberConfig::default(), serde_json::from_str(&text).unwrap(), &world.ordinary)
            .unwrap();
    world.test_rows().iter().for_each(|row| prober.observe(&world.ordinary, row, 0.99));
    assert_eq!(prober.level(&Levels::default()), level);
    assert_eq!(prober.counts(), (30 + world.test.labels.len() as u64, 0));
    let other = self::world("digits");
    assert!(Prober::resume(ProberConfig::default(), prober.state().clone(), &other.ordinary).is_err());
}

#[test]
fn different_rows_are_counted_within_the_error_that_is_stated() {
    for count in [10_u32, 1000, 100_000] {
        let (mut distinct, mut half) = (Distinct::default(), Distinct::default());
        let mut draws = Draws::new(u64::from(count));
        for i in 0..count {
            let digest = draws.bits();
            // Twice each, and shared with another replica.
            for _ in 0..2 {
                if i % 2 == 0 { &mut distinct } else { &mut half }.observe(digest);
            }
        }
        distinct.merge(&half);
        let off = distinct.count() / f64::from(count) - 1.0;
        assert!(off.abs() < 0.05, "{count}: {off}");
        let read: Distinct = serde_json::from_str(&serde_json::to_string(&distinct).unwrap()).unwrap();
        assert_eq!(read, distinct);
    }
    assert!(serde_json::from_str::<Distinct>("[1,2]").is_err());
}
