//! Who may have what explained, at what charge, and what of it leaves.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use mantlet_types::{
    Action, Contract, Role, Tensor, TensorData, TensorSpec,
    contract::{Feature, FeatureKind, SENSITIVITY_OPEN},
    entry::Event,
    question::{Question, Rows, Scalar},
};

use super::*;
use crate::{
    directory::Change,
    identity::Arrival,
    mediate::{Ask, Payload, mediate_explanation},
    ports::{Case, EngineFault, Evaluate, Explainer, Model},
    testing::{FakeModel, Kit, MODEL, ask, coin_contract, user},
};

/// What the explainer was asked for: evaluations, each time.
type Asked = Arc<Mutex<Vec<usize>>>;

/// Adds 0.1 times the feature's number and one, whatever the row; asks for as many evaluations as it is told.
struct Counting {
    effort: Effort,
    greed: usize,
    asked: Asked,
}

impl Explainer for Counting {
    fn effort(&self) -> Effort {
        self.effort
    }

    fn explain(&self, case: &Case<'_>, evaluate: &mut Evaluate<'_>) -> Result<Attributions, EngineFault> {
        self.asked.lock().unwrap().push(case.evaluations);
        for _ in 0..case.evaluations + 1 + self.greed {
            evaluate(case.row.to_vec())?;
        }
        let values: Vec<f64> = (0..4).map(|feature| f64::from(feature + 1) / 10.0).collect();
        let errors = matches!(self.effort, Effort::Sampled { .. }).then(|| vec![0.01; 4]);
        Ok(Attributions {
            method: Method::Sampling,
            scale: Scale::Probability,
            base: -0.1,
            output: 0.9,
            values,
            errors,
            evaluations: case.evaluations + 1,
        })
    }
}

/// Four features, of which the first is the probability of `heads`, this sensitive.
fn contract(sensitivities: [u8; 4]) -> Contract {
    let feature = |(name, sensitivity): (&str, u8)| Feature {
        name: name.into(),
        kind: FeatureKind::Number { seen: None, accepted: None },
        optional: false,
        sensitivity,
    };
    let coin = coin_contract();
    Contract {
        inputs: vec![TensorSpec { shape: vec![None, Some(4)], ..coin.inputs[0].clone() }],
        features: ["bias", "wind", "height", "wear"].into_iter().zip(sensitivities).map(feature).collect(),
        ..coin
    }
}

struct World {
    kit: Kit,
    asked: Asked,
    reads: Arc<AtomicUsize>,
}

impl World {
    fn new(sensitivities: [u8; 4], effort: Option<Effort>, greed: usize) -> Self {
        Self::of(contract(sensitivities), effort, greed)
    }

    fn of(contract: Contract, effort: Option<Effort>, greed: usize) -> Self {
        let asked = Asked::default();
        let model = FakeModel::new(contract, |tensors| {
            let TensorData::Fp32(values) = &tensors[0].data else { unreachable!("validated") };
            let data: Vec<f32> = values.chunks_exact(4).flat_map(|row| [1.0 - row[0], row[0]]).collect();
            let shape = vec![data.len() / 2, 2];
            Ok(vec![Tensor { name: "probabilities".into(), shape, data: TensorData::Fp32(data) }])
        });
        let model: Arc<dyn Model> = match effort {
            Some(effort) => Arc::new(model.explained(Counting { effort, greed, asked: Arc::clone(&asked) })),
            None => Arc::new(model),
        };
        let kit = Kit::with(|snapshot| {
            let served = snapshot.models.get_mut(MODEL).unwrap();
            served.versions.insert(coin_contract().version, model);
        });
        Self { kit, asked, reads: Arc::default() }
    }

    fn open(effort: Effort) -> Self {
        Self::new([SENSITIVITY_OPEN; 4], Some(effort), 0)
    }

    async fn explain(&self, question: Question) -> Result<Explanation, Rejection> {
        self.explain_for(self.kit.bearer(&self.kit.consumer_key), question).await
    }

    async fn explain_for(&self, arrival: Arrival, question: Question) -> Result<Explanation, Rejection> {
        let ask = Ask { action: Action::Explain, ..ask() };
        let payload = Counted(Arc::clone(&self.reads), question);
        mediate_explanation(Arc::clone(&self.kit.gate), arrival, ask, payload).await.into_parts().0
    }
}

struct Counted(Arc<AtomicUsize>, Question);

impl Payload for Counted {
    async fn read(self, _: &Contract) -> Result<Question, Rejection> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(self.1)
    }
}

