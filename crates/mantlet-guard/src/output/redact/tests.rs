//! What is found, and what is not.

use super::{Kind, redact};

/// Checks what is found in a text: kinds with the pieces that they are found in.
#[track_caller]
fn check(text: &str, expected: &[(Kind, &str)]) {
    let redacted = redact(text);
    let found: Vec<_> =
        redacted.found.iter().map(|found| (found.kind, &text[found.start..found.end])).collect();
    assert_eq!(found, expected, "in `{text}`");
}

#[test]
fn each_kind_is_found_in_its_usual_forms() {
    check("mail jane.doe+x@mail.example.co.uk.", &[(Kind::Email, "jane.doe+x@mail.example.co.uk")]);
    check("card 4111 1111 1111 1111, exp 12/26", &[(Kind::Card, "4111 1111 1111 1111")]);
    check("card 378282246310005", &[(Kind::Card, "378282246310005")]);
    check("pay to GB29 NWBK 6016 1331 9268 19 now", &[(Kind::Iban, "GB29 NWBK 6016 1331 9268 19")]);
    check("pay to de89370400440532013000", &[(Kind::Iban, "de89370400440532013000")]);
    check("SSN 123-45-6789", &[(Kind::NationalId, "123-45-6789")]);
    check("NINO AB 12 34 56 C ok", &[(Kind::NationalId, "AB 12 34 56 C")]);
    check("HETU 131052-308T", &[(Kind::NationalId, "131052-308T")]);
    check("DNI 12345678Z", &[(Kind::NationalId, "12345678Z")]);
    check("CF RSSMRA85T10A562S", &[(Kind::NationalId, "RSSMRA85T10A562S")]);
    check("身份证号11010519491231002X，", &[(Kind::NationalId, "11010519491231002X")]);
    check("call +49 (0)30 1234-5678 today", &[(Kind::Phone, "+49 (0)30 1234-5678")]);
    check("(555) 123-4567 x89", &[(Kind::Phone, "(555) 123-4567 x89")]);
    check("host 10.20.30.40:8080", &[(Kind::Ip, "10.20.30.40")]);
    check("at 2001:db8::8a2e:370:7334.", &[(Kind::Ip, "2001:db8::8a2e:370:7334")]);
    check("mac 00:1B:44:11:3a:b7", &[(Kind::Mac, "00:1B:44:11:3a:b7")]);
    check(
        "send 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        &[(Kind::CryptoAddress, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")],
    );
    check(
        "send bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        &[(Kind::CryptoAddress, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")],
    );
    check("born 1985-03-12 in Lyon", &[(Kind::BirthDate, "1985-03-12")]);
    check("DOB: 12/03/1985.", &[(Kind::BirthDate, "12/03/1985")]);
    check("key AKIAIOSFODNN7EXAMPLE.", &[(Kind::ApiKey, "AKIAIOSFODNN7EXAMPLE")]);
    check(
        "db postgres://me:s3cr3t@db.example.com/x",
        &[(Kind::ConnectionString, "postgres://me:s3cr3t@db.example.com/x")],
    );
    check("password: hunter2!x", &[(Kind::Password, "hunter2!x")]);
    check("{\"api_key\": \"abc123def\"}", &[(Kind::Password, "abc123def")]);
}

#[test]
fn numbers_that_are_nobodys_stay() {
    for text in [
        "released 1985-03-12",
        "order 4111111111111112 shipped",
        "on 2024-01-02 at 03:04:05.123",
        "version 10.0.19041.1 and 1.2.3.4 release",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "isbn 978-3-16-148410-0",
        "1,234,567,890 people",
        "unix time 1700000000",
        "The password must be changed.",
        "std::vec::Vec and ::std::io",
    ] {
        check(text, &[]);
    }
}
