use proptest::prelude::*;

use super::*;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + micros)
}

const SECOND: i64 = 1_000_000;

#[test]
fn a_minute_s_worth_at_once_and_not_one_more() {
    let bucket = Bucket::new(at(0));
    for left in (0..60).rev() {
        assert_eq!(bucket.charge(1, 60, at(0)).unwrap().remaining, left);
    }
    let Exceeded { standing, retry_after } = bucket.charge(1, 60, at(0)).unwrap_err();
    assert_eq!(
        standing,
        Standing { quota: 60, window_s: 60, remaining: 0, reset_s: 60, ..Standing::default() }
    );
    assert_eq!(retry_after, Some(Duration::from_secs(1)));
    assert!(bucket.charge(1, 60, at(SECOND - 1)).is_err());
    assert!(bucket.charge(1, 60, at(SECOND)).is_ok(), "exactly when it said");
}

#[test]
fn a_batch_is_charged_whole_or_not_at_all() {
    let bucket = Bucket::new(at(0));
    bucket.charge(50, 60, at(0)).unwrap();
    let exceeded = bucket.charge(11, 60, at(0)).unwrap_err();
    assert_eq!((exceeded.standing.remaining, exceeded.retry_after), (10, Some(Duration::from_secs(1))));
    assert_eq!(bucket.charge(10, 60, at(0)).unwrap().remaining, 0, "the refused batch cost nothing");
    assert_eq!(bucket.charge(61, 60, at(0)).unwrap_err().retry_after, None, "it never fits");
}

#[test]
fn a_quota_of_nothing_admits_nothing() {
    let bucket = Bucket::new(at(0));
    let exceeded = bucket.charge(1, 0, at(0)).unwrap_err();
    assert_eq!((exceeded.standing.remaining, exceeded.retry_after), (0, None));
    assert!(bucket.charge(1, 0, at(3_600 * SECOND)).is_err());
}

#[test]
fn a_clock_that_goes_back_neither_grants_nor_blocks() {
    let bucket = Bucket::new(at(0));
    bucket.charge(60, 60, at(0)).unwrap();
    let back = at(-3_600 * SECOND);
    assert!(bucket.charge(1, 60, back).is_err(), "nothing is granted");
    assert!(bucket.charge(60, 60, back.plus_seconds(60)).is_ok(), "nothing is blocked");
}

#[test]
fn extremes_do_not_overflow() {
    let bucket = Bucket::new(Timestamp::from_micros(i64::MIN));
    let most = u32::MAX;
    assert_eq!(bucket.charge(most, most, Timestamp::from_micros(i64::MIN)).unwrap().remaining, 0);
    assert!(bucket.charge(most, 1, Timestamp::from_micros(i64::MIN)).is_err());
    assert!(bucket.charge(most, most, Timestamp::from_micros(i64::MAX)).is_ok());
}

/// The same rule by other means: exact rational time, every charge remembered. The bucket's level is at each moment
/// the largest backlog of any suffix of the charges (Lindley's recursion unrolled).
struct Oracle {
    quota: u32,
    charges: Vec<(i64, u32)>,
}

impl Oracle {
    fn admits(&self, units: u32, now: i64) -> bool {
        let backlog = (0..=self.charges.len())
            .map(|from| {
                let since = self.charges.get(from).map_or(now, |(at, _)| *at);
                let units: i128 = self.charges[from..].iter().map(|(_, units)| i128::from(*units)).sum();
                units * 60_000_000 - i128::from(now - since) * i128::from(self.quota)
            })
            .max()
            .unwrap_or(0);
        backlog + i128::from(units) * 60_000_000 <= i128::from(self.quota) * 60_000_000
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_oracle(
        quota in 1_u32..200,
        steps in prop::collection::vec((0_i64..5_000_000, 1_u32..80), 1..60),
    ) {
        let bucket = Bucket::new(at(0));
        let mut oracle = Oracle { quota, charges: Vec::new() };
        let mut now = 0;
        for (wait, units) in steps {
            now += wait;
            let expected = oracle.admits(units, now);
            let got = bucket.charge(units, quota, at(now));
            prop_assert_eq!(got.is_ok(), expected, "{} units at {}", units, now);
            if expected {
                oracle.charges.push((now, units));
            }
            if let Err(Exceeded { retry_after: Some(wait), .. }) = got {
                let wait = i64::try_from(wait.as_micros()).unwrap();
                prop_assert!(oracle.admits(units, now + wait) && !oracle.admits(units, now + wait - 1));
            }
        }
    }
}
