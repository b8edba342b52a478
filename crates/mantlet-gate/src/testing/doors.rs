//! The doors as a whole: each stage rejects by itself, the stages keep their order, and every exit leaves its trace.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mantlet_types::{
    Code, Contract, Rejection, Role, Sha256, Tensor, TensorData,
    entry::{Decision, Event, Phase, Token},
    limits::CONCURRENT_MAX,
    question::{Question, Rows, Scalar},
};

use super::{CLIENT, CONSUMER, FakeModel, FakePayload, Kit, MODEL, ask, coin_contract, resealed};
use crate::{
    administer::{Claims, Deed, Done, Office, administer, found, revoke_leaked},
    directory::{Change, Directory, KeyState},
    identity::{Arrival, Credential, Principal},
    mediate::{Ask, Payload, mediate},
    output::{Answer, Outcome},
    people::founding::Founder,
    ports::{EngineFault, Model},
};

/// A payload that counts how often it was read.
struct Counted<P>(Arc<AtomicUsize>, P);

impl<P: Payload> Payload for Counted<P> {
    async fn read(self, contract: &Contract) -> Result<Question, Rejection> {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.read(contract).await
    }
}

/// What became of a request, and how far it came.
struct Trial {
    outcome: Result<Answer, Rejection>,
    receipt: bool,
    reads: usize,
    runs: usize,
}

/// A kit whose model counts its runs and computes this.
fn kit(
    compute: impl Fn(Vec<Tensor>) -> Result<Vec<Tensor>, EngineFault> + Send + Sync + 'static,
) -> (Kit, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let model: Arc<dyn Model> = Arc::new(FakeModel::new(coin_contract(), move |tensors| {
        counter.fetch_add(1, Ordering::SeqCst);
        compute(tensors)
    }));
    let kit = Kit::with(|snapshot| {
        let served = snapshot.models.get_mut(MODEL).unwrap();
        served.versions.insert(coin_contract().version, model);
    });
    (kit, runs)
}

fn coin_kit() -> (Kit, Arc<AtomicUsize>) {
    kit(|tensors| Ok(vec![super::fakes::coin(&tensors)]))
}

async fn attempt(kit: &(Kit, Arc<AtomicUsize>), arrival: Arrival, ask: Ask, payload: FakePayload) -> Trial {
    let (kit, runs) = kit;
    let before = runs.load(Ordering::SeqCst);
    let reads = Arc::new(AtomicUsize::new(0));
    let payload = Counted(Arc::clone(&reads), payload);
    let (outcome, receipt) = mediate(Arc::clone(&kit.gate), arrival, ask, payload).await.into_parts();
    let runs = runs.load(Ordering::SeqCst) - before;
    Trial { outcome, receipt: receipt.is_some(), reads: reads.load(Ordering::SeqCst), runs }
}

/// A body that is wrong in every way that a body can be.
fn bad_body() -> FakePayload {
    FakePayload(Ok(Question { rows: Rows::Ordered(vec![vec![Scalar::Null]]), ..Question::default() }))
}

fn row(bias: f64) -> FakePayload {
    let row = vec![Scalar::Number(bias), Scalar::Number(0.0)];
    FakePayload(Ok(Question { rows: Rows::Ordered(vec![row]), body_bytes: 7, ..Question::default() }))
}

fn other_model() -> Ask {
    Ask { model: "ghost".parse().unwrap(), ..ask() }
}

#[track_caller]
fn check_rejected(trial: &Trial, code: Code, reads: usize, runs: usize) {
    let rejection = trial.outcome.as_ref().expect_err("must be rejected");
    assert_eq!((rejection.code, trial.reads, trial.runs), (code, reads, runs), "{rejection:?}");
    assert!(!trial.receipt);
}

