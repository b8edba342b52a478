use std::{collections::BTreeMap, sync::Arc};

use mantlet_types::{
    Code, Contract, Datatype, PrincipalId, Rejection, RequestId, ReviewId, Role, Tensor, TensorData,
    TensorSpec,
    contract::{Layout, Task},
    entry::{Event, Phase, Token},
    question::{Question, Rows, Scalar},
};
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    administer::{Deed, administer, expire_reviews},
    directory::Change,
    identity::Arrival,
    mediate::mediate,
    output::{Answer, Outcome, Value},
    snapshot::Settings,
    testing::{CONSUMER, FakePayload, Kit, MODEL, ask, coin_contract, user},
};

const DAY: i64 = 86_400;

/// A kit whose model's answers are held like this, and a reviewer.
fn kit(hold: Hold) -> Kit {
    let kit = Kit::with(|snapshot| {
        snapshot.settings = Arc::new(Settings {
            holds: BTreeMap::from([(MODEL.parse().unwrap(), hold)]),
            reviews_pending: 3,
            ..Settings::clone(&snapshot.settings)
        });
    });
    for (name, roles) in [
        ("rita", vec![Role::Reviewer, Role::Reader]),
        ("rolf", vec![Role::Reviewer]),
        ("ana", vec![Role::Analyst]),
    ] {
        kit.change(&[Change::PutUser(name.parse().unwrap(), user(&roles))]);
    }
    kit
}

/// Rows of which the model says `heads` with these probabilities.
fn rows(heads: &[f64]) -> FakePayload {
    let row = |heads: &f64| vec![Scalar::Number(*heads), Scalar::Number(0.25)];
    let rows = Rows::Ordered(heads.iter().map(row).collect());
    FakePayload(Ok(Question { rows, ..Question::default() }))
}

async fn asked(kit: &Kit, arrival: Arrival, heads: &[f64]) -> Result<Answer, Rejection> {
    mediate(Arc::clone(&kit.gate), arrival, ask(), rows(heads)).await.into_parts().0
}

async fn by(kit: &Kit, heads: &[f64]) -> Result<Answer, Rejection> {
    asked(kit, kit.bearer(&kit.consumer_key), heads).await
}

fn outcomes(answer: &Answer) -> Vec<Outcome> {
    answer.rows.iter().map(|row| row.outcome).collect()
}

