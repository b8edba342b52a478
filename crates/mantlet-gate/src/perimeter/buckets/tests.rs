use super::*;

const QUOTA: u32 = 2;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(0).plus_seconds(seconds)
}

fn charge(buckets: &Buckets<u32>, key: u32, now: Timestamp) -> bool {
    buckets.bucket(key, now).is_some_and(|bucket| bucket.charge(1, QUOTA, now).is_ok())
}

#[test]
fn memory_is_bounded_and_the_idle_make_room() {
    let buckets = Buckets::new(SHARDS, WhenFull::Refuse);
    let admitted = (0..10_000).filter(|key| charge(&buckets, *key, at(0))).count();
    assert_eq!(admitted, SHARDS, "each shard has room for one");
    assert_eq!(buckets.len(), SHARDS);
    let later = (10_000..20_000).filter(|key| charge(&buckets, *key, at(60))).count();
    assert_eq!(later, SHARDS, "a minute later everyone before has drained");
    assert_eq!(buckets.len(), SHARDS);
}

#[test]
fn strangers_do_not_keep_newcomers_out() {
    let buckets = Buckets::new(SHARDS * 8, WhenFull::Forget);
    assert!((0..10_000).all(|key| charge(&buckets, key, at(0))));
    assert!(buckets.len() <= SHARDS * 8);
    assert!(buckets.len() >= SHARDS * 5, "only a quarter goes at a time: {}", buckets.len());
}

#[test]
fn a_bucket_in_use_is_not_forgotten() {
    let buckets = Buckets::new(SHARDS, WhenFull::Refuse);
    let held = buckets.bucket(0, at(0)).unwrap();
    held.charge(1, QUOTA, at(0)).unwrap();
    for key in 1..1_000 {
        buckets.bucket(key, at(600));
    }
    assert!(Arc::ptr_eq(&held, &buckets.bucket(0, at(600)).unwrap()));
}
