//! People who sign: a certificate with its key for each, and approvals by them.

use aws_lc_rs::{rand::SystemRandom, signature};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use mantlet_types::{Code, Timestamp};
use rcgen::{CertificateParams, KeyPair, SanType};

use super::Kit;
use crate::{
    administer::{Deed, administer},
    approvals::{
        Approve, Approved, Item, SignedApproval, Statement, signed_bytes, user_certificate, waiting,
    },
    directory::{Change, User},
    identity::{Arrival, Certificate, Channel},
};

/// Somebody with a certificate that is listed as theirs.
pub(crate) struct Signer {
    user: String,
    der: Vec<u8>,
    key: signature::EcdsaKeyPair,
    shown: Certificate,
}

impl Signer {
    /// Makes a certificate for somebody, of 90 days from [`super::BEGIN`], and lists it as theirs if they exist.
    pub(crate) fn new(kit: &Kit, user: &str) -> Self {
        let signer = Self::until(user, (4, 1));
        if let Some(record) = kit.gate.snapshot().directory.users.get(user) {
            let mut record: User = record.clone();
            record.certificates.insert(signer.shown.digest);
            kit.change(&[Change::PutUser(user.parse().unwrap(), record)]);
        }
        signer
    }

    /// The same with a certificate that ends on this day of the year of [`super::BEGIN`], listed nowhere.
    pub(crate) fn until(user: &str, (month, day): (u8, u8)) -> Self {
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(format!("mantlet:user:{user}").try_into().unwrap())];
        params.not_before = rcgen::date_time_ymd(2025, 12, 31);
        params.not_after = rcgen::date_time_ymd(2026, month, day);
        let der = params.self_signed(&pair).unwrap().der().to_vec();
        let read = user_certificate(&der).unwrap();
        let shown = Certificate { digest: read.digest, user: user.parse().unwrap(), expires: read.expires };
        let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = signature::EcdsaKeyPair::from_pkcs8(algorithm, &pair.serialize_der()).unwrap();
        Self { user: user.to_owned(), der, key, shown }
    }

    /// The digest of the certificate.
    pub(crate) fn digest(&self) -> mantlet_types::Sha256 {
        self.shown.digest
    }

    /// A request by a fresh key and this certificate.
    pub(crate) fn arrival(&self, kit: &Kit) -> Arrival {
        let (_, key) = kit.key(&format!("user:{}", self.user));
        Arrival { channel: Channel::Tls(Some(self.shown.clone())), ..kit.bearer(&key) }
    }

    /// This text, signed.
    pub(crate) fn sign(&self, statement: &str) -> SignedApproval {
        self.sign_bytes(statement, &signed_bytes(statement))
    }

    /// This text with a signature over other bytes.
    pub(crate) fn sign_bytes(&self, statement: &str, bytes: &[u8]) -> SignedApproval {
        let signature = self.key.sign(&SystemRandom::new(), bytes).unwrap();
        SignedApproval {
            statement: statement.into(),
            signature: BASE64.encode(signature).into(),
            certificate: BASE64.encode(&self.der).into(),
        }
    }

    /// What this person would sign of an item, to end at this moment.
    pub(crate) fn statement(&self, kit: &Kit, item: &Item, ends: Timestamp) -> Option<Statement> {
        let snapshot = kit.gate.snapshot();
        let waits = waiting(&snapshot.directory, item)?;
        let approver = self.user.parse().unwrap();
        Some(Statement::new(item, waits.digest(), waits.project.clone(), approver, ends))
    }

    /// Sends an approval as this person.
    pub(crate) async fn send(
        &self,
        kit: &Kit,
        item: &Item,
        signed: Option<SignedApproval>,
    ) -> Result<Approved, (Code, String)> {
        done_by(kit, self.arrival(kit), Approve { item: item.clone(), signed }).await
    }
}

/// Performs a deed; why not, as code and detail.
pub(crate) async fn done_by<D: Deed>(
    kit: &Kit,
    arrival: Arrival,
    deed: D,
) -> Result<D::Reply, (Code, String)> {
    let outcome = administer(kit.gate.clone(), arrival, deed).await.into_parts().0;
    outcome.map_err(|rejection| (rejection.code, rejection.detail.unwrap_or_default().into_owned()))
}

/// Approves an item as somebody, with a signature as it should be.
pub(crate) async fn approve(kit: &Kit, who: &str, item: &Item) -> Result<Approved, (Code, String)> {
    let signer = Signer::new(kit, who);
    let ends = waiting(&kit.gate.snapshot().directory, item).map(|waits| match item {
        Item::Deployment(..) => kit.gate.now().plus_seconds(crate::approvals::APPROVAL_SECONDS),
        _ => waits.ends,
    });
    let statement = ends.and_then(|ends| signer.statement(kit, item, ends)).and_then(|text| text.text());
    signer.send(kit, item, statement.map(|text| signer.sign(&text))).await
}