fn probabilities(answer: &Answer) -> Vec<f32> {
    match &answer.outputs[0].data {
        TensorData::Fp32(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

fn person(kit: &Kit, name: &str) -> Arrival {
    kit.bearer(&kit.key(&format!("user:{name}")).1)
}

async fn done<D: Deed>(kit: &Kit, arrival: Arrival, deed: D) -> Result<D::Reply, Rejection> {
    administer(Arc::clone(&kit.gate), arrival, deed).await.into_parts().0
}

fn queue(kit: &Kit) -> Arc<dyn Queue> {
    Arc::clone(kit.gate.reviews())
}

fn all(kit: &Kit) -> Vec<Item> {
    kit.reviews.list(&|_| true, usize::MAX)
}

async fn decide(kit: &Kit, who: &str, item: ReviewId, ruling: Json) -> Result<Item, Rejection> {
    let ruling = serde_json::from_value(ruling).unwrap();
    done(kit, person(kit, who), DecideReview { queue: queue(kit), item, ruling }).await
}

async fn assign(kit: &Kit, who: &str, item: ReviewId, assignment: Json) -> Result<Item, Rejection> {
    let assignment = serde_json::from_value(assignment).unwrap();
    done(kit, person(kit, who), AssignReview { queue: queue(kit), item, assignment }).await
}

async fn listed(kit: &Kit, who: &str, status: Option<Status>) -> usize {
    let deed = ListReviews { queue: queue(kit), model: None, status };
    let listed = serde_json::to_value(done(kit, person(kit, who), deed).await.unwrap()).unwrap();
    listed["reviews"].as_array().unwrap().len()
}

async fn poll(kit: &Kit, request: RequestId) -> Result<Json, Rejection> {
    let deed = PollHeld { queue: queue(kit), model: MODEL.parse().unwrap(), request };
    let held = done(kit, kit.bearer(&kit.consumer_key), deed).await?;
    Ok(serde_json::to_value(held).unwrap())
}

#[tokio::test]
async fn what_the_model_is_not_sure_of_waits_and_the_rest_is_answered() {
    let kit = kit(Hold::BelowThreshold);
    let answer = by(&kit, &[0.9, 0.4, 0.2]).await.unwrap();
    assert_eq!(outcomes(&answer), [Outcome::Served, Outcome::Review, Outcome::Served]);
    assert_eq!(answer.rows[1].result, Value::Label("uncertain".into()));
    assert_eq!(probabilities(&answer), [0.1, 0.9, 0.0, 0.0, 0.8, 0.2]);
    let items = all(&kit);
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.row, item.status), (1, Status::Pending));
    assert_eq!(item.requester, format!("consumer:{CONSUMER}").parse::<PrincipalId>().unwrap());
    assert_eq!(item.ends, kit.gate.now().plus_seconds(7 * DAY));
    let Contents { input, guess, confidence, .. } =
        queue(&kit).open(item.id).await.unwrap().unwrap().contents;
    let features = vec![("bias".to_owned(), json!(0.4)), ("wind".to_owned(), json!(0.25))];
    assert!(input == Input::Features(features));
    assert!(guess == Some(Said::Label("tails".to_owned())));
    assert!((confidence.unwrap() - 0.6).abs() < 1e-6);
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!(entry.output_class, Some(Token::of("__uncertain#1")));
    assert_eq!(entry.screen, [Token::of("held:1")]);
}

#[tokio::test]
async fn a_sure_answer_that_is_held_says_no_more_than_an_unsure_one() {
    let kit = kit(Hold::Always);
    let (sure, unsure) = (by(&kit, &[0.9]).await.unwrap(), by(&kit, &[0.6]).await.unwrap());
    assert_eq!(probabilities(&sure), probabilities(&unsure));
    assert_eq!((&sure.rows[0].result, sure.rows[0].outcome), (&unsure.rows[0].result, Outcome::Review));
    for entry in kit.ledger.take() {
        assert_eq!(entry.output_class, Some(Token::of("__uncertain")));
    }
}

#[tokio::test]
async fn beyond_the_quota_rows_fall_back_and_the_log_says_so() {
    let kit = kit(Hold::Always);
    let first = by(&kit, &[0.9; 5]).await.unwrap();
    let (review, fallback) = (Outcome::Review, Outcome::Fallback);
    assert_eq!(outcomes(&first), [review, review, review, fallback, fallback]);
    assert_eq!(probabilities(&first), [0.0; 10], "not held is not served either");
    assert_eq!(kit.ledger.take().pop().unwrap().screen, [Token::of("held:3"), Token::of("not_held:2")]);
    assert_eq!(outcomes(&by(&kit, &[0.9]).await.unwrap()), [fallback]);
    // Everybody has a quota of their own.
    assert_eq!(outcomes(&asked(&kit, person(&kit, "rita"), &[0.9]).await.unwrap()), [review]);
    // What is decided waits no more.
    let of_the_application = |item: &&Item| matches!(item.requester, PrincipalId::Consumer(_));
    let item = all(&kit).iter().find(of_the_application).unwrap().id;
    decide(&kit, "rolf", item, json!({ "uphold": true })).await.unwrap();
    assert_eq!(outcomes(&by(&kit, &[0.9]).await.unwrap()), [review]);
}

#[tokio::test]
async fn without_the_queue_nothing_is_answered() {
    let kit = kit(Hold::BelowThreshold);
    kit.reviews.fail();
    assert_eq!(by(&kit, &[0.9, 0.5]).await.unwrap_err().code, Code::Unavailable);
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.status, entry.error_code), (Some(503), Some(Token::of("unavailable"))));
    // What is not held needs none.
    assert_eq!(outcomes(&by(&kit, &[0.9]).await.unwrap()), [Outcome::Served]);
}

