//! Bundles of every wrong kind, and bundles that change.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};

use super::*;

const ID: &str = "spiffe://prod.example/a";

fn params(uri: Option<&str>, usages: &[KeyUsagePurpose]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = uri.map(|uri| SanType::URI(uri.try_into().unwrap())).into_iter().collect();
    params.key_usages = usages.to_vec();
    params
}

fn authority(uri: Option<&str>) -> (String, Issuer<'static, KeyPair>) {
    let mut params = params(uri, &[KeyUsagePurpose::KeyCertSign]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
}

fn leaf(issuer: &Issuer<'static, KeyPair>) -> rcgen::Certificate {
    let key = KeyPair::generate().unwrap();
    params(Some(ID), &[KeyUsagePurpose::DigitalSignature]).signed_by(&key, issuer).unwrap()
}

fn read(pem: &str) -> Result<TrustDomains, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let domain = "prod.example".parse().unwrap();
    TrustDomains::read([(&domain, file.path())]).map_err(|error| error.to_string())
}

#[test]
fn a_bundle_has_authorities_and_nothing_else() {
    let (pem, issuer) = authority(None);
    assert!(read(&pem).is_ok());
    assert!(read(&(pem.clone() + &authority(Some("spiffe://prod.example")).0)).is_ok());
    let elsewhere = authority(Some("spiffe://dev.example")).0;
    for (what, text) in [
        ("nothing", String::new()),
        ("no PEM", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned()),
        ("no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
        ("a leaf", leaf(&issuer).pem()),
        ("an authority and a leaf", pem.clone() + &leaf(&issuer).pem()),
        ("another trust domain's", elsewhere),
        ("too many", pem.repeat(65)),
    ] {
        let error = read(&text).err().unwrap_or_else(|| panic!("{what}"));
        assert!(error.contains("is no bundle of trust domain `prod.example`"), "{what}: {error}");
    }
    let missing = TrustDomains::read([(&"a".parse().unwrap(), Path::new("/nowhere/bundle.pem"))]);
    assert!(matches!(missing, Err(BundleError::File { .. })));
}

#[test]
fn what_a_connection_has_shown_is_looked_at_again_when_bundles_change() {
    let ((old, issuer), (new, _)) = (authority(None), authority(None));
    let trust = Trust::default();
    let shown = trust.shown(&[leaf(&issuer).der().clone()]).unwrap();
    let vouched = |trust: &Trust| match trust.channel(&shown) {
        Channel::Workload(svid) => {
            assert_eq!(svid.id.as_str(), ID);
            svid.vouched
        }
        other => panic!("{other:?}"),
    };
    assert!(!vouched(&trust), "no bundle, no voucher");
    for (pem, expect) in [(old.clone(), true), (old.clone() + &new, true), (new, false), (old, true)] {
        trust.replace(read(&pem).unwrap());
        for _ in 0..2 {
            assert_eq!(vouched(&trust), expect);
        }
    }
    trust.replace(TrustDomains::default());
    assert!(!vouched(&trust));
    assert!(trust.shown(&[]).is_none());
}