fn rows(count: usize, bias: f64) -> Question {
    let row: Vec<Scalar> = [bias, 0.0, 0.0, 0.0].map(Scalar::Number).into();
    Question { rows: Rows::Ordered(vec![row; count]), body_bytes: 9, ..Question::default() }
}

fn evaluations(count: f64) -> Question {
    Question { options: vec![("evaluations".into(), Scalar::Number(count))], ..rows(1, 0.9) }
}

const SAMPLED: Effort = Effort::Sampled { least: 8, most: 1_000 };

#[tokio::test]
async fn an_answer_is_explained_to_whoever_may_have_it_explained() {
    let world = World::open(Effort::Exact);
    let explained = world.explain(rows(1, 0.9)).await.unwrap();
    let reasons = explained.reasons.unwrap();
    assert_eq!((reasons.of.as_deref(), reasons.base, reasons.output), (Some("heads"), -0.1, 0.9));
    let told: Vec<_> = reasons.features.iter().map(|reason| (&*reason.feature, reason.value)).collect();
    assert_eq!(told, [("bias", 0.1), ("wind", 0.2), ("height", 0.3), ("wear", 0.4)]);
    assert_eq!((reasons.withheld, reasons.features[0].error), (None, None));
    let entries = world.kit.ledger.take();
    let [entry] = entries.as_slice() else { panic!("one entry: {entries:?}") };
    assert_eq!(
        (entry.event, entry.action, entry.status),
        (Event::Inference, Some(Action::Explain), Some(200))
    );
    assert_eq!((entry.batch, entry.input_length), (Some(1), Some(9)));
    // People by their role in the project.
    let reader = "rita".parse().unwrap();
    world.kit.change(&[Change::PutUser(reader, user(&[Role::Reader]))]);
    let rita = world.kit.key("user:rita").1;
    let told = world.explain_for(world.kit.bearer(&rita), rows(1, 0.9)).await.unwrap().reasons.unwrap();
    assert_eq!(told.features.len(), 4);
    // By grant only, and an operator has none.
    let operator = world.explain_for(world.kit.operator(), rows(1, 0.9)).await;
    assert_eq!(operator.unwrap_err().code, Code::NotFound);
    let stranger = world.explain_for(world.kit.bearer("guess"), rows(1, 0.9)).await;
    assert_eq!(stranger.unwrap_err().code, Code::Unauthenticated);
    assert_eq!(world.reads.load(Ordering::SeqCst), 2, "a body was read for somebody who may not ask");
}