#[tokio::test]
async fn a_sample_depends_on_the_row_alone() {
    let kit = Kit::with(|snapshot| {
        snapshot.settings = Arc::new(Settings {
            holds: BTreeMap::from([(MODEL.parse().unwrap(), Hold::Sampled(0.25))]),
            reviews_pending: 10_000,
            rate_per_minute: 1_000_000,
            ..Settings::clone(&snapshot.settings)
        });
        let consumer = snapshot.directory.consumers.get_mut(CONSUMER).unwrap();
        consumer.rate_per_minute = 1_000_000;
    });
    let heads: Vec<f64> = (0..1_000_u32).map(|row| 0.9 + f64::from(row) / 20_000.0).collect();
    let first = outcomes(&by(&kit, &heads).await.unwrap());
    let held = first.iter().filter(|outcome| **outcome == Outcome::Review).count();
    // Four standard deviations around a quarter of a thousand.
    assert!((195..=305).contains(&held), "{held}");
    assert!(first.iter().all(|outcome| matches!(outcome, Outcome::Review | Outcome::Served)));
    assert_eq!(outcomes(&by(&kit, &heads).await.unwrap()), first, "asking again is no way around");
}

#[tokio::test]
async fn reviewers_decide_and_never_on_their_own_requests() {
    let kit = kit(Hold::Always);
    asked(&kit, person(&kit, "rita"), &[0.9]).await.unwrap();
    let item = all(&kit)[0].id;
    // Her own: she sees it neither in the list nor by itself.
    assert_eq!((listed(&kit, "rita", None).await, listed(&kit, "rolf", None).await), (0, 1));
    let own = decide(&kit, "rita", item, json!({ "uphold": true })).await.unwrap_err();
    assert_eq!(own.code, Code::Forbidden);
    assert!(own.detail.unwrap().contains("F15_own_review"));
    let read = done(&kit, person(&kit, "rita"), ReadReview { queue: queue(&kit), item }).await;
    assert_eq!(read.err().unwrap().code, Code::Forbidden);
    // Nobody gives it to her.
    assert_eq!(
        assign(&kit, "rolf", item, json!({ "to": "rita" })).await.unwrap_err().code,
        Code::InvalidArgument
    );
    // To colleagues who do not review, and for what there is not, one answer.
    for (who, item) in [("ana", item), ("rolf", ReviewId::new(kit.gate.request_id()))] {
        let told = decide(&kit, who, item, json!({ "uphold": true })).await.unwrap_err();
        assert_eq!((told.code, told.detail), (Code::NotFound, None), "{who}");
    }
    assert_eq!(listed(&kit, "ana", None).await, 0);
    assert_eq!(decide(&kit, "rolf", item, json!({ "uphold": true })).await.unwrap().status, Status::Decided);
}

