//! The server's certificate that stands alone, for clients that cannot believe the home's authority.
//!
//! The authority is confined to this machine's addresses and to the home's names, in a critical extension. BoringSSL, by
//! which gRPC's own libraries (Python, C++, Ruby …) and Envoy verify, knows no constraint on addresses and refuses
//! whatever such an authority has signed for one. Loosening the constraint would let a thief of the authority's key
//! impersonate every address there is. So a home has a second certificate, signed by itself, which names the home's names and
//! nothing else. It stands in a file of its own, `grpc.pem`, for those libraries alone: they let nobody sign who is no
//! authority, but others (rustls's webpki among them) believe a certificate that they trust in whatever it signs. It lasts
//! as long as the authority, because to change it every client must trust a new one.

use std::path::PathBuf;

use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use time::OffsetDateTime;

use super::{
    Home, HomeError, RootKey,
    authority::{AUTHORITY_DAYS, AuthorityError, lasting, private_key, subject_names},
    files,
};

/// The certificate and its key.
#[derive(Debug)]
pub struct LoneIdentity {
    /// The certificate, which is its own chain.
    pub certificate: CertificateDer<'static>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
}

/// Makes the certificate of a new home for this machine and these names.
pub(super) fn create(home: &Home, root: &RootKey, names: &[String]) -> Result<(), HomeError> {
    let key = KeyPair::generate().map_err(AuthorityError::from)?;
    let mut params = lasting(OffsetDateTime::now_utc(), AUTHORITY_DAYS);
    params.distinguished_name.push(DnType::CommonName, format!("Mantlet server {}", home.id()));
    params.subject_alt_names = subject_names(names)?;
    // No key usage: one without signing certificates would make verifiers reject it as its own issuer, and one with it
    // would say too much.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key).map_err(AuthorityError::from)?;
    files::make(&home.grpc_path(), certificate.pem().as_bytes())?;
    files::replace_sealed(&key_path(home), root, key.serialized_der())
}

/// The certificate of this home; `None` if it has none, because clients were told to trust the authority alone.
///
/// # Errors
/// If what is there is no certificate, or its key cannot be opened.
pub(super) fn identity(home: &Home, root: &RootKey) -> Result<Option<LoneIdentity>, AuthorityError> {
    let path = home.grpc_path();
    if !path.exists() {
        return Ok(None);
    }
    let pem = files::read(&path)?;
    let certificate =
        CertificateDer::from_pem_slice(&pem).map_err(|_| AuthorityError::Unreadable { path })?;
    let key = files::read_sealed(&key_path(home), root)?;
    Ok(Some(LoneIdentity { certificate, key: private_key(&key, &key_path(home))? }))
}

fn key_path(home: &Home) -> PathBuf {
    home.keys_dir().join("lone.key")
}