#[tokio::test]
async fn each_stage_stops_what_the_next_would_stop_too() {
    let kit = coin_kit();
    let used_up = || row(0.9);
    for _ in 0..60 {
        assert!(attempt(&kit, kit.0.bearer(&kit.0.consumer_key), ask(), used_up()).await.outcome.is_ok());
    }
    // Wrong from the first stage on, then from the second on, and so forth.
    let stranger = attempt(&kit, kit.0.bearer("guess"), other_model(), bad_body()).await;
    check_rejected(&stranger, Code::Unauthenticated, 0, 0);
    let known = || kit.0.bearer(&kit.0.consumer_key);
    check_rejected(&attempt(&kit, known(), other_model(), bad_body()).await, Code::NotFound, 0, 0);
    check_rejected(&attempt(&kit, known(), ask(), bad_body()).await, Code::RateLimited, 0, 0);
    kit.0.clock.advance(60);
    check_rejected(&attempt(&kit, known(), ask(), bad_body()).await, Code::InvalidInput, 1, 0);
    let unread = FakePayload(Err(Rejection::new(Code::TooLarge)));
    check_rejected(&attempt(&kit, known(), ask(), unread).await, Code::TooLarge, 1, 0);
    assert!(attempt(&kit, known(), ask(), row(0.9)).await.outcome.is_ok());
}

#[tokio::test]
async fn a_model_that_breaks_answers_nothing() {
    let tensor = |shape: Vec<usize>, data: Vec<f32>| Tensor {
        name: "probabilities".into(),
        shape,
        data: TensorData::Fp32(data),
    };
    let broken = [
        kit(|_| Err(EngineFault::Broken("secret cause".to_owned()))),
        kit(|_| panic!("secret cause")),
        kit(|_| Ok(Vec::new())),
        kit(move |_| Ok(vec![tensor(vec![2, 2], vec![0.5; 4])])),
        kit(move |_| Ok(vec![tensor(vec![1, 2], vec![f32::NAN, 0.9])])),
    ];
    for kit in broken {
        let trial = attempt(&kit, kit.0.bearer(&kit.0.consumer_key), ask(), row(0.9)).await;
        check_rejected(&trial, Code::Unavailable, 1, 1);
        let rejection = trial.outcome.unwrap_err();
        assert!(rejection.detail.is_none() && rejection.field.is_none());
        let entry = kit.0.ledger.take().pop().unwrap();
        assert_eq!((entry.status, entry.error_code.unwrap().as_str()), (Some(503), "unavailable"));
    }
}

#[tokio::test]
async fn an_unsure_answer_is_withheld_and_recorded_as_such() {
    let kit = coin_kit();
    let trial = attempt(&kit, kit.0.bearer(&kit.0.consumer_key), ask(), row(0.6)).await;
    let answer = trial.outcome.unwrap();
    assert_eq!(answer.rows[0].outcome, Outcome::Fallback);
    let entry = kit.0.ledger.take().pop().unwrap();
    assert_eq!((entry.status, entry.output_class.unwrap().as_str()), (Some(200), "__uncertain"));
}

#[tokio::test]
async fn an_answer_leaves_with_its_entry() {
    let kit = coin_kit();
    let arrival = kit.0.bearer(&kit.0.consumer_key);
    let id = arrival.request_id;
    let trial = attempt(&kit, arrival, ask(), row(0.9)).await;
    assert!(trial.outcome.is_ok() && trial.receipt);
    let entries = kit.0.ledger.take();
    let [entry] = entries.as_slice() else { panic!("one entry: {entries:?}") };
    assert_eq!((entry.event, entry.phase, entry.status), (Event::Inference, Phase::Single, Some(200)));
    assert_eq!(entry.request_id, Some(id));
    assert_eq!(entry.principal.as_ref().unwrap().to_string(), format!("consumer:{CONSUMER}"));
    assert_eq!(entry.decision, Some(Decision::Allow));
    assert!(!entry.policy_ids.is_empty());
    assert_eq!((entry.batch, entry.input_length), (Some(1), Some(7)));
    assert_eq!(entry.model_digest, Some(coin_contract().digest));
    assert_eq!(entry.output_class.as_ref().unwrap().as_str(), "heads");
}