#[tokio::test]
async fn whoever_could_have_asked_as_an_application_does_not_decide_what_it_asked() {
    let kit = kit(Hold::Always);
    by(&kit, &[0.9]).await.unwrap();
    let item = all(&kit)[0].id;
    assert_eq!(listed(&kit, "rolf", None).await, 1);
    // Rolf has held a key of it, when is no matter.
    let app = kit.gate.snapshot().directory.consumers[CONSUMER].clone();
    let kept = app.kept_by(&"user:rolf".parse().unwrap());
    kit.change(&[Change::PutConsumer(CONSUMER.parse().unwrap(), kept)]);
    assert_eq!((listed(&kit, "rolf", None).await, listed(&kit, "rita", None).await), (0, 1));
    let refused = decide(&kit, "rolf", item, json!({ "uphold": true })).await.unwrap_err();
    assert!(refused.detail.unwrap().contains("F15_own_review"));
    let given = assign(&kit, "rita", item, json!({ "to": "rolf" })).await.unwrap_err();
    assert_eq!(given.code, Code::InvalidArgument);
    // Who makes models or hands out keys is no reviewer there, however they came by the role.
    for duty in [Role::DataEngineer, Role::DataScientist, Role::Operator] {
        kit.change(&[Change::PutUser("ruth".parse().unwrap(), user(&[Role::Reviewer, duty]))]);
        assert_eq!(listed(&kit, "ruth", None).await, 0, "{duty}");
        let refused = decide(&kit, "ruth", item, json!({ "uphold": true })).await.unwrap_err();
        assert!(refused.detail.unwrap().contains("F29_reviewer"), "{duty}");
        let given = assign(&kit, "rita", item, json!({ "to": "ruth" })).await.unwrap_err();
        assert_eq!(given.code, Code::InvalidArgument, "{duty}");
    }
    decide(&kit, "rita", item, json!({ "uphold": true })).await.unwrap();
}

#[tokio::test]
async fn large_batches_are_looked_through_in_the_pool() {
    let kit = Kit::with(|snapshot| {
        snapshot.settings = Arc::new(Settings {
            holds: BTreeMap::from([(MODEL.parse().unwrap(), Hold::Sampled(0.01))]),
            ..Settings::clone(&snapshot.settings)
        });
        snapshot.directory.consumers.get_mut(CONSUMER).unwrap().rate_per_minute = 1_000_000;
    });
    let own = std::thread::current().id();
    by(&kit, &[0.9]).await.unwrap();
    assert_eq!(kit.reviews.drawn_by(), [own].into());
    by(&kit, &[0.9; 1_000]).await.unwrap();
    let by_others = kit.reviews.drawn_by();
    assert!(!by_others.is_empty() && !by_others.contains(&own), "it was work of the thread that serves");
}

#[tokio::test]
async fn what_is_assigned_is_taken_over_only_in_so_many_words() {
    let kit = kit(Hold::Always);
    let answer = by(&kit, &[0.9]).await.unwrap();
    assert_eq!(outcomes(&answer), [Outcome::Review]);
    let item = all(&kit)[0].id;
    assert_eq!(
        assign(&kit, "rita", item, json!({})).await.unwrap().assigned_to,
        Some("rita".parse().unwrap())
    );
    for refused in [
        assign(&kit, "rolf", item, json!({})).await,
        decide(&kit, "rolf", item, json!({ "uphold": true })).await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        assert!(refused.detail.unwrap().contains("assigned to `rita`"));
    }
    assert_eq!(
        assign(&kit, "rolf", item, json!({ "to": "ana" })).await.unwrap_err().code,
        Code::InvalidArgument
    );
    let erased = done(&kit, person(&kit, "rolf"), EraseReview { queue: queue(&kit), item }).await;
    assert_eq!(erased.err().unwrap().code, Code::Conflict, "what somebody is at is theirs to have forgotten");
    assign(&kit, "rolf", item, json!({ "take_over": true })).await.unwrap();
    assert_eq!(decide(&kit, "rita", item, json!({ "uphold": true })).await.unwrap_err().code, Code::Conflict);
    let ruling = json!({ "result": "heads", "reason": "seen" });
    assert_eq!(decide(&kit, "rolf", item, ruling).await.unwrap().decided_by, Some("rolf".parse().unwrap()));
    assert_eq!(assign(&kit, "rolf", item, json!({})).await.unwrap_err().code, Code::Conflict);
    // An intent before each act, and the outcome after it.
    let entries = kit.ledger.take();
    let of = |event| entries.iter().filter(move |entry| entry.event == event);
    let last: Vec<_> = of(Event::ReviewDecide).map(|entry| (entry.phase, entry.status)).collect();
    assert!(last.ends_with(&[(Phase::Intent, None), (Phase::Outcome, Some(200))]), "{last:?}");
    assert!(of(Event::ReviewDecide).all(|entry| entry.subject == Some(Token::of(&item.to_string()))));
}

