//! Encrypted private keys: PKCS#8 under PBES2 (RFC 8018), with PBKDF2 over an HMAC and AES in CBC mode, which is what OpenSSL
//! and Python's `cryptography` write. Older ways (PBES1, DES) are not read: what they protect is not protected.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{
        AES_128, AES_128_KEY_LEN, AES_192, AES_192_KEY_LEN, AES_256, AES_256_KEY_LEN, Algorithm,
        DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
    },
    iv::FixedLength,
    pbkdf2,
};
use x509_parser::{
    asn1_rs::{Any, FromDer, Integer, OctetString, Tag, oid},
    der_parser::oid::Oid,
    x509::AlgorithmIdentifier,
};
use zeroize::Zeroizing;

use super::KeyError;

/// Rounds of a passphrase. The key is its user's own, but nothing should run for hours by mistake.
const ROUNDS_MAX: u32 = 50_000_000;

const PBES2: Oid<'static> = oid!(1.2.840.113549.1.5.13);
const PBKDF2: Oid<'static> = oid!(1.2.840.113549.1.5.12);
const AES_CBC: [(Oid<'static>, &Algorithm, usize); 3] = [
    (oid!(2.16.840.1.101.3.4.1.2), &AES_128, AES_128_KEY_LEN),
    (oid!(2.16.840.1.101.3.4.1.22), &AES_192, AES_192_KEY_LEN),
    (oid!(2.16.840.1.101.3.4.1.42), &AES_256, AES_256_KEY_LEN),
];
const HMAC: [(Oid<'static>, pbkdf2::Algorithm); 4] = [
    (oid!(1.2.840.113549.2.7), pbkdf2::PBKDF2_HMAC_SHA1),
    (oid!(1.2.840.113549.2.9), pbkdf2::PBKDF2_HMAC_SHA256),
    (oid!(1.2.840.113549.2.10), pbkdf2::PBKDF2_HMAC_SHA384),
    (oid!(1.2.840.113549.2.11), pbkdf2::PBKDF2_HMAC_SHA512),
];

/// Opens an `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (scheme, sealed) = parts(der).ok_or(KeyError::Cipher)?;
    let scheme = Scheme::read(&scheme).ok_or(KeyError::Cipher)?;
    let mut key = Zeroizing::new(vec![0; scheme.key_bytes]);
    pbkdf2::derive(scheme.derivation, scheme.rounds, &scheme.salt, passphrase, &mut key);
    let failed = |_| KeyError::Passphrase;
    let key = UnboundCipherKey::new(scheme.cipher, &key).map_err(failed)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(failed)?;
    let context = DecryptionContext::Iv128(FixedLength::from(scheme.iv));
    let mut opened = Zeroizing::new(sealed.to_vec());
    let plain = key.decrypt(&mut opened, context).map_err(failed)?.len();
    opened.truncate(plain);
    Ok(opened)
}

/// `EncryptedPrivateKeyInfo ::= SEQUENCE { AlgorithmIdentifier, OCTET STRING }`.
fn parts(der: &[u8]) -> Option<(AlgorithmIdentifier<'_>, &[u8])> {
    let (rest, info) = Any::from_der(der).ok()?;
    let content = (rest.is_empty() && info.tag() == Tag::Sequence).then_some(info.data)?;
    let (content, scheme) = AlgorithmIdentifier::from_der(content).ok()?;
    let (content, sealed) = Any::from_der(content).ok()?;
    (content.is_empty() && sealed.tag() == Tag::OctetString).then_some((scheme, sealed.data))
}

struct Scheme {
    derivation: pbkdf2::Algorithm,
    salt: Vec<u8>,
    rounds: NonZeroU32,
    cipher: &'static Algorithm,
    key_bytes: usize,
    iv: [u8; 16],
}

impl Scheme {
    /// `PBES2-params ::= SEQUENCE { keyDerivationFunc, encryptionScheme }`, each an AlgorithmIdentifier.
    fn read(scheme: &AlgorithmIdentifier<'_>) -> Option<Self> {
        if scheme.algorithm != PBES2 {
            return None;
        }
        let parameters = scheme.parameters.as_ref()?.data;
        let (rest, derivation) = AlgorithmIdentifier::from_der(parameters).ok()?;
        let (_, encryption) = AlgorithmIdentifier::from_der(rest).ok()?;
        let (_, cipher, key_bytes) = AES_CBC.into_iter().find(|(oid, ..)| *oid == encryption.algorithm)?;
        let iv = encryption.parameters.as_ref()?.data.try_into().ok()?;
        if derivation.algorithm != PBKDF2 {
            return None;
        }
        // PBKDF2-params ::= SEQUENCE { salt, iterationCount, keyLength OPTIONAL, prf DEFAULT hmacWithSHA1 }
        let (rest, salt) = OctetString::from_der(derivation.parameters.as_ref()?.data).ok()?;
        let (mut rest, rounds) = Integer::from_der(rest).ok()?;
        if let Ok((behind, _)) = Integer::from_der(rest) {
            rest = behind;
        }
        let hmac = match rest {
            [] => HMAC[0].0.clone(),
            rest => AlgorithmIdentifier::from_der(rest).ok()?.1.algorithm.to_owned(),
        };
        let (_, derivation) = HMAC.into_iter().find(|(oid, _)| *oid == hmac)?;
        let rounds = rounds.as_u32().ok().filter(|rounds| *rounds <= ROUNDS_MAX)?;
        let rounds = NonZeroU32::new(rounds)?;
        Some(Self { derivation, salt: salt.as_ref().to_vec(), rounds, cipher, key_bytes, iv })
    }
}