#[tokio::test]
async fn nothing_leaves_that_cannot_be_recorded() {
    let kit = coin_kit();
    kit.0.ledger.close();
    let answer = attempt(&kit, kit.0.bearer(&kit.0.consumer_key), ask(), row(0.9)).await;
    assert_eq!(answer.outcome.unwrap_err().code, Code::AuditUnavailable);
    let denial = attempt(&kit, kit.0.bearer(&kit.0.consumer_key), other_model(), row(0.9)).await;
    assert_eq!(denial.outcome.unwrap_err().code, Code::AuditUnavailable);
}

#[tokio::test]
async fn every_exit_leaves_its_trace() {
    let kit = coin_kit();
    let known = || kit.0.bearer(&kit.0.consumer_key);
    let exits = [
        (known(), ask(), row(0.9), 200),
        (known(), ask(), row(0.6), 200),
        (known(), other_model(), row(0.9), 404),
        (known(), ask(), bad_body(), 400),
        (known(), ask(), FakePayload::rows(61), 413),
    ];
    for (arrival, ask, payload, status) in exits {
        let id = arrival.request_id;
        let _ = attempt(&kit, arrival, ask, payload).await;
        let entries = kit.0.ledger.take();
        assert_eq!(entries.len(), 1, "{status}: {entries:?}");
        assert_eq!((entries[0].status, entries[0].request_id), (Some(status), Some(id)));
    }
    let strangers = [
        (kit.0.arrival(Credential::Nothing), Code::Unauthenticated),
        (kit.0.arrival(Credential::Malformed), Code::Unauthenticated),
        (kit.0.bearer("guess"), Code::Unauthenticated),
        (in_url(&kit.0, &kit.0.consumer_key), Code::KeyInUrl),
    ];
    for (arrival, code) in strangers {
        let _ = attempt(&kit, arrival, ask(), row(0.9)).await;
        let counted = kit.0.ledger.failures.lock().unwrap().pop();
        assert_eq!(counted, Some((code, CLIENT.parse().unwrap())));
        assert!(kit.0.ledger.take().is_empty(), "strangers get no entries of their own");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_skip_its_entry() {
    struct Slow(tokio::sync::oneshot::Receiver<()>);
    impl Payload for Slow {
        async fn read(self, contract: &Contract) -> Result<Question, Rejection> {
            let _ = self.0.await;
            row(0.9).read(contract).await
        }
    }
    let (kit, _) = coin_kit();
    let (body, arrives) = tokio::sync::oneshot::channel();
    let request = mediate(kit.gate.clone(), kit.bearer(&kit.consumer_key), ask(), Slow(arrives));
    let client = tokio::spawn(request);
    tokio::task::yield_now().await;
    client.abort();
    assert!(client.await.is_err());
    body.send(()).unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let entries = kit.ledger.take();
    assert_eq!(entries.iter().map(|entry| entry.status).collect::<Vec<_>>(), [Some(200)]);
}

fn in_url(kit: &Kit, key: &str) -> Arrival {
    kit.arrival(Credential::InUrl(vec![zeroize::Zeroizing::new(key.to_owned())]))
}

async fn leak(kit: &Kit, key: &str) -> Rejection {
    match revoke_leaked(kit.gate.clone(), in_url(kit, key)).await.into_parts() {
        (Err(rejection), None) => rejection,
        (_, Some(_)) => panic!("a refusal has no receipt"),
    }
}

#[tokio::test]
async fn a_leaked_key_is_refused_and_revoked() {
    let kit = Kit::new();
    assert_eq!(leak(&kit, &kit.consumer_key).await.code, Code::KeyInUrl);
    assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_err());
    let kid = &kit.consumer_key[9..21];
    let entries = kit.ledger.take();
    let phases: Vec<_> = entries.iter().map(|entry| (entry.event, entry.phase, entry.status)).collect();
    let revoke = Event::KeyRevoke;
    assert_eq!(phases, [(revoke, Phase::Intent, None), (revoke, Phase::Outcome, Some(200))]);
    for entry in &entries {
        assert_eq!(entry.subject.as_ref().unwrap().as_str(), kid);
        assert_eq!(entry.client_ip, Some(CLIENT.parse().unwrap()));
    }
    let changes = std::mem::take(&mut *kit.store.changes.lock().unwrap());
    let [Change::PutKey(stored, key)] = changes.as_slice() else { panic!("one change") };
    assert_eq!((stored.as_str(), key.state), (kid, KeyState::Revoked));
    assert_eq!(kit.ledger.failures.lock().unwrap().len(), 1, "the request itself counts as a failure");
    // Again: refused, and nothing more to do.
    assert_eq!(leak(&kit, &kit.consumer_key).await.code, Code::KeyInUrl);
    assert!(kit.ledger.take().is_empty());
}

#[tokio::test]
async fn a_made_up_key_harms_nobody() {
    let kit = Kit::new();
    let (_, other) = kit.key(&format!("consumer:{CONSUMER}"));
    // The operator's id with a secret that is not the operator's.
    let mixed = resealed(&format!("{}{}", &kit.operator_key[..21], &other[21..65]));
    for text in ["", "guess", &mixed] {
        assert_eq!(leak(&kit, text).await.code, Code::KeyInUrl);
    }
    assert!(kit.ledger.take().is_empty() && kit.store.changes.lock().unwrap().is_empty());
    assert!(kit.authenticate(kit.operator()).is_ok());
}

#[tokio::test]
async fn a_revocation_that_cannot_be_kept_or_recorded_is_not_claimed() {
    let kit = Kit::new();
    kit.store.fail();
    assert_eq!(leak(&kit, &kit.consumer_key).await.code, Code::Unavailable);
    let outcome = kit.ledger.take().pop().unwrap();
    assert_eq!((outcome.phase, outcome.status), (Phase::Outcome, Some(503)));
    let kit = Kit::new();
    kit.ledger.close();
    assert_eq!(leak(&kit, &kit.consumer_key).await.code, Code::AuditUnavailable);
    assert!(kit.store.changes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_door_that_breaks_leaves_a_trace_without_what_was_asked() {
    struct Broken;
    impl Payload for Broken {
        async fn read(self, _: &Contract) -> Result<Question, Rejection> {
            panic!("secret input")
        }
    }
    let kit = Kit::new();
    for _ in 0..7 {
        let arrival = kit.bearer(&kit.consumer_key);
        let id = arrival.request_id;
        let released = mediate(kit.gate.clone(), arrival, ask(), Broken).await;
        assert_eq!(released.into_parts().0.unwrap_err().code, Code::Unavailable);
        for entry in kit.ledger.take() {
            assert_eq!((entry.request_id, entry.status), (Some(id), Some(503)));
            assert!(!format!("{entry:?}").contains("secret"));
        }
    }
    // Five have an entry each, like five denials; the others are counted.
    assert_eq!(kit.ledger.failures.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_flood_of_whatever_is_rejected_is_counted_not_written() {
    let kit = Kit::with(|snapshot| snapshot.models.clear());
    for _ in 0..20 {
        let trial = mediate(kit.gate.clone(), kit.bearer(&kit.consumer_key), ask(), row(0.9)).await;
        assert_eq!(trial.into_parts().0.unwrap_err().code, Code::Unavailable);
    }
    assert_eq!(kit.ledger.take().len(), 5);
    assert_eq!(kit.ledger.denials.lock().unwrap().len(), 15);
    let kit = Kit::new();
    for _ in 0..20 {
        let revoke = crate::people::keys::RevokeKey { kid: "000000000000".parse().unwrap() };
        assert!(administer(kit.gate.clone(), kit.operator(), revoke).await.into_parts().0.is_err());
    }
    assert_eq!((kit.ledger.take().len(), kit.ledger.denials.lock().unwrap().len()), (5, 15));
}

#[tokio::test]
async fn one_principal_occupies_only_so_much_at_a_time() {
    struct Slow(Arc<tokio::sync::Semaphore>);
    impl Payload for Slow {
        async fn read(self, contract: &Contract) -> Result<Question, Rejection> {
            let _ = self.0.acquire().await;
            row(0.9).read(contract).await
        }
    }
    let kit = Kit::new();
    let consumer = kit.gate.snapshot().directory.consumers[CONSUMER].clone();
    let busy = crate::directory::Consumer { rate_per_minute: 10_000, ..consumer };
    kit.change(&[
        Change::PutConsumer("other".parse().unwrap(), busy.clone()),
        Change::PutConsumer(CONSUMER.parse().unwrap(), busy),
    ]);
    let bodies = Arc::new(tokio::sync::Semaphore::new(0));
    let waiting: Vec<_> = (0..CONCURRENT_MAX)
        .map(|_| {
            tokio::spawn(mediate(
                kit.gate.clone(),
                kit.bearer(&kit.consumer_key),
                ask(),
                Slow(bodies.clone()),
            ))
        })
        .collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    let one = async |key: &str| {
        mediate(kit.gate.clone(), kit.bearer(key), ask(), row(0.9))
            .await
            .into_parts()
            .0
            .map_err(|rejection| rejection.code)
    };
    assert_eq!(one(&kit.consumer_key).await.unwrap_err(), Code::RateLimited);
    assert!(one(&kit.key("consumer:other").1).await.is_ok(), "others are not concerned");
    bodies.add_permits(1);
    for request in waiting {
        assert!(request.await.unwrap().into_parts().0.is_ok());
    }
    assert!(one(&kit.consumer_key).await.is_ok());
}

#[tokio::test]
async fn every_key_in_a_url_is_revoked() {
    let kit = Kit::new();
    let (_, second) = kit.key(&format!("consumer:{CONSUMER}"));
    let texts = ["mtk_x", &kit.consumer_key, &second].map(|text| zeroize::Zeroizing::new(text.to_owned()));
    let arrival = kit.arrival(Credential::InUrl(texts.into()));
    assert!(revoke_leaked(kit.gate.clone(), arrival).await.into_parts().0.is_err());
    for key in [&kit.consumer_key, &second] {
        assert!(kit.authenticate(kit.bearer(key)).is_err());
    }
}

#[tokio::test]
async fn a_deed_that_breaks_leaves_a_trace() {
    struct Broken;
    impl Deed for Broken {
        type Reply = ();
        fn event(&self) -> Event {
            Event::UserRead
        }
        fn changes(&self) -> bool {
            false
        }
        fn claims(&self, _: &Principal, _: &Directory) -> Result<Claims, Rejection> {
            Ok(Claims::PerItem)
        }
        async fn act(self, _: &Office<'_>) -> Result<Done<()>, Rejection> {
            panic!("secret cause")
        }
    }
    let kit = Kit::new();
    let outcome = administer(kit.gate.clone(), kit.operator(), Broken).await.into_parts().0;
    assert_eq!(outcome.unwrap_err().code, Code::Unavailable);
    let entry = kit.ledger.take().pop().unwrap();
    assert_eq!((entry.event, entry.status), (Event::UserRead, Some(503)));
}

#[tokio::test]
async fn the_log_names_the_founders_and_their_keys() {
    let kit = Kit::with(|snapshot| snapshot.directory = Directory::default());
    let founder = |name: &str, role, byte| Founder {
        user: name.parse().unwrap(),
        certificate: Sha256([byte; 32]),
        roles: [role].into(),
    };
    let founders = [founder("olga", Role::Operator, 1), founder("sue", Role::Security, 2)];
    let keys = found(&kit.gate, &founders).await.unwrap();
    let entries = kit.ledger.take();
    let subjects: Vec<_> = entries.iter().map(|entry| entry.subject.clone().unwrap()).collect();
    let named: Vec<_> = keys.iter().map(|key| Token::of(&format!("user:{}/{}", key.user, key.kid))).collect();
    assert_eq!(subjects, [named.clone(), named].concat());
    assert!(entries.iter().all(|entry| entry.project.is_some()));
    // The operator has seen the other founder's key.
    assert_eq!(keys.iter().map(|key| kit.kept(key.kid).handed_over).collect::<Vec<_>>(), [false, true]);
}
