//! Evaluations through door 1: the stages keep their order, rows are charged on their own account, and what the contract
//! refuses is counted and not asked about.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mantlet_types::{
    Action, Code, Contract, Rejection, Role, TensorData,
    contract::{FeatureKind, Range},
    entry::Decision,
    limits::{EVALUATED_BATCH_ROWS, EVALUATED_ROWS_MAX, EVALUATED_ROWS_PER_MINUTE},
    question::Scalar,
};

use super::{FakeModel, Kit, MODEL, ask, coin_contract, user};
use crate::{
    directory::Change,
    identity::Arrival,
    mediate::{Ask, Exam, Marking, Paper, examine},
    output::{Guesses, Marked, Scores},
    ports::{EngineFault, Model},
};

/// A body that is there already, and counts how often it was read.
struct FakeExam {
    rows: Result<Vec<Vec<Scalar>>, Rejection>,
    reads: Arc<AtomicUsize>,
    marked: Result<(), ()>,
}

/// Hands on what it is given.
struct Plain(Result<(), ()>);

impl Marking for Plain {
    type Report = Scores;

    fn mark(self, _: &Contract, scores: Scores) -> Result<Scores, Rejection> {
        match self.0 {
            Ok(()) => Ok(scores),
            Err(()) => panic!("secret cause"),
        }
    }

    fn document(_: &Scores, candidate: bool) -> Result<String, Rejection> {
        Ok(format!("candidate: {candidate}"))
    }
}

impl Exam for FakeExam {
    type Marking = Plain;

    async fn read(self, _: &Contract) -> Result<Paper<Plain>, Rejection> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(Paper { rows: self.rows?, body_bytes: 9, marking: Plain(self.marked) })
    }
}

/// A gate whose coin takes only biases from 0 to 1 and counts its runs, and an analyst's key.
struct Table {
    kit: Kit,
    key: String,
    runs: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
}

impl Table {
    fn new() -> Self {
        Self::with(|tensors| Ok(vec![super::fakes::coin(&tensors)]))
    }

    fn with(
        compute: impl Fn(Vec<mantlet_types::Tensor>) -> Result<Vec<mantlet_types::Tensor>, EngineFault>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let mut contract = coin_contract();
        if let Some(bias) = contract.features.first_mut() {
            let accepted = Some(Range { min: 0.0, max: 1.0 });
            bias.kind = FeatureKind::Number { seen: None, accepted };
        }
        let model: Arc<dyn Model> = Arc::new(FakeModel::new(contract, move |tensors| {
            counter.fetch_add(1, Ordering::SeqCst);
            compute(tensors)
        }));
        let kit = Kit::with(|snapshot| {
            let served = snapshot.models.get_mut(MODEL).unwrap();
            served.versions.insert(coin_contract().version, model);
        });
        kit.change(&[Change::PutUser("ana".parse().unwrap(), user(&[Role::Analyst]))]);
        let key = kit.key("user:ana").1;
        Self { kit, key, runs, reads: Arc::default() }
    }

    fn analyst(&self) -> Arrival {
        self.kit.bearer(&self.key)
    }

    async fn attempt(&self, arrival: Arrival, ask: Ask, biases: &[f64]) -> Result<Marked<Scores>, Rejection> {
        let row = |bias: &f64| vec![Scalar::Number(*bias), Scalar::Number(0.0)];
        let exam = FakeExam {
            rows: Ok(biases.iter().map(row).collect()),
            reads: Arc::clone(&self.reads),
            marked: Ok(()),
        };
        let (outcome, receipt) = examine(Arc::clone(&self.kit.gate), arrival, ask, exam).await.into_parts();
        assert_eq!(outcome.is_ok(), receipt.is_some(), "an answer, and nothing else, has a receipt");
        outcome
    }

    fn counts(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.runs.load(Ordering::SeqCst))
    }
}

fn evaluation() -> Ask {
    Ask { action: Action::Evaluate, ..ask() }
}

#[tokio::test]
async fn each_stage_stops_an_evaluation_before_the_next() {
    let table = Table::new();
    let elsewhere = Ask { model: "ghost".parse().unwrap(), ..evaluation() };
    let check = async |arrival, ask: Ask, biases: &[f64], code, counts| {
        let rejection = table.attempt(arrival, ask, biases).await.expect_err("must be rejected");
        assert_eq!((rejection.code, table.counts()), (code, counts), "{rejection:?}");
    };
    check(table.kit.bearer("guess"), elsewhere.clone(), &[9.0], Code::Unauthenticated, (0, 0)).await;
    check(table.analyst(), elsewhere, &[9.0], Code::NotFound, (0, 0)).await;
    // An application that may ask the model may not therefore have it evaluated.
    let consumer = table.kit.bearer(&table.kit.consumer_key);
    check(consumer, evaluation(), &[9.0], Code::Forbidden, (0, 0)).await;
    let entry = table.kit.ledger.take().pop().unwrap();
    // The schema knows of no application that evaluates, so there is nothing to decide.
    assert_eq!((entry.action, entry.decision), (Some(Action::Evaluate), Some(Decision::Error)));
    check(table.analyst(), evaluation(), &[], Code::InvalidInput, (1, 0)).await;
    check(table.analyst(), evaluation(), &[9.0, 1.5], Code::InvalidInput, (2, 0)).await;
    let many = vec![0.5; EVALUATED_ROWS_MAX + 1];
    check(table.analyst(), evaluation(), &many, Code::TooLarge, (3, 0)).await;
    assert!(table.attempt(table.analyst(), evaluation(), &[0.5]).await.is_ok());
    assert_eq!(table.counts(), (4, 1));
}

