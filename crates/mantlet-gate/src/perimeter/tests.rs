use std::time::Duration;

use super::*;
use crate::{
    directory::{Change, Consumer},
    mediate::mediate,
    output::Answer,
    testing::{CONSUMER, FakePayload, Kit, MODEL, ask},
};

async fn predict(kit: &Kit, key: &str, rows: usize) -> Result<Answer, Rejection> {
    mediate(kit.gate.clone(), kit.bearer(key), ask(), FakePayload::rows(rows)).await.into_parts().0
}

fn remaining(outcome: Result<Answer, Rejection>) -> u64 {
    outcome.unwrap().standing.remaining
}

#[tokio::test]
async fn sixty_a_minute_are_sixty_at_once_and_not_sixty_one() {
    let kit = Kit::new();
    for left in (0..60).rev() {
        assert_eq!(remaining(predict(&kit, &kit.consumer_key, 1).await), left);
    }
    let rejection = predict(&kit, &kit.consumer_key, 1).await.unwrap_err();
    assert_eq!((rejection.code, rejection.retry_after), (Code::RateLimited, Some(Duration::from_secs(1))));
    assert_eq!(rejection.standing.unwrap().remaining, 0);
    kit.clock.advance(1);
    assert!(predict(&kit, &kit.consumer_key, 1).await.is_ok());
    assert!(predict(&kit, &kit.consumer_key, 1).await.is_err());
}

#[tokio::test]
async fn a_batch_costs_its_rows() {
    let kit = Kit::new();
    assert_eq!(remaining(predict(&kit, &kit.consumer_key, 50).await), 10);
    let rejection = predict(&kit, &kit.consumer_key, 11).await.unwrap_err();
    assert_eq!(rejection.code, Code::RateLimited);
    // Having asked cost one row; the ten others were not charged.
    assert_eq!(remaining(predict(&kit, &kit.consumer_key, 9).await), 0);
    kit.clock.advance(60);
    assert_eq!(remaining(predict(&kit, &kit.consumer_key, 60).await), 0, "the whole quota in one batch");
}

#[tokio::test]
async fn a_batch_beyond_the_quota_never_fits() {
    let kit = Kit::new();
    let rejection = predict(&kit, &kit.consumer_key, 61).await.unwrap_err();
    assert_eq!((rejection.code, rejection.retry_after), (Code::TooLarge, None));
    assert_eq!(rejection.standing.unwrap().quota, 60);
    assert_eq!(remaining(predict(&kit, &kit.consumer_key, 59).await), 0);
}

#[tokio::test]
async fn everybody_has_a_limit_of_their_own_and_keys_share_their_owner_s() {
    let kit = Kit::new();
    let (_, second) = kit.key(&format!("consumer:{CONSUMER}"));
    let other = Consumer { rate_per_minute: 5, ..kit.gate.snapshot().directory.consumers[CONSUMER].clone() };
    kit.change(&[Change::PutConsumer("other".parse().unwrap(), other)]);
    let (_, others) = kit.key("consumer:other");
    assert_eq!(remaining(predict(&kit, &kit.consumer_key, 60).await), 0);
    assert_eq!(predict(&kit, &second, 1).await.unwrap_err().code, Code::RateLimited);
    assert_eq!(remaining(predict(&kit, &others, 1).await), 4);
}

#[tokio::test]
async fn a_changed_limit_holds_at_once() {
    let kit = Kit::new();
    assert_eq!(remaining(predict(&kit, &kit.consumer_key, 30).await), 30);
    let consumer = kit.gate.snapshot().directory.consumers[CONSUMER].clone();
    let put = |rate_per_minute| {
        Change::PutConsumer(CONSUMER.parse().unwrap(), Consumer { rate_per_minute, ..consumer.clone() })
    };
    kit.change(&[put(31)]);
    assert_eq!(remaining(predict(&kit, &kit.consumer_key, 1).await), 0);
    kit.change(&[put(100)]);
    assert_eq!(remaining(predict(&kit, &kit.consumer_key, 1).await), 68);
    kit.change(&[put(0)]);
    assert_eq!(predict(&kit, &kit.consumer_key, 1).await.unwrap_err().code, Code::RateLimited);
}

#[tokio::test]
async fn side_by_side_no_more_is_admitted_than_in_turn() {
    let kit = std::sync::Arc::new(Kit::new());
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let kit = kit.clone();
            tokio::spawn(async move { predict(&kit, &kit.consumer_key, 1).await.is_ok() })
        })
        .collect();
    let mut admitted = 0;
    for answer in asked {
        admitted += usize::from(answer.await.unwrap());
    }
    assert_eq!(admitted, 60);
}

#[test]
fn threads_cannot_overdraw_a_bucket() {
    let bucket = Bucket::new(Timestamp::from_micros(0));
    let admitted: usize = std::thread::scope(|scope| {
        let charge = || (0..500).filter(|_| bucket.charge(1, 600, Timestamp::from_micros(0)).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(charge)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 600);
}

#[test]
fn deeds_are_limited_by_themselves() {
    let kit = Kit::new();
    let operator = kit.authenticate(kit.operator()).ok().unwrap();
    for _ in 0..DEEDS_PER_MINUTE {
        limit_deed(&kit.gate, &operator).unwrap();
    }
    assert_eq!(limit_deed(&kit.gate, &operator).unwrap_err().code, Code::RateLimited);
    let other = kit.authenticate(kit.bearer(&kit.key("user:ada").1)).ok().unwrap();
    assert!(limit_deed(&kit.gate, &other).is_ok());
}

#[test]
fn denials_have_a_budget_for_each_principal() {
    let denials = Denials::new();
    let principal: PrincipalId = "user:bob".parse().unwrap();
    let at = |seconds| Timestamp::from_micros(0).plus_seconds(seconds);
    let admitted = (0..100).filter(|_| denials.admits_at(Some(&principal), 5, at(0))).count();
    assert_eq!(admitted, 5);
    assert!(denials.admits_at(Some(&"user:eve".parse().unwrap()), 5, at(0)));
    assert!(
        !denials.admits_at(Some(&principal), 5, at(11)) && denials.admits_at(Some(&principal), 5, at(12))
    );
}

#[tokio::test]
async fn a_flood_of_denials_is_counted_not_written() {
    let kit = Kit::new();
    predict(&kit, &kit.consumer_key, 60).await.unwrap();
    kit.ledger.take();
    for _ in 0..20 {
        assert!(predict(&kit, &kit.consumer_key, 1).await.is_err());
    }
    assert_eq!(kit.ledger.take().len(), 5);
    let counted = kit.ledger.denials.lock().unwrap();
    assert_eq!(counted.len(), 15);
    assert_eq!(counted[0].model.as_ref().unwrap().as_str(), MODEL);
}
