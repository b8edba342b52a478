//! Signatures beside botocore's, and the bounds of a URL's life.

use super::*;

/// 2026-11-22T15:30:00Z.
const NOW: Timestamp = Timestamp::from_micros(1_795_361_400_000_000);

fn credential(token: Option<&str>) -> Credential {
    Credential {
        id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
        token: token.map(|token| Zeroizing::new(token.to_owned())),
        ends: None,
    }
}

/// By `botocore.auth.S3SigV4QueryAuth` 1.44.5 at the same moment; the keys are those of Amazon's own documentation.
#[test]
fn signatures_are_botocores() {
    let check =
        |method: Method, service: (&str, Option<&str>), place: &str, token, seconds, expect: (&str, &str)| {
            let service = Service::new(service.0, service.1).unwrap();
            let place = Place::parse(place).unwrap();
            let url = service.presign(&method, &place, &credential(token), NOW, seconds).unwrap();
            let (start, signature) = expect;
            assert!(url.starts_with(start), "{url}");
            assert_eq!(url.rsplit_once("X-Amz-Signature=").unwrap().1, signature, "{url}");
        };
    check(
        Method::GET,
        ("eu-central-1", None),
        "s3://models/a/model.tar.gz",
        None,
        900,
        (
            "https://models.s3.eu-central-1.amazonaws.com/a/model.tar.gz?X-Amz-Algorithm=AWS4-HMAC-SHA256&",
            "fb892225e20db95a1ee13ad0ba1258ef72ef8117ecf90ad037ad92a0747f9812",
        ),
    );
    check(
        Method::PUT,
        ("us-east-1", Some("http://127.0.0.1:5000")),
        "s3://models/a b/ü+&.bin",
        None,
        3_600,
        (
            "http://127.0.0.1:5000/models/a%20b/%C3%BC%2B%26.bin?",
            "625b2a2d5832ca22bf55a8dc075df77642b8bbcfafa52abbb8140cf211c49a70",
        ),
    );
    check(
        Method::GET,
        ("us-west-2", None),
        "s3://models/x",
        Some("FwoGZXIvYXdzEJr//+token=="),
        604_800,
        (
            "https://models.s3.us-west-2.amazonaws.com/x?",
            "da9b83457b8eebae05915bb1fafc8a6e781e96b199f3ae376ead4bbaab5d8665",
        ),
    );
}

#[test]
fn a_url_never_outlives_its_credential_nor_a_week() {
    let week = PRESIGNED_SECONDS_MAX;
    assert_eq!(credential(None).seconds(u32::MAX, NOW), Ok(week));
    assert_eq!(credential(None).seconds(900, NOW), Ok(900));
    // A session that nobody says the end of is taken for a short one.
    assert_eq!(credential(Some("t")).seconds(week, NOW), Ok(3_600));
    let ending = |seconds| Credential { ends: Some(NOW.plus_seconds(seconds)), ..credential(Some("t")) };
    assert_eq!(ending(600).seconds(900, NOW), Ok(600));
    assert_eq!(ending(7_200).seconds(900, NOW), Ok(900));
    assert_eq!(ending(0).seconds(900, NOW), Err(BucketError::Ended));
    assert_eq!(ending(-1).seconds(900, NOW), Err(BucketError::Ended));
}

#[test]
fn places_and_services_are_what_they_say() {
    let prefix = Place::parse("s3://models/team").unwrap();
    assert_eq!(prefix.below("a/b.package").to_string(), "s3://models/team/a/b.package");
    assert_eq!(Place::parse("s3://models").unwrap().below("x").to_string(), "s3://models/x");
    assert_eq!(prefix.below("a/b.package").name(), "b.package");
    for bad in [
        "models/x",
        "s3://",
        "s3://mo/x",
        "s3://Models/x",
        "s3://-models/x",
        "s3://a..b/x",
        "s3://models/../x",
        "s3://models/a/./b",
        "s3://models/a\nb",
        "https://models/x",
    ] {
        assert_eq!(Place::parse(bad), Err(BucketError::Place), "{bad}");
    }
    for bad in ["", "EU", "eu/west"] {
        assert_eq!(Service::new(bad, None), Err(BucketError::Region), "{bad}");
    }
    for bad in ["ftp://x", "http://example.com", "https://example.com/path", "https://u@example.com"] {
        assert_eq!(Service::new("eu-central-1", Some(bad)), Err(BucketError::Endpoint), "{bad}");
    }
    let dotted = Place::parse("s3://my.models/x").unwrap();
    let service = Service::new("eu-central-1", None).unwrap();
    let url = service.presign(&Method::GET, &dotted, &credential(None), NOW, 1).unwrap();
    assert!(url.starts_with("https://s3.eu-central-1.amazonaws.com/my.models/x?"), "{url}");
}

#[test]
fn a_credential_shows_its_id_alone() {
    let shown = format!("{:?}", credential(Some("token")));
    assert!(shown.contains("AKIA") && !shown.contains("wJal") && !shown.contains("token"), "{shown}");
}
