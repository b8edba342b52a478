use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(0).plus_seconds(seconds)
}

#[test]
fn failures_drain_and_those_beyond_the_quota_are_none() {
    let failures = Failures::new();
    let ip: IpAddr = "192.0.2.1".parse().unwrap();
    assert!((0..3).all(|_| failures.count(ip, 3, at(0)).is_ok()));
    for _ in 0..100 {
        let rejection = failures.count(ip, 3, at(0)).unwrap_err();
        assert_eq!(rejection.code, Code::RateLimited);
        assert_eq!(rejection.retry_after, Some(std::time::Duration::from_secs(20)));
    }
    assert!(failures.count("192.0.2.2".parse().unwrap(), 3, at(0)).is_ok(), "others are not concerned");
    assert!(failures.count(ip, 3, at(19)).is_err());
    assert!(failures.count(ip, 3, at(20)).is_ok());
}

#[test]
fn addresses_of_one_subscriber_are_one() {
    let same = |a: &str, b: &str| origin(a.parse().unwrap()) == origin(b.parse().unwrap());
    assert!(same("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"));
    assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
    assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
    assert!(!same("192.0.2.1", "192.0.2.2"));
}
