"""A server that says over TLS what its script says, for what a real one does too seldom: hanging up, refusing, stalling."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def authority(directory, address="127.0.0.1"):
    """A self-signed certificate for an address; the file with it and with its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scripted")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, digital_signature=True), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = directory / "scripted.pem"
    path.write_bytes(pem + private.private_bytes(*form))
    return path


def _usage(**said):
    all_of_them = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{**dict.fromkeys(all_of_them, False), **said})


def workload(directory, authority_path, name):
    """An X.509-SVID for a SPIFFE id, by the authority of :func:`authority`; the files with its chain and key."""
    pem = authority_path.read_bytes()
    signer = serialization.load_pem_private_key(pem, None)
    issuer = x509.load_pem_x509_certificate(pem)
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(issuer.subject, x509.Name([]), private.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(name)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .sign(signer, hashes.SHA256())
    )
    chain, key = directory / "svid.pem", directory / "svid.key"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(private.private_bytes(*form))
    return chain, key


@dataclass
class Answer:
    """What to answer to one request."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict = field(default_factory=dict)
    hang_up: bool = False
    """Whether to close the connection after it, without saying so."""
    read_body: bool = True
    ignores_expect: bool = False
    """Whether it waits for the body without asking for it."""
    length: int | None = None
    """A length other than the body's."""

    def encode(self):
        headers = {"content-type": "application/json", "x-request-id": "01SCRIPTED", **self.headers}
        headers["content-length"] = len(self.body) if self.length is None else self.length
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


HANG_UP = object()
"""Reads a request and closes the connection without an answer."""

GARBAGE = object()
"""Answers what is not HTTP."""

STALL = object()
"""Reads a request and answers nothing, until the server is stopped."""


class Scripted:
    """Answers requests in the order of its script, whichever connections they come over."""

    def __init__(self, certificate, script, port=0, dropped=0):
        self.script, self.requests, self.connections = list(script), [], 0
        self.certificate, self.dropped = certificate, dropped
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self):
        self.stopped.set()
        with contextlib.suppress(OSError):
            # Otherwise the thread that waits there goes on listening.
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            connection.close()

    def _accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.connections <= self.dropped:
                raw.close()
                continue
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        try:
            with self.context.wrap_socket(raw, server_side=True) as connection:
                self.open.append(connection)
                stream = connection.makefile("rb")
                while self._one(connection, stream):
                    pass
        except (OSError, ValueError):
            pass

    def _one(self, connection, stream):
        start = stream.readline()
        if not start:
            return False
        headers = {}
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            headers[name.decode().lower()] = value.strip().decode()
        with self.lock:
            said = self.script.pop(0) if self.script else Answer(599)
        length = int(headers.get("content-length", 0))
        asks = headers.get("expect") == "100-continue" and not (isinstance(said, Answer) and said.ignores_expect)
        if isinstance(said, Answer) and not said.read_body:
            body = b""
        else:
            if asks:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = stream.read(length)
        with self.lock:
            self.requests.append((start.decode().strip(), headers, body))
        if said is STALL:
            self.stopped.wait()
            return False
        if said is GARBAGE:
            connection.sendall(b"SSH-2.0-nothing of the kind\r\n\r\n")
            return False
        if said is HANG_UP:
            return False
        connection.sendall(said.encode())
        return not said.hang_up


class FakeClock:
    """Time that passes by sleeping alone."""

    def __init__(self, on_sleep=None):
        self.now, self.slept, self.on_sleep = 1_000.0, [], on_sleep

    def monotonic(self):
        return self.now

    def sleep(self, seconds, /):
        self.slept.append(seconds)
        self.now += seconds
        if self.on_sleep:
            self.on_sleep(len(self.slept))
