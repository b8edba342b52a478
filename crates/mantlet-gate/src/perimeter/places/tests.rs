use super::*;

fn id(text: &str) -> PrincipalId {
    text.parse().unwrap()
}

#[test]
fn one_principal_has_so_many_places_and_gets_them_back() {
    let places = Places::new(1);
    let mut held: Vec<Place> =
        (0..CONCURRENT_MAX).map(|_| places.take(&id("consumer:a")).ok().unwrap()).collect();
    let rejection = places.take(&id("consumer:a")).err().unwrap();
    assert_eq!((rejection.code, rejection.retry_after), (Code::RateLimited, Some(RETRY_AFTER)));
    assert!(places.take(&id("consumer:b")).is_ok(), "others are not concerned");
    held.pop();
    assert!(places.take(&id("consumer:a")).is_ok());
    held.clear();
    assert!(places.lock().is_empty(), "nothing is kept of who is not here");
}

#[test]
fn all_places_of_one_principal_have_one_share_of_the_pool() {
    let places = Places::new(2);
    let (one, other) = (places.take(&id("user:a")).ok().unwrap(), places.take(&id("user:a")).ok().unwrap());
    let _running = (one.pool().try_acquire().unwrap(), other.pool().try_acquire().unwrap());
    assert!(one.pool().try_acquire().is_err());
    let stranger = places.take(&id("user:b")).ok().unwrap();
    assert!(stranger.pool().try_acquire().is_ok());
}

#[tokio::test]
async fn one_principal_has_half_and_one_of_what_a_model_elsewhere_takes() {
    let places = Places::new(1);
    let own = places.take(&id("user:a")).ok().unwrap();
    for concurrent_max in [1, 2, 3, 8, 100] {
        let mut held = Vec::new();
        for _ in 0..concurrent_max / 2 + 1 {
            held.push(own.turn(concurrent_max).await.unwrap());
        }
        assert!(is_pending(own.turn(concurrent_max)), "of {concurrent_max}");
        let stranger = places.take(&id("user:b")).ok().unwrap();
        assert!(!is_pending(stranger.turn(concurrent_max)), "others are not concerned");
    }
}

/// Whether one poll does not end it.
fn is_pending<T>(future: impl Future<Output = T>) -> bool {
    std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
}
