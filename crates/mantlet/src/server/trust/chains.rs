//! Chains that would lead from one trust domain into another, and authorities that have ended.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use tempfile::NamedTempFile;

use super::*;

const ID: &str = "spiffe://prod.example/a";

type Authority = (rcgen::Certificate, Issuer<'static, KeyPair>);

fn params(name: &str, uri: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = uri.map(|uri| SanType::URI(uri.try_into().unwrap())).into_iter().collect();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn root(params: CertificateParams) -> Authority {
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), Issuer::new(params, key))
}

fn intermediate(uri: Option<&str>, root: &Authority) -> Authority {
    let (params, key) = (params("intermediate", uri), KeyPair::generate().unwrap());
    (params.signed_by(&key, &root.1).unwrap(), Issuer::new(params, key))
}

fn leaf(issuer: &Authority) -> CertificateDer<'static> {
    let mut params = params("leaf", Some(ID));
    params.is_ca = IsCa::NoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.signed_by(&KeyPair::generate().unwrap(), &issuer.1).unwrap().der().clone()
}

fn file(roots: &[&Authority]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), roots.iter().map(|(root, _)| root.pem()).collect::<String>()).unwrap();
    file
}

fn read(bundles: &[(&str, &NamedTempFile)]) -> Result<TrustDomains, String> {
    let named: Vec<(TrustDomain, &Path)> =
        bundles.iter().map(|(domain, file)| (domain.parse().unwrap(), file.path())).collect();
    TrustDomains::read(named.iter().map(|(domain, path)| (domain, *path))).map_err(|error| error.to_string())
}

#[test]
fn an_authority_of_another_trust_domain_below_a_common_root_vouches_for_nobody_here() {
    let root = root(params("root", None));
    let domains = read(&[("prod.example", &file(&[&root]))]).unwrap();
    let vouched = |chain: &[&Authority]| {
        let last = chain.last().unwrap();
        let shown: Vec<_> = chain.iter().map(|(certificate, _)| certificate.der().clone()).rev().collect();
        domains.verify(&ID.parse().unwrap(), &leaf(last), &shown, UnixTime::now()).is_ok()
    };
    let own = intermediate(Some("spiffe://prod.example"), &root);
    let nameless = intermediate(None, &root);
    let staging = intermediate(Some("spiffe://staging.example"), &root);
    let below_staging = intermediate(None, &staging);
    assert!(vouched(&[&own]) && vouched(&[&nameless]) && vouched(&[&own, &intermediate(None, &own)]));
    assert!(!vouched(&[&staging]) && !vouched(&[&staging, &below_staging]));
    for odd in ["spiffe://prod.example/", "SPIFFE://prod.example", "spiffe://prod.example.evil"] {
        assert!(!vouched(&[&intermediate(Some(odd), &root)]), "{odd}");
    }
}

#[test]
fn no_authority_is_in_two_bundles() {
    let (one, two) = (root(params("one", None)), root(params("two", None)));
    let (first, second, both) = (file(&[&one]), file(&[&two]), file(&[&one, &two]));
    assert!(read(&[("prod.example", &first), ("dev.example", &second)]).is_ok());
    let error = read(&[("prod.example", &first), ("dev.example", &both)]).unwrap_err();
    assert!(error.contains("in common with trust domain `prod.example`"), "{error}");
}

#[test]
fn an_authority_that_has_ended_vouches_for_nobody() {
    let mut old = params("old", None);
    (old.not_before, old.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let (old, new) = (root(old), root(params("new", None)));
    let error = read(&[("prod.example", &file(&[&old]))]).unwrap_err();
    assert!(error.contains("have ended"), "{error}");
    let domains = read(&[("prod.example", &file(&[&old, &new]))]).unwrap();
    let vouched = |domains: &TrustDomains, leaf: &CertificateDer<'_>, now| {
        domains.verify(&ID.parse().unwrap(), leaf, &[], now).is_ok()
    };
    let now = UnixTime::now();
    assert!(!vouched(&domains, &leaf(&old), now) && vouched(&domains, &leaf(&new), now));

    // One that ends while the server runs: the leaf itself would still hold.
    let mut soon = params("soon", None);
    soon.not_after = time::OffsetDateTime::now_utc() + Duration::from_secs(3600);
    let soon = root(soon);
    let (short, long) = (leaf(&soon), leaf(&new));
    let domains = read(&[("prod.example", &file(&[&soon, &new]))]).unwrap();
    let later = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 7200));
    for _ in 0..2 {
        assert!(vouched(&domains, &short, now) && vouched(&domains, &long, now));
    }
    assert!(!vouched(&domains, &short, later) && vouched(&domains, &long, later));
}
