//! Certificate chains, good and hostile: what signs is an ECDSA certificate for signing, below authorities that are authorities.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use super::*;
use crate::artifact::chain::{self, Usage};

/// 2026-06-15, in seconds since 1970.
const AT: i64 = 1_781_481_600;

type Change<'a> = &'a dyn Fn(&mut CertificateParams);
const AS_IT_IS: Change<'static> = &|_| {};

/// A certificate to be made, with its key.
struct Made {
    params: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
}

impl Made {
    fn new(name: &str, is_ca: IsCa, issuer: Option<&Self>, change: Change<'_>) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
        params.key_usages = match is_ca {
            IsCa::Ca(_) => vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign],
            _ => vec![KeyUsagePurpose::DigitalSignature],
        };
        params.is_ca = is_ca;
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(issuer) => params.signed_by(&key, &Issuer::from_params(&issuer.params, &issuer.key)),
            None => params.self_signed(&key),
        };
        let der = certificate.unwrap().der().to_vec();
        Self { params, key, der }
    }
}

/// An authority, one below it and a signer, each changed.
fn three(root: Change<'_>, between: Change<'_>, leaf: Change<'_>) -> (Made, Made, Made) {
    let any = || IsCa::Ca(BasicConstraints::Unconstrained);
    let root = Made::new("root", any(), None, root);
    let between = Made::new("between", any(), Some(&root), between);
    let leaf = Made::new("signer", IsCa::ExplicitNoCa, Some(&between), leaf);
    (root, between, leaf)
}

