"""A Sigstore of one's own: an authority, a log of certificates and a log of signatures, made anew for each test.

It issues what the public instance would issue, in the formats of Fulcio, RFC 6962 and Rekor 1, so that bundles can be made
without a network, and made wrong.
"""

import base64
import datetime
import hashlib
import json
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

ISSUER = "https://accounts.example.org"
ACCOUNT = "author@example.org"
BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
SIGNED_AT = datetime.datetime(2026, 6, 1, 12, 0, tzinfo=datetime.timezone.utc)
SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


def b64(data):
    return base64.b64encode(data).decode()


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def utf8(text):
    data = text.encode()
    assert len(data) < 128
    return bytes([0x0C, len(data)]) + data


def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def tree(leaves, index):
    """Root of a tree and the path of one leaf, by RFC 9162's own recursion."""
    if len(leaves) == 1:
        return leaves[0], []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, left_path = tree(leaves[:split], index if index < split else 0)
    right, right_path = tree(leaves[split:], index - split if index >= split else 0)
    path = left_path + [right] if index < split else right_path + [left]
    return node_hash(left, right), path


class Instance:
    """The authorities and logs. Members may be replaced before signing, to see what is refused."""

    def __init__(self):
        self.root_key, self.issuing_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
        self.certificate_log, self.signature_log = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._authority("Root", self.root_key, "Root", self.root_key, 1, False)
        self.issuing = self._authority("Issuing", self.issuing_key, "Root", self.root_key, 0, True)
        self.leaves, self.index = 7, 3

    @staticmethod
    def _authority(subject, key, issuer, issuer_key, depth, is_confined):
        named = lambda name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(subject)).issuer_name(named(issuer)).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(BEGIN).not_valid_after(BEGIN + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(True, depth), critical=True)
            .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if is_confined:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        return builder.sign(issuer_key, hashes.SHA384())

    def trusted_root(self):
        log = lambda key: {
            "baseUrl": "https://log.example.org", "hashAlgorithm": "SHA2_256",
            "publicKey": {"rawBytes": b64(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                          "validFor": {"start": BEGIN.isoformat().replace("+00:00", "Z")}},
            "logId": {"keyId": b64(hashlib.sha256(spki(key)).digest())},
        }
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.signature_log)], "ctlogs": [log(self.certificate_log)],
            "certificateAuthorities": [{
                "subject": {"organization": "example", "commonName": "Root"}, "uri": "https://authority.example.org",
                "certChain": {"certificates": [{"rawBytes": b64(der(it))} for it in (self.issuing, self.root)]},
                "validFor": {"start": BEGIN.isoformat().replace("+00:00", "Z")},
            }],
            "timestampAuthorities": [],
        }

    def client_trust_config(self):
        """The form that `model_signing verify sigstore --trust_config` reads."""
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.trusted_root(),
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [], "oidcUrls": [], "rekorTlogUrls": [], "tsaUrls": [],
                "rekorTlogConfig": {"selector": "ANY"}, "tsaConfig": {"selector": "ANY"},
            },
        }

    def certificate(self, key, account=ACCOUNT, issuer=ISSUER, begin=SIGNED_AT, log=None, code_signing=True, sct=True):
        """A certificate of ten minutes, with the log's promise in it."""
        purpose = ExtendedKeyUsageOID.CODE_SIGNING if code_signing else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([])).issuer_name(self.issuing.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin - datetime.timedelta(minutes=1)).not_valid_after(begin + datetime.timedelta(minutes=9))
            .add_extension(usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuing_key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(account)]), critical=True)
            .add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.57264.1.1"), issuer.encode()), critical=False)
            .add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.57264.1.8"), utf8(issuer)), critical=False)
        )
        before = builder.sign(self.issuing_key, hashes.SHA384())
        if not sct:
            return before
        log = log or self.certificate_log
        milliseconds = int(begin.timestamp() * 1000)
        tbs = before.tbs_certificate_bytes
        message = struct.pack("!BBQH", 0, 0, milliseconds, 1) + hashlib.sha256(spki(self.issuing_key)).digest()
        message += struct.pack("!I", len(tbs))[1:] + tbs + b"\0\0"
        signature = log.sign(message, ec.ECDSA(hashes.SHA256()))
        promise = b"\0" + hashlib.sha256(spki(self.certificate_log)).digest() + struct.pack("!Q", milliseconds) + b"\0\0"
        promise += b"\4\3" + struct.pack("!H", len(signature)) + signature
        listed = struct.pack("!H", len(promise)) + promise
        listed = struct.pack("!H", len(listed)) + listed
        assert len(listed) < 128
        value = bytes([0x04, len(listed)]) + listed
        return builder.add_extension(x509.UnrecognizedExtension(SCT_LIST, value), critical=False).sign(
            self.issuing_key, hashes.SHA384()
        )

    def entry(self, certificate, payload, signature, at=SIGNED_AT):
        """An entry of Rekor 1 with promise, path and checkpoint."""
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        body = json.dumps({
            "apiVersion": "0.0.1", "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                "signatures": [{"signature": b64(signature), "verifier": b64(pem)}],
            },
        }, separators=(",", ":")).encode()
        log_id = hashlib.sha256(spki(self.signature_log)).digest()
        global_index, when = 1_000_000 + self.index, int(at.timestamp())
        promised = json.dumps(
            {"body": b64(body), "integratedTime": when, "logID": log_id.hex(), "logIndex": global_index},
            separators=(",", ":"), sort_keys=True,
        ).encode()
        leaves = [leaf_hash(body if place == self.index else bytes([place])) for place in range(self.leaves)]
        root, path = tree(leaves, self.index)
        note = f"log.example.org - 1\n{self.leaves}\n{b64(root)}\n"
        signed = lambda message: self.signature_log.sign(message, ec.ECDSA(hashes.SHA256()))
        return {
            "logIndex": str(global_index), "logId": {"keyId": b64(log_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"}, "integratedTime": str(when),
            "inclusionPromise": {"signedEntryTimestamp": b64(signed(promised))},
            "inclusionProof": {
                "logIndex": str(self.index), "rootHash": b64(root), "treeSize": str(self.leaves),
                "hashes": [b64(it) for it in path],
                "checkpoint": {"envelope": f"{note}\n\u2014 log.example.org {b64(log_id[:4] + signed(note.encode()))}\n"},
            },
            "canonicalizedBody": b64(body),
        }

    def bundle(self, payload, at=SIGNED_AT, **certificate):
        """A payload, signed by a fresh key that the account holds for ten minutes."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = self.certificate(key, **certificate)
        kind = "application/vnd.in-toto+json"
        message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(der(issued))},
                "tlogEntries": [self.entry(issued, payload, signature, at)],
            },
            "dsseEnvelope": {
                "payload": b64(payload), "payloadType": kind, "signatures": [{"sig": b64(signature)}],
            },
        }


def usage(**wanted):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})
