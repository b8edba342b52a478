//! Signatures beside those of an implementation by hand; those of service accounts are held against Google's own library from
//! outside, with a key made there.

use super::*;

/// 2026-11-22T15:30:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_795_361_400_000_000);

fn credential() -> Credential {
    let secret = Zeroizing::new("GS+secret/40".to_owned());
    Credential::Hmac { id: "GOOG1EXAMPLE".to_owned(), secret }
}

#[test]
fn signatures_are_those_that_the_process_gives() {
    let check = |method: Method, place: &str, path: &str, signature: &str| {
        let place = Place::parse(place).unwrap();
        let service = Service::new(None).unwrap();
        let url = service.presign(&method, &place, &credential(), NOW, 900).unwrap();
        let expected = format!(
            "https://storage.googleapis.com{path}?X-Goog-Algorithm=GOOG4-HMAC-SHA256&X-Goog-Credential=GOOG1EXAMPLE%2F\
             20261122%2Fauto%2Fstorage%2Fgoog4_request&X-Goog-Date=20261122T153000Z&X-Goog-Expires=900&\
             X-Goog-SignedHeaders=host&X-Goog-Signature={signature}"
        );
        assert_eq!(url, expected);
    };
    check(
        Method::GET,
        "gs://models/a/model.tar.gz",
        "/models/a/model.tar.gz",
        "72105d8325e762fb0451eb4fda1b507ab812b2b30da8b73980d6a2930f71f568",
    );
    check(
        Method::PUT,
        "gs://models/a b/ü+&.bin",
        "/models/a%20b/%C3%BC%2B%26.bin",
        "2f5135304882993ed528b469cb7ccb6942648348ec267193560e6ae1cc5bd4b5",
    );
}

#[test]
fn a_service_accounts_file_is_one_or_none_and_a_credential_shows_its_name_alone() {
    for bad in [
        "",
        "{}",
        r#"{"client_email":"a@b","private_key":"x"}"#,
        "{\"client_email\":\"a@b\",\"private_key\":\"-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n\"}",
    ] {
        assert!(matches!(Credential::account(bad), Err(BucketError::Key(_))), "{bad}");
    }
    let shown = format!("{:?}", credential());
    assert!(shown.contains("GOOG1EXAMPLE") && !shown.contains("secret/40"), "{shown}");
    assert_eq!(Service::new(Some("http://example.com")), Err(BucketError::Endpoint));
}
