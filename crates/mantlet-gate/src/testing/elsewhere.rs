//! A model that runs elsewhere: asked under the same deadline, judged by the same judge, and never behind its back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mantlet_types::{
    Code, Contract, Rejection, Tensor, TensorData, question::Question, question::Rows, question::Scalar,
};

use super::{FakePayload, Kit, MODEL, ask, coin_contract, fakes};
use crate::{
    infer::ModelInput,
    mediate::{mediate, mediate_explanation},
    output::{Answer, Outcome},
    ports::{
        Asked, Attributions, Behalf, Case, Effort, EngineFault, Evaluate, Explainer, Method, Model,
        Placement, RawOutput, Remote, Scale, Threshold,
    },
    snapshot::Settings,
};

/// What comes back.
type Reply = fn(Vec<Tensor>) -> Result<Vec<Tensor>, EngineFault>;

/// A model elsewhere that says this, or nothing ever.
struct Far {
    contract: Arc<Contract>,
    reply: Option<Reply>,
    asked: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Far {
    fn kit(reply: Option<Reply>) -> (Kit, Arc<Self>) {
        let far = Arc::new(Self {
            contract: Arc::new(coin_contract()),
            reply,
            asked: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let model = Arc::clone(&far) as Arc<dyn Model>;
        let kit = Kit::with(|snapshot| {
            snapshot.models.get_mut(MODEL).unwrap().versions.insert(coin_contract().version, model);
            let inference_timeout = Duration::from_millis(300);
            snapshot.settings = Arc::new(Settings { inference_timeout, ..Settings::default() });
        });
        (kit, far)
    }
}

impl Model for Far {
    fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    fn judged_by(&self, _: &Threshold) -> Result<Arc<dyn Model>, String> {
        Err("not in these tests".to_owned())
    }

    fn placement(&self, _: usize) -> Placement {
        Placement::Inline
    }

    fn run(&self, _: ModelInput) -> Result<RawOutput, EngineFault> {
        panic!("it does not run here")
    }

    fn explainer(&self) -> Option<&dyn Explainer> {
        Some(&Twice)
    }

    fn remote(&self) -> Option<&dyn Remote> {
        Some(self)
    }
}

impl Remote for Far {
    fn ask<'a>(&'a self, input: ModelInput, behalf: &'a Behalf) -> Asked<'a> {
        Box::pin(async move {
            assert!(behalf.request_id.is_some() && behalf.principal.is_some() && behalf.ip.is_some());
            self.asked.fetch_add(1, Ordering::SeqCst);
            let _under_way = UnderWay::begin(self);
            let Some(reply) = self.reply else { return std::future::pending().await };
            tokio::task::yield_now().await;
            reply(input.into_tensors()).map(RawOutput)
        })
    }

    fn concurrent_max(&self) -> usize {
        4
    }

    fn is_ready(&self) -> bool {
        true
    }
}

/// A question that is under way until it is answered or given up.
struct UnderWay<'a>(&'a Far);

impl<'a> UnderWay<'a> {
    fn begin(far: &'a Far) -> Self {
        let now = far.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        far.most.fetch_max(now, Ordering::SeqCst);
        Self(far)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Explains by asking twice.
struct Twice;

impl Explainer for Twice {
    fn effort(&self) -> Effort {
        Effort::Sampled { least: 1, most: 10 }
    }

    fn explain(&self, case: &Case<'_>, evaluate: &mut Evaluate<'_>) -> Result<Attributions, EngineFault> {
        let said = evaluate(case.row.to_vec())?;
        evaluate(case.row.to_vec())?;
        let TensorData::Fp32(values) = &said.0[0].data else { panic!("a coin says floats") };
        let output = f64::from(values[1]);
        Ok(Attributions {
            method: Method::Sampling,
            scale: Scale::Probability,
            base: 0.0,
            output,
            values: vec![output, 0.0],
            errors: None,
            evaluations: 2,
        })
    }
}

fn row(bias: f64) -> FakePayload {
    let row = vec![Scalar::Number(bias), Scalar::Number(0.0)];
    FakePayload(Ok(Question { rows: Rows::Ordered(vec![row]), ..Question::default() }))
}

async fn asked(kit: &Kit, bias: f64) -> Result<Answer, Rejection> {
    let arrival = kit.bearer(&kit.consumer_key);
    mediate(Arc::clone(&kit.gate), arrival, ask(), row(bias)).await.into_parts().0
}

#[tokio::test]
async fn an_answer_from_elsewhere_is_judged() {
    let (kit, far) = Far::kit(Some(|tensors| Ok(vec![fakes::coin(&tensors)])));
    let outcome = |answer: Result<Answer, Rejection>| answer.unwrap().rows[0].outcome;
    assert_eq!(outcome(asked(&kit, 0.9).await), Outcome::Served);
    assert_eq!(outcome(asked(&kit, 0.6).await), Outcome::Fallback);
    assert_eq!(far.asked.load(Ordering::SeqCst), 2);
    let stranger = kit.bearer("guess");
    let turned_away = mediate(Arc::clone(&kit.gate), stranger, ask(), row(0.9)).await.into_parts().0;
    assert_eq!(turned_away.unwrap_err().code, Code::Unauthenticated);
    assert_eq!(far.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_breaks_the_contract_or_fails_is_no_answer() {
    let replies: [Reply; 4] = [
        |_| Ok(Vec::new()),
        |tensors| Ok(vec![fakes::coin(&tensors), fakes::coin(&tensors)]),
        |tensors| {
            let mut coin = fakes::coin(&tensors);
            coin.shape = vec![2, 1];
            Ok(vec![coin])
        },
        |_| Err(EngineFault::Broken("secret cause".to_owned())),
    ];
    for reply in replies {
        let (kit, _) = Far::kit(Some(reply));
        let rejection = asked(&kit, 0.9).await.unwrap_err();
        assert_eq!((rejection.code, rejection.retry_after), (Code::Unavailable, None));
        assert!(rejection.detail.is_none() && rejection.field.is_none());
        let entry = kit.ledger.take().pop().unwrap();
        assert_eq!((entry.status, entry.error_code.unwrap().as_str()), (Some(503), "unavailable"));
    }
    let (kit, _) = Far::kit(Some(|_| {
        Err(EngineFault::Busy { why: "full".to_owned(), retry_after: Duration::from_secs(2) })
    }));
    let rejection = asked(&kit, 0.9).await.unwrap_err();
    assert_eq!((rejection.code, rejection.retry_after), (Code::Unavailable, Some(Duration::from_secs(2))));
}

#[tokio::test]
async fn who_never_answers_is_given_up_and_its_own_principals_share_with_it() {
    let (kit, far) = Far::kit(None);
    let questions: Vec<_> = (0..8)
        .map(|_| {
            let (gate, arrival) = (Arc::clone(&kit.gate), kit.bearer(&kit.consumer_key));
            tokio::spawn(
                async move { mediate(gate, arrival, ask(), row(0.9)).await.into_parts().0.map(drop) },
            )
        })
        .collect();
    for question in questions {
        assert_eq!(question.await.unwrap().unwrap_err().code, Code::Unavailable);
    }
    assert_eq!(far.most.load(Ordering::SeqCst), 3, "half of four and one are one principal's");
    assert_eq!(kit.ledger.take().len(), 8);
}

#[tokio::test]
async fn an_answer_from_elsewhere_is_explained_by_asking_there() {
    let (kit, far) = Far::kit(Some(|tensors| Ok(vec![fakes::coin(&tensors)])));
    let arrival = kit.bearer(&kit.consumer_key);
    let asking = crate::mediate::Ask { action: mantlet_types::Action::Explain, ..ask() };
    let released = mediate_explanation(Arc::clone(&kit.gate), arrival, asking, row(0.9)).await.into_parts().0;
    match released {
        Ok(explanation) => {
            assert_eq!(far.asked.load(Ordering::SeqCst), 3);
            assert!((explanation.reasons.unwrap().output - 0.9).abs() < 1e-6);
        }
        Err(rejection) => panic!("{rejection:?}"),
    }
}
