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