#[tokio::test]
async fn sensitive_features_are_one_sum_and_a_single_one_refuses() {
    let two = World::new([1, 2, 0, 3], Some(SAMPLED), 0);
    let reasons = two.explain(rows(1, 0.9)).await.unwrap().reasons.unwrap();
    let told: Vec<_> = reasons.features.iter().map(|reason| (&*reason.feature, reason.value)).collect();
    assert_eq!(told, [("bias", 0.1), ("height", 0.3)]);
    assert_eq!(reasons.withheld, Some(Withheld { features: 2, value: 0.6, error: Some(0.02) }));
    let all = World::new([2; 4], Some(SAMPLED), 0);
    let reasons = all.explain(rows(1, 0.9)).await.unwrap().reasons.unwrap();
    assert!(reasons.features.is_empty());
    assert_eq!(reasons.withheld.map(|withheld| (withheld.features, withheld.value)), Some((4, 1.0)));
    let one = World::new([1, 1, 2, 1], Some(SAMPLED), 0);
    let refused = one.explain(rows(1, 0.9)).await.unwrap_err();
    assert_eq!((refused.code, one.reads.load(Ordering::SeqCst)), (Code::Forbidden, 0));
    assert!(one.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_decision_for_each_of_a_thousand_features_holds_up_nobody_else() {
    let narrow = contract([SENSITIVITY_OPEN; 4]);
    let feature = |number: usize| Feature { name: format!("f{number}").into(), ..narrow.features[0].clone() };
    let wide = Contract {
        inputs: vec![TensorSpec {
            shape: vec![None, Some(EXPLAINED_FEATURES_MAX)],
            ..narrow.inputs[0].clone()
        }],
        features: (0..EXPLAINED_FEATURES_MAX).map(feature).collect(),
        ..narrow
    };
    let world = World::of(wide, Some(Effort::Exact), 0);
    // There is one thread here, and it has other things to do. The row does not fit, so that the decisions are all there is.
    let mut turns = 0_u32;
    let mut explaining = std::pin::pin!(world.explain(rows(1, 0.9)));
    let refused = loop {
        tokio::select! {
            biased;
            outcome = &mut explaining => break outcome.unwrap_err(),
            () = tokio::task::yield_now() => turns += 1,
        }
    };
    assert_eq!(refused.code, Code::InvalidInput);
    assert!(turns > 1_000, "others had {turns} turns");
    // What was decided once is remembered, and needs no thread of its own.
    let again = tokio::time::timeout(std::time::Duration::ZERO, world.explain(rows(1, 0.9))).await;
    assert_eq!(again.expect("decided at once").unwrap_err().code, Code::InvalidInput);
}

#[tokio::test]
async fn what_is_withheld_is_not_explained() {
    let world = World::open(Effort::Exact);
    let explained = world.explain(rows(1, 0.6)).await.unwrap();
    assert!(explained.reasons.is_none() && !explained.row.is_served());
    assert!(world.asked.lock().unwrap().is_empty(), "a guess was explained");
}

#[tokio::test]
async fn work_is_charged_before_it_is_done() {
    let check = async |effort, question, expect: Result<(u64, usize), Code>| {
        let world = World::open(effort);
        let found = world.explain(question).await;
        let found =
            found.map(|explained| (explained.standing.remaining, explained.reasons.unwrap().evaluations));
        assert_eq!(found.map_err(|rejection| rejection.code), expect);
    };
    // The application's limit is 60 a minute.
    check(Effort::Exact, rows(1, 0.9), Ok((50, 1))).await;
    check(SAMPLED, rows(1, 0.9), Ok((0, 60))).await;
    check(SAMPLED, evaluations(20.0), Ok((39, 21))).await;
    check(SAMPLED, evaluations(1.0), Ok((51, 9))).await;
    check(Effort::Sampled { least: 1, most: 5 }, evaluations(50.0), Ok((54, 6))).await;
    check(SAMPLED, evaluations(60.0), Err(Code::TooLarge)).await;
    check(Effort::Sampled { least: 60, most: 60 }, rows(1, 0.9), Err(Code::TooLarge)).await;
    for wrong in [0.0, -1.0, 1.5, 1e9] {
        check(SAMPLED, evaluations(wrong), Err(Code::InvalidInput)).await;
    }
    let world = World::open(SAMPLED);
    assert!(world.explain(evaluations(54.0)).await.is_ok());
    let least = world.explain(rows(1, 0.9)).await.unwrap_err();
    assert_eq!(least.code, Code::RateLimited);
    assert!(least.retry_after.is_some());
}

#[tokio::test]
async fn an_explainer_gets_no_more_than_was_paid_for() {
    let world = World::new([1; 4], Some(SAMPLED), 1);
    let refused = world.explain(evaluations(20.0)).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert_eq!(*world.asked.lock().unwrap(), [20]);
}

#[tokio::test]
async fn a_model_without_background_or_a_batch_is_not_explained() {
    let plain = World::new([1; 4], None, 0);
    let refused = plain.explain(rows(1, 0.9)).await.unwrap_err();
    assert_eq!((refused.code, plain.reads.load(Ordering::SeqCst)), (Code::Conflict, 0));
    assert!(refused.detail.unwrap().contains("mantlet model profile"));
    let world = World::open(Effort::Exact);
    let batch = world.explain(rows(2, 0.9)).await.unwrap_err();
    assert_eq!((batch.code, batch.field.as_deref()), (Code::InvalidInput, Some("features")));
    let unknown = Question { options: vec![("depth".into(), Scalar::Number(1.0))], ..rows(1, 0.9) };
    assert_eq!(world.explain(unknown).await.unwrap_err().code, Code::InvalidInput);
}

#[test]
fn attributions_that_do_not_add_up_leave_nothing() {
    let whole = Attributions {
        method: Method::Tree,
        scale: Scale::Value,
        base: 1.0,
        output: 2.0,
        values: vec![0.25; 4],
        errors: None,
        evaluations: 1,
    };
    let shown = || Shown::new(vec![true; 4]).unwrap();
    let contract = contract([1; 4]);
    let check = |attributions: Attributions| reasons(&contract, None, &attributions, &shown()).is_ok();
    assert!(check(whole.clone()));
    assert!(!check(Attributions { output: 2.001, ..whole.clone() }));
    assert!(!check(Attributions { values: vec![1.0 / 3.0; 3], ..whole.clone() }));
    assert!(!check(Attributions { base: f64::NAN, ..whole.clone() }));
    assert!(!check(Attributions {
        values: vec![f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0],
        ..whole.clone()
    }));
    assert!(!check(Attributions { errors: Some(vec![0.0; 3]), ..whole }));
}