fn check(chain: &[&Made], trusted: &[&Made], at: i64) -> Result<(), String> {
    let chain: Vec<_> = chain.iter().map(|made| made.der.clone()).collect();
    let authorities: Vec<_> = trusted.iter().map(|made| Authority::from_der(&made.der)).collect();
    let verified = chain::verify(&chain, &authorities.iter().collect::<Vec<_>>(), at, Usage::Signing);
    verified.map(drop).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(root: Change<'_>, between: Change<'_>, leaf: Change<'_>, why: &str) {
    let (root, between, leaf) = three(root, between, leaf);
    let said = check(&[&leaf, &between], &[&root], AT).unwrap_err();
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_chain_to_a_trusted_authority_is_taken_in_any_order() {
    let (root, between, leaf) = three(AS_IT_IS, AS_IT_IS, AS_IT_IS);
    assert_eq!(check(&[&leaf, &between], &[&root], AT), Ok(()));
    assert_eq!(check(&[&leaf, &root, &between], &[&root], AT), Ok(()));
    assert_eq!(
        check(&[&leaf], &[&between], AT),
        Ok(()),
        "an authority in the middle may be the one that is trusted"
    );
    let (other, ..) = three(AS_IT_IS, AS_IT_IS, AS_IT_IS);
    assert_eq!(check(&[&leaf, &between], &[&other, &root], AT), Ok(()));
    for (chain, trusted) in [
        (&[&leaf][..], &[&root][..]),
        (&[&leaf, &between], &[&other]),
        (&[&leaf, &between, &root], &[&other]),
        (&[&leaf, &between], &[]),
        (&[&between, &leaf], &[&leaf]),
        (&[], &[&root]),
    ] {
        assert!(check(chain, trusted, AT).is_err());
    }
}

#[test]
fn every_certificate_is_valid_at_the_moment() {
    let ended: Change<'_> = &|params| params.not_after = date_time_ymd(2026, 6, 1);
    let later: Change<'_> = &|params| params.not_before = date_time_ymd(2026, 7, 1);
    for (change, why) in [(ended, "has expired"), (later, "is not valid yet")] {
        refused(change, AS_IT_IS, AS_IT_IS, why);
        refused(AS_IT_IS, change, AS_IT_IS, why);
        refused(AS_IT_IS, AS_IT_IS, change, why);
    }
}

#[test]
fn issuers_are_authorities_and_keep_to_their_limits() {
    refused(AS_IT_IS, &|it| it.is_ca = IsCa::ExplicitNoCa, AS_IT_IS, "no authority");
    refused(AS_IT_IS, &|it| it.is_ca = IsCa::NoCa, AS_IT_IS, "no authority");
    refused(&|it| it.is_ca = IsCa::ExplicitNoCa, AS_IT_IS, AS_IT_IS, "no authority");
    refused(
        &|it| it.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        AS_IT_IS,
        AS_IT_IS,
        "more authorities",
    );
    refused(
        AS_IT_IS,
        &|it| it.key_usages = vec![KeyUsagePurpose::DigitalSignature],
        AS_IT_IS,
        "may not sign certificates",
    );
    refused(
        AS_IT_IS,
        &|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
        AS_IT_IS,
        "may not issue for code signing",
    );
    let confined: Change<'_> = &|it| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.org".into())];
        it.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    };
    refused(AS_IT_IS, confined, AS_IT_IS, "extension");
    refused(confined, AS_IT_IS, AS_IT_IS, "extension");
}

#[test]
fn signers_are_for_signing() {
    let usages: &[(&[KeyUsagePurpose], &[ExtendedKeyUsagePurpose], bool)] = &[
        (&[KeyUsagePurpose::DigitalSignature], &[ExtendedKeyUsagePurpose::CodeSigning], true),
        (&[], &[ExtendedKeyUsagePurpose::CodeSigning], true),
        (&[], &[], false),
        (&[KeyUsagePurpose::KeyEncipherment], &[], false),
        (&[KeyUsagePurpose::KeyEncipherment], &[ExtendedKeyUsagePurpose::CodeSigning], false),
        (&[KeyUsagePurpose::DigitalSignature], &[ExtendedKeyUsagePurpose::ServerAuth], false),
        (&[KeyUsagePurpose::DigitalSignature], &[ExtendedKeyUsagePurpose::ClientAuth], false),
    ];
    for (usages, extended, may) in usages {
        let (root, between, leaf) = three(AS_IT_IS, AS_IT_IS, &|it| {
            it.key_usages = usages.to_vec();
            it.extended_key_usages = extended.to_vec();
        });
        let answer = check(&[&leaf, &between], &[&root], AT);
        assert_eq!(answer.is_ok(), *may, "{usages:?} {extended:?}: {answer:?}");
    }
}

#[test]
fn who_is_named_as_trusted_answers_for_itself_alone() {
    let lone = Made::new("lone", IsCa::NoCa, None, AS_IT_IS);
    assert_eq!(check(&[&lone], &[&lone], AT), Ok(()));
    assert_eq!(check(&[&lone, &lone], &[&lone], AT), Ok(()));
    let (root, ..) = three(AS_IT_IS, AS_IT_IS, AS_IT_IS);
    assert!(check(&[&lone], &[&root], AT).is_err());
    let (_, between, leaf) = three(AS_IT_IS, AS_IT_IS, AS_IT_IS);
    assert!(
        check(&[&leaf, &between], &[&leaf], AT).is_err(),
        "others answer for it, and may have taken it back"
    );
    let below = Made::new("below", IsCa::NoCa, Some(&lone), AS_IT_IS);
    assert!(check(&[&below], &[&lone], AT).is_err(), "it is no authority");
}

#[test]
fn chains_that_lead_in_circles_end() {
    let any = || IsCa::Ca(BasicConstraints::Unconstrained);
    let (root, ..) = three(AS_IT_IS, AS_IT_IS, AS_IT_IS);
    let one = Made::new("between", any(), None, AS_IT_IS);
    // Nine authorities of one name, none of which issued another, and each that certifies itself.
    let same: Vec<Made> = (0..9).map(|_| Made::new("between", any(), Some(&one), AS_IT_IS)).collect();
    let leaf = Made::new("signer", IsCa::NoCa, Some(&one), AS_IT_IS);
    let mut chain = vec![&leaf];
    chain.extend(&same);
    assert!(check(&chain, &[&root], AT).is_err());
    chain.push(&root);
    assert!(check(&chain, &[&root], AT).unwrap_err().contains("more than"));
}

/// Whatever bit of a chain is changed, it is refused, or was no part of what was signed.
#[test]
fn every_changed_bit_of_a_chain_is_refused() {
    let (root, between, leaf) = three(AS_IT_IS, AS_IT_IS, AS_IT_IS);
    let authority = Authority::from_der(&root.der);
    let whole = [leaf.der.clone(), between.der.clone()];
    for (place, der) in whole.iter().enumerate() {
        for index in 0..der.len() {
            let mut chain = whole.to_vec();
            chain[place][index] ^= 1 << (index % 8);
            let answer = chain::verify(&chain, &[&authority], AT, Usage::Signing);
            assert!(answer.is_err(), "byte {index} of certificate {place}");
        }
    }
}

#[test]
fn a_directory_signed_by_certificate_is_verified_by_its_authority() {
    let now: Change<'_> = &|params| params.not_after = date_time_ymd(4096, 1, 1);
    let (root, between, leaf) = three(now, now, now);
    let pem = |made: &Made| {
        use base64::Engine;
        let body = base64::engine::general_purpose::STANDARD.encode(&made.der);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    };
    let key = || SigningKey::from_pem(&leaf.key.serialize_pem()).unwrap();
    assert_eq!(key().with_certificates(&pem(&between)).unwrap_err(), KeyError::OtherCertificate);
    let key = key().with_certificates(&format!("{}{}", pem(&leaf), pem(&between))).unwrap();
    let directory = directory();
    let signature = directory.path().join(SIGNATURE_FILE);
    sign_directory(directory.path(), &key, &signature).unwrap();
    let trusted = TrustedSigner::from_pem(&pem(&root)).unwrap();
    let report = verified(directory.path(), &signature, &trusted);
    assert_eq!(report.verdict, Verdict::Accept, "{}", report.reason);
    // The key alone is not what was trusted, and the reverse.
    assert_eq!(verified(directory.path(), &signature, &only(&key)).verdict, Verdict::Reject);
    let artifact = Package::read(directory.path()).unwrap().verify(&trusted).unwrap();
    assert!(vouches(&trusted, artifact.signer()));
    assert!(!vouches(&only(&key), artifact.signer()));
    let stranger = three(now, now, now).0;
    assert!(!vouches(&TrustedSigner::from_pem(&pem(&stranger)).unwrap(), artifact.signer()));
}

/// What is put among those who are trusted is looked at when it is read, and not when the first model is refused for it.
#[test]
fn an_authority_that_can_vouch_for_nobody_is_found_out_at_once() {
    let check = |made: &Made| Authority::from_der(&made.der).check().map_err(|error| error.to_string());
    let (root, between, leaf) = three(AS_IT_IS, AS_IT_IS, AS_IT_IS);
    assert_eq!((check(&root), check(&between)), (Ok(()), Ok(())));
    assert!(check(&leaf).unwrap_err().contains("neither an authority's"), "a signer below an authority");
    let own = Made::new("own", IsCa::ExplicitNoCa, None, AS_IT_IS);
    assert_eq!(check(&own), Ok(()), "the one signer that certified itself");
    let ended: Change<'_> = &|params| params.not_after = date_time_ymd(2026, 1, 2);
    assert_eq!(check(&three(ended, AS_IT_IS, AS_IT_IS).0), Ok(()), "time is asked when it vouches");
    let named: Change<'_> = &|params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("a.example".into())],
            excluded_subtrees: Vec::new(),
        });
    };
    assert!(check(&three(named, AS_IT_IS, AS_IT_IS).0).unwrap_err().contains("extension"));
    let mute: Change<'_> = &|params| params.key_usages = vec![KeyUsagePurpose::CrlSign];
    assert!(
        check(&three(mute, AS_IT_IS, AS_IT_IS).0).is_err(),
        "an authority that may not sign certificates"
    );
    for cut in [0, 1, root.der.len() / 2, root.der.len() - 1] {
        assert!(Authority::from_der(&root.der[..cut]).check().is_err(), "{cut}");
    }
}