#[tokio::test]
async fn what_ends_is_gone_at_once_and_later_even_that_it_was_there() {
    let kit = kit(Hold::Always);
    let (request, other) = {
        by(&kit, &[0.9]).await.unwrap();
        by(&kit, &[0.8]).await.unwrap();
        let items = all(&kit);
        (items[0].request_id, items[1].id)
    };
    decide(&kit, "rolf", other, json!({ "uphold": true })).await.unwrap();
    assert_eq!(expire_reviews(&kit.gate).await.unwrap(), 0);
    kit.clock.advance(7 * DAY - 1);
    assert_eq!(poll(&kit, request).await.unwrap()["rows"], json!([{ "row": 0, "status": "pending" }]));
    kit.clock.advance(1);
    // Nobody has cleared up yet.
    assert_eq!(poll(&kit, request).await.unwrap()["rows"], json!([{ "row": 0, "status": "expired" }]));
    let items = all(&kit);
    assert!(queue(&kit).open(items[0].id).await.unwrap().is_some());
    assert_eq!(
        decide(&kit, "rolf", items[0].id, json!({ "uphold": true })).await.unwrap_err().code,
        Code::Conflict
    );
    assert_eq!(listed(&kit, "rolf", None).await, 0);
    assert_eq!(listed(&kit, "rolf", Some(Status::Expired)).await, 2);
    kit.ledger.take();
    assert_eq!(expire_reviews(&kit.gate).await.unwrap(), 2);
    let entries = kit.ledger.take();
    let seen: Vec<_> = entries.iter().map(|entry| (entry.event, entry.phase, entry.count)).collect();
    let expire = Event::ReviewExpire;
    assert_eq!(seen, [(expire, Phase::Intent, Some(2)), (expire, Phase::Outcome, Some(2))]);
    for item in items {
        assert!(queue(&kit).open(item.id).await.unwrap().is_none());
    }
    assert_eq!(poll(&kit, request).await.unwrap()["rows"], json!([{ "row": 0, "status": "expired" }]));
    kit.clock.advance(7 * DAY);
    assert_eq!(expire_reviews(&kit.gate).await.unwrap(), 0);
    assert_eq!(poll(&kit, request).await.unwrap_err().code, Code::NotFound);
    assert!(all(&kit).is_empty());
}

#[tokio::test]
async fn what_is_erased_is_erased_for_who_asked_too() {
    let kit = kit(Hold::Always);
    by(&kit, &[0.9]).await.unwrap();
    let (item, request) = (all(&kit)[0].id, all(&kit)[0].request_id);
    decide(&kit, "rolf", item, json!({ "result": "heads", "reason": "seen" })).await.unwrap();
    assert_eq!(poll(&kit, request).await.unwrap()["rows"][0]["result"], "heads");
    let erase = || EraseReview { queue: queue(&kit), item };
    // Who has decided need not be there for it.
    assert_eq!(done(&kit, person(&kit, "rita"), erase()).await.unwrap().status, Status::Erased);
    assert_eq!(poll(&kit, request).await.unwrap()["rows"], json!([{ "row": 0, "status": "erased" }]));
    assert!(queue(&kit).open(item).await.unwrap().is_none());
    assert_eq!(done(&kit, person(&kit, "rolf"), erase()).await.unwrap_err().code, Code::Conflict);
}