#[tokio::test]
async fn guesses_are_scored_as_they_were_before_anything_is_withheld() {
    let table = Table::new();
    let marked = table.attempt(table.analyst(), evaluation(), &[0.9, 7.0, 0.6, 0.2]).await.unwrap();
    let scores = marked.report;
    assert_eq!((scores.rows, scores.refused), (vec![0, 2, 3], 1));
    assert_eq!(scores.served, [true, false, true]);
    let Guesses::Classes { probabilities, are_probabilities, said } = scores.guesses else {
        panic!("classes")
    };
    assert_eq!((said, are_probabilities), (vec![1, 1, 0], true));
    let single = |value: f64| f64::from(value as f32);
    let expect = [1.0_f32 - 0.9, 0.9, 1.0 - 0.6, 0.6, 1.0 - 0.2, 0.2].map(f64::from);
    assert_eq!(probabilities, expect);
    assert_eq!(scores.confidence[0], Some(single(0.9)));
    let entry = table.kit.ledger.take().pop().unwrap();
    assert_eq!((entry.action, entry.batch, entry.input_length), (Some(Action::Evaluate), Some(4), Some(9)));
    assert_eq!((entry.status, entry.output_class, entry.confidence_bp), (Some(200), None, None));
    assert_eq!(entry.model_digest, Some(coin_contract().digest));
}

#[tokio::test]
async fn many_rows_are_run_in_batches_and_keep_their_order() {
    let table = Table::new();
    let biases: Vec<f64> = (0..1_000).map(|row| f64::from(row) / 1_000.0).collect();
    let scores = table.attempt(table.analyst(), evaluation(), &biases).await.unwrap().report;
    assert_eq!(table.counts(), (1, 1_000_usize.div_ceil(EVALUATED_BATCH_ROWS)));
    assert_eq!(scores.rows, (0..1_000).collect::<Vec<_>>());
    let Guesses::Classes { probabilities, .. } = scores.guesses else { panic!("classes") };
    assert!(probabilities.chunks(2).map(|row| row[1]).is_sorted());
}

#[tokio::test]
async fn an_evaluation_costs_one_prediction_and_its_rows_on_their_own_account() {
    let table = Table::new();
    let rows = vec![0.5; usize::try_from(EVALUATED_ROWS_PER_MINUTE).unwrap() - 1];
    let marked = table.attempt(table.analyst(), evaluation(), &rows).await.unwrap();
    assert_eq!(marked.standing.remaining, 59);
    assert!(table.attempt(table.analyst(), evaluation(), &[0.5]).await.is_ok());
    let rejection = table.attempt(table.analyst(), evaluation(), &[0.5]).await.unwrap_err();
    assert_eq!((rejection.code, rejection.standing), (Code::RateLimited, None));
    assert!(rejection.retry_after.is_some());
    // Those predictions are charged one by one all the same.
    for _ in 0..57 {
        let _ = table.attempt(table.analyst(), evaluation(), &[0.5]).await;
    }
    let reads = table.counts().0;
    let rejection = table.attempt(table.analyst(), evaluation(), &[0.5]).await.unwrap_err();
    assert_eq!((rejection.code, table.counts().0), (Code::RateLimited, reads));
    table.kit.clock.advance(60);
    assert!(table.attempt(table.analyst(), evaluation(), &[0.5]).await.is_ok());
}

#[tokio::test]
async fn models_and_markings_that_break_answer_nothing() {
    let broken = [
        Table::with(|_| Err(EngineFault::Broken("secret cause".to_owned()))),
        Table::with(|_| panic!("secret cause")),
        Table::with(|_| Ok(Vec::new())),
        Table::with(|mut tensors| {
            tensors[0].data = TensorData::Fp32(vec![f32::NAN; tensors[0].data.len()]);
            Ok(vec![mantlet_types::Tensor { name: "probabilities".into(), ..tensors.remove(0) }])
        }),
    ];
    for table in broken {
        let rejection = table.attempt(table.analyst(), evaluation(), &[0.5]).await.unwrap_err();
        assert_eq!(rejection.code, Code::Unavailable);
        assert!(rejection.detail.is_none() && rejection.field.is_none());
    }
    let table = Table::new();
    let exam = FakeExam {
        rows: Ok(vec![vec![Scalar::Number(0.5), Scalar::Number(0.0)]]),
        reads: Arc::default(),
        marked: Err(()),
    };
    let (outcome, _) =
        examine(Arc::clone(&table.kit.gate), table.analyst(), evaluation(), exam).await.into_parts();
    assert_eq!(outcome.unwrap_err().code, Code::Unavailable);
    // What broke holds nothing back from the next.
    assert!(table.attempt(table.analyst(), evaluation(), &[0.5]).await.is_ok());
}
