//! From terms to a URL and back, and pieces cut out of others.

use http::Request;
use mantlet_gate::urls::Signature;
use mantlet_types::{Timestamp, Version, url::UrlId, url::UrlKid};

use super::*;
use crate::server::routes::{Found, Router};

fn terms() -> UrlTerms {
    UrlTerms {
        method: UrlMethod::Get,
        model: "loans".parse().unwrap(),
        version: Version::FIRST,
        package: Sha256([7; 32]),
        file: None,
        expires: Timestamp::from_micros(1_790_000_000_000_000),
        kid: UrlKid::FIRST,
        user: "alice".parse().unwrap(),
        id: UrlId([1; 16]),
        network: None,
        once: false,
    }
}

/// What comes of a request for a path, by the router's own reading of it.
fn read(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<UrlTerms> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let router = Router::new().unwrap();
    let Found::Route(_, params) = router.find(&parts.method, parts.uri.path()) else { return None };
    match credential(&parts, &params) {
        Credential::SignedUrl(brought) => brought.map(|brought| brought.terms),
        other => panic!("{other:?}"),
    }
}

fn signature() -> Signature {
    Signature::parse(&"5a".repeat(32)).unwrap()
}

#[test]
fn every_url_is_read_as_it_was_written() {
    let all = [
        terms(),
        UrlTerms { once: true, ..terms() },
        UrlTerms { network: Some("10.0.0.0/8".parse().unwrap()), ..terms() },
        UrlTerms { network: Some("2001:db8::/32".parse().unwrap()), ..terms() },
        UrlTerms { file: Some("model.onnx".into()), ..terms() },
        UrlTerms { file: Some("sub dir/ü%2F?&#.bin".into()), once: true, ..terms() },
    ];
    for terms in all {
        let path = path_of(&terms, &signature());
        assert_eq!(read("GET", &path, &[]).as_ref(), Some(&terms), "{path}");
        let head = UrlTerms { method: UrlMethod::Head, ..terms };
        assert_eq!(read("HEAD", &path, &[]).as_ref(), Some(&head), "{path}");
    }
}

#[test]
fn views_of_a_package_are_under_its_url() {
    let path = path_of(&terms(), &signature());
    let (place, query) = path.split_once('?').unwrap();
    for view in ["", "/files", "/files/model.onnx"] {
        assert_eq!(read("GET", &format!("{place}{view}?{query}"), &[]), Some(terms()), "{view}");
    }
}

#[test]
fn what_is_no_url_of_ours_is_none() {
    let good = path_of(&terms(), &signature());
    for (from, to) in [
        ("&kid=k1", ""),
        ("&kid=k1", "&kid=k01"),
        ("&kid=k1", "&kid=k1&kid=k1"),
        ("&kid=k1", "&kid=k1&x=1"),
        ("&kid=k1", "&kid"),
        ("expires=1790000000", "expires=+1790000000"),
        ("expires=1790000000", "expires=99999999999999999999"),
        ("expires=1790000000", "expires=9999999999999999"),
        ("&by=alice", "&by=Alice"),
        ("&sig=5a", "&sig=5A"),
        ("&sig=5a", "&sig="),
        ("&sig=", "&use=twice&sig="),
        ("&sig=", "&scope=package&sig="),
        ("&sig=", "&scope=file&sig="),
        ("&sig=", "&net=10.0.0.0&sig="),
        ("&sig=", "&net=%zz&sig="),
        ("/07", "/0g"),
        ("/1/", "/0/"),
        ("?", "??"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert_eq!(read("GET", &bad, &[]), None, "{bad}");
    }
    let bare = good.split_once('?').unwrap().0;
    assert_eq!(read("GET", bare, &[]), None);
    assert_eq!(read("GET", &good, &[("authorization", "Bearer k")]), None);
    assert_eq!(read("GET", &good, &[("x-api-key", "k")]), None);
}
