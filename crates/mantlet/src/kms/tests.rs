//! Signatures beside botocore's, names of keys, files with credentials. What the service does is held against a stand-in from
//! outside.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;

const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn credential(token: Option<&str>) -> Credential {
    Credential {
        id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
        token: token.map(|token| Zeroizing::new(token.to_owned())),
    }
}

/// By `botocore.auth.SigV4Auth` 1.44.5 at the same moment; the keys are those of Amazon's own documentation.
#[test]
fn signatures_are_botocores() {
    let now = Moment { second: "20261122T153000Z".to_owned(), day: "20261122".to_owned() };
    for (token, expected) in [
        (None, "9c1a5054369675659a0bf0ef6817b7889a509e806cf53e9c662983eb00ba9cd9"),
        (Some("token/+=="), "b8d2cd79128d7aa1f1fa3ff47a28929d1664d4d84899a701babbf6cffbd440b4"),
    ] {
        let (key, host) = (ARN.parse().unwrap(), "kms.eu-central-1.amazonaws.com");
        let headers = signed(&key, "Decrypt", r#"{"a":1}"#, host, &now, &credential(token)).unwrap();
        let said = headers[header::AUTHORIZATION].to_str().unwrap();
        assert_eq!(said.rsplit_once("Signature=").unwrap().1, expected, "{said}");
    }
}

#[test]
fn a_key_is_named_whole_and_by_no_alias() {
    let key: KeyArn = ARN.parse().unwrap();
    assert_eq!(key.to_string(), ARN);
    assert_eq!(key.origin(), "https://kms.eu-central-1.amazonaws.com");
    let china: KeyArn = ARN.replace("arn:aws:", "arn:aws-cn:").parse().unwrap();
    assert!(china.origin().ends_with(".amazonaws.com.cn"));
    assert_ne!(key.file_name(), china.file_name());
    for bad in [
        "",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        &ARN.replace("key/", "alias/"),
        &ARN.replace("eu-central-1", "evil.example/"),
        &ARN.replace("eu-central-1", ""),
        &ARN.replace("111122223333", "1111"),
        &ARN.replace("arn:aws:", "arn:evil:"),
        &format!("{ARN}:x"),
        &format!("{ARN}\n"),
    ] {
        assert_eq!(bad.parse::<KeyArn>(), Err(KeyArnError), "{bad}");
    }
}

/// Nobody is asked of a file that is not this key's, whatever else is in it.
#[test]
fn a_file_of_another_key_is_none() {
    let (key, nobody): (KeyArn, Env<'_>) = (ARN.parse().unwrap(), &|_| None);
    let other = ARN.replace("1234abcd", "ffffffff");
    for bad in [
        String::new(),
        format!("{MARK} {other}\nAAAA\n"),
        format!("{MARK} {ARN}\n"),
        format!("{MARK} {ARN}\nno base 64\n"),
        format!("{MARK} {ARN}\nAAAA\nAAAA\n"),
        format!("mantlet-kms/2 {ARN}\nAAAA\n"),
    ] {
        assert!(matches!(unwrap(&key, "home", bad.as_bytes(), nobody), Err(KmsError::File(_))), "{bad}");
    }
    let whole = format!("{MARK} {ARN}\nAAAA\n");
    let asked = unwrap(&key, "home", whole.as_bytes(), nobody);
    assert!(matches!(asked, Err(KmsError::Credential(CredentialError::Nobody))));
}

#[test]
fn credentials_come_from_where_somebody_says_and_a_machine_is_asked_only_then() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("credentials");
    fs::write(
        &path,
        "# ours\n[default]\naws_access_key_id = A\naws_secret_access_key=S\n\n[prod]\naws_access_key_id=B\n\
         aws_secret_access_key = T/+=\naws_session_token = U==\n[half]\naws_access_key_id=C\n",
    )
    .unwrap();
    let file = path.to_str().unwrap();
    let find = |set: &[(&str, &str)]| {
        let set: Vec<(String, String)> =
            set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let env =
            move |name: &str| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        credential::Source::find(&env).map(|source| match source {
            credential::Source::Known(Credential { id, secret, token }) => {
                (id, secret.to_string(), token.map(|token| token.to_string()))
            }
            credential::Source::Machine(place) => (place, String::new(), None),
        })
    };
    const FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
    assert!(matches!(find(&[(FILE, file)]), Err(CredentialError::Open(_))), "others can read it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let known = |id: &str, secret: &str, token: Option<&str>| {
        (id.to_owned(), secret.to_owned(), token.map(str::to_owned))
    };
    assert_eq!(find(&[(FILE, file)]).unwrap(), known("A", "S", None));
    assert_eq!(find(&[(FILE, file), ("AWS_PROFILE", "prod")]).unwrap(), known("B", "T/+=", Some("U==")));
    for absent in ["half", "none"] {
        let found = find(&[(FILE, file), ("AWS_PROFILE", absent)]);
        assert!(matches!(found, Err(CredentialError::Profile(..))), "{absent}");
    }
    let env = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "F"), (FILE, file)];
    assert_eq!(find(&env).unwrap(), known("E", "F", None), "the environment comes first");
    assert!(matches!(find(&env[..1]), Err(CredentialError::Missing(_))));
    for unsaid in ["", "true", "yes"] {
        let found = find(&[("AWS_EC2_METADATA_DISABLED", unsaid)]);
        assert!(matches!(found, Err(CredentialError::Nobody)), "{unsaid}");
    }
    let machine = find(&[("AWS_EC2_METADATA_DISABLED", "false")]).unwrap();
    assert_eq!(machine.0, "http://169.254.169.254");
    assert!(!format!("{:?}", credential(Some("token"))).contains("wJal"));
}
