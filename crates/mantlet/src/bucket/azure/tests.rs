//! Signatures beside those of Azure's own library.

use super::*;

/// 2026-11-22T15:30:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_795_361_400_000_000);

fn service(endpoint: Option<&str>) -> Service {
    Service::new("mantlettest", &STANDARD.encode(b"account-key-of-32-bytes-exactly!"), endpoint).unwrap()
}

/// By `azure.storage.blob.generate_blob_sas` 12.31.1, for the same version.
#[test]
fn signatures_are_those_of_azures_library() {
    let place = Place::parse("az://models/a b/ü+&.bin").unwrap();
    let check = |method: Method, permissions: &str, signature: &str| {
        let url = service(None).presign(&method, &place, NOW, 900).unwrap();
        let expected = format!(
            "https://mantlettest.blob.core.windows.net/models/a%20b/%C3%BC%2B%26.bin?sv=2021-12-02&spr=https&\
             se=2026-11-22T15%3A45%3A00Z&sr=b&sp={permissions}&sig={signature}"
        );
        assert_eq!(url, expected);
    };
    check(Method::GET, "r", "N95HZzVuMz1HEQAAws03Z5%2FDot4tKhg3dZ2yi5vwyNE%3D");
    check(Method::PUT, "cw", "nPYj%2Bdnp4SZzfPsZ0%2BPCRvFi5aXkXnq3iBYGKv%2FiEUo%3D");
}

#[test]
fn there_is_no_url_that_gives_more_than_it_says() {
    let place = Place::parse("az://models/x").unwrap();
    for method in [Method::HEAD, Method::DELETE, Method::POST] {
        assert_eq!(service(None).presign(&method, &place, NOW, 900), Err(BucketError::Method));
    }
    // Off this machine there is no other way than TLS.
    assert!(service(None).presign(&Method::GET, &place, NOW, 900).unwrap().contains("spr=https&"));
    let here = service(Some("http://127.0.0.1:10000/mantlettest"));
    let url = here.presign(&Method::GET, &place, NOW, 900).unwrap();
    assert!(url.starts_with("http://127.0.0.1:10000/mantlettest/models/x?"), "{url}");
    assert!(matches!(Service::new("x", "AAAA", None), Err(BucketError::Account)));
    assert!(matches!(Service::new("mantlettest", "no base 64", None), Err(BucketError::Key(_))));
    assert!(matches!(
        Service::new("mantlettest", "AAAA", Some("http://example.com")),
        Err(BucketError::Endpoint)
    ));
    let shown = format!("{:?}", service(None));
    assert!(shown.contains("mantlettest") && !shown.contains("account-key"), "{shown}");
}