#[test]
fn results_are_those_that_the_model_could_have_given() {
    let check =
        |contract: &Contract, guess: Option<&str>, ruling: Json, expect: Result<(Json, bool), Code>| {
            let guess = guess.map(|guess| Said::Label(guess.to_owned()));
            let said =
                decide::decision_for_test(contract, guess, serde_json::from_value(ruling.clone()).unwrap());
            let said = said.map(|said| (serde_json::to_value(&said.result).unwrap(), said.upheld));
            assert_eq!(said.map_err(|rejection| rejection.code), expect, "{ruling}");
        };
    let coin = coin_contract();
    let mut numbered = coin_contract();
    if let Task::Classify { labels, .. } = &mut numbered.task {
        labels[0].text = "7".into();
    }
    let regression = Contract { task: Task::Regress { value: 0 }, ..coin_contract() };
    let opaque = Contract { task: Task::Opaque, ..coin_contract() };
    let ruled = |result: Json| json!({ "result": result, "reason": "so" });
    let wrong = || Err(Code::InvalidArgument);
    check(&coin, Some("heads"), ruled(json!("heads")), Ok((json!("heads"), true)));
    check(&coin, Some("heads"), ruled(json!("tails")), Ok((json!("tails"), false)));
    check(&coin, Some("heads"), json!({ "uphold": true }), Ok((json!("heads"), true)));
    check(&coin, None, json!({ "uphold": true }), Err(Code::Conflict));
    for result in [json!("edge"), json!(1), json!("")] {
        check(&coin, Some("heads"), ruled(result), wrong());
    }
    check(&numbered, None, ruled(json!(7)), Ok((json!("7"), false)));
    check(&regression, None, ruled(json!(-2.5)), Ok((json!(-2.5), false)));
    check(&regression, None, ruled(json!("41")), Ok((json!(41.0), false)));
    check(&regression, None, ruled(json!("inf")), wrong());
    check(&opaque, None, ruled(json!("whatever")), Ok((json!("whatever"), false)));
    check(&opaque, None, ruled(json!("x".repeat(1_000))), wrong());
}

/// What is kept of the second of two rows.
fn check_kept(contract: &Contract, tensors: &[Tensor], expect: &Json) {
    let kept = serde_json::to_value(Input::of(contract, tensors, 1)).unwrap();
    assert_eq!(kept, *expect);
}

#[test]
fn rows_are_kept_as_callers_wrote_them() {
    let tensor = |name: &str, shape: &[usize], data| Tensor { name: name.into(), shape: shape.into(), data };
    let matrix = tensor("x", &[2, 2], TensorData::Fp32(vec![1.0, 2.0, 0.1, f32::NAN]));
    check_kept(&coin_contract(), &[matrix], &json!({ "features": [["bias", 0.1], ["wind", null]] }));
    let spec = |name: &str, datatype| TensorSpec { name: name.into(), datatype, shape: vec![None, None] };
    let columns = Contract {
        layout: Layout::Columns,
        inputs: vec![spec("count", Datatype::Int64), spec("note", Datatype::Bytes)],
        ..coin_contract()
    };
    let largest = 9_223_372_036_854_775_807_i64;
    let texts = vec![b"first".to_vec(), "zweite Zeile: ä".as_bytes().to_vec()];
    let given = [
        tensor("count", &[2, 1], TensorData::Int64(vec![1, largest])),
        tensor("note", &[2, 1], TensorData::Bytes(texts)),
    ];
    check_kept(&columns, &given, &json!({ "features": [["bias", largest], ["wind", "zweite Zeile: ä"]] }));
    let tensors = Contract {
        layout: Layout::Tensors,
        inputs: vec![spec("image", Datatype::Uint8)],
        features: Vec::new(),
        ..coin_contract()
    };
    let image = tensor("image", &[2, 1, 2], TensorData::Uint8(vec![1, 2, 3, 4]));
    let expect =
        json!({ "inputs": [{ "name": "image", "datatype": "UINT8", "shape": [1, 1, 2], "data": [3, 4] }] });
    check_kept(&tensors, &[image], &expect);
}
