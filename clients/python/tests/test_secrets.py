"""The key is in the one header that it belongs into, and nowhere else: no text, traceback, variable or log has it."""

import http.client
import logging
import pickle
import traceback
from pathlib import Path

import pytest

import mantlet
from scripted import GARBAGE, HANG_UP, Answer, FakeClock, Scripted, authority

CANARY = "mtk_live_CanaryCanary_ThisIsTheSecretPart"


def shown(error):
    """An exception as tools show it that look into frames; all frames but those of these tests, which know the key."""
    frames = []
    while error is not None:
        frames += [repr(error), repr(error.__dict__)]
        frames += [
            f"{name} = {value!r}"
            for frame, _ in traceback.walk_tb(error.__traceback__)
            if "tests" not in Path(frame.f_code.co_filename).parts
            for name, value in frame.f_locals.items()
        ]
        error = error.__cause__ or error.__context__
    return "\n".join(frames)


@pytest.fixture
def server(tmp_path):
    script = [
        Answer(401),
        *[HANG_UP] * 5,
        GARBAGE,
        Answer(body=b"{"),
        HANG_UP,
        Answer(413, read_body=False, hang_up=True),
    ]
    server = Scripted(authority(tmp_path), script)
    yield server
    server.close()


def test_no_failure_shows_the_key(server, caplog, capfd, monkeypatch):
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    client = mantlet.Client(server.url, CANARY, server.certificate, clock=FakeClock())
    seen = []
    calls = [lambda: client.predict("m", [1.0])] * 4 + [
        lambda: client.keys.revoke("k"),
        lambda: client.predict("m", ["x" * 4_000_000]),
    ]
    for call in calls:
        with pytest.raises(mantlet.MantletError) as error:
            call()
        seen += [shown(error.value), str(error.value)]
    server.close()
    with pytest.raises(mantlet.ConnectionFailed) as error:
        client.predict("m", [1.0])
    seen += [
        shown(error.value),
        repr(client),
        repr(client.__dict__),
        repr(client._transport.__dict__),
        repr(client.keys),
    ]
    seen += [repr(client._transport._pool.__dict__), repr(client._transport._pool._endpoint)]
    seen += [record.getMessage() for record in caplog.records]
    assert len(caplog.records) > 5
    client.close()
    said = capfd.readouterr()
    seen += [said.out, said.err]
    for text in seen:
        assert "SecretPart" not in text
    # So the script really was gone through with the key.
    assert all(headers["authorization"] == f"Bearer {CANARY}" for _, headers, _ in server.requests)
    assert len(server.requests) == 10


@pytest.mark.parametrize("key", [CANARY + "\r\nX: y", CANARY + " x", CANARY + "\x00", CANARY + "é"])
def test_a_key_that_no_header_carries_is_refused_without_showing_it(key):
    with pytest.raises(mantlet.ConfigurationError) as error:
        mantlet.Client("https://127.0.0.1:1", key)
    assert "SecretPart" not in shown(error.value)


def test_an_authority_that_cannot_be_read_is_said_without_the_key():
    with pytest.raises(mantlet.ConfigurationError, match="authority") as error:
        mantlet.Client("https://127.0.0.1:1", CANARY, "/nowhere/ca.pem")
    assert "SecretPart" not in shown(error.value)


def test_a_client_is_not_pickled():
    client = mantlet.Client("https://127.0.0.1:1", CANARY)
    with pytest.raises(TypeError):
        pickle.dumps(client)


def test_a_new_key_is_not_printed_with_what_is_known_of_it():
    import datetime

    made = mantlet.NewKey(CANARY, "kid", "consumer:a", datetime.datetime.now(datetime.timezone.utc))
    assert "SecretPart" not in repr(made)
    assert made.key == CANARY


def test_files_that_others_can_read_are_not_used(tmp_path):
    (tmp_path / "key").write_text(CANARY)
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(mantlet.ConfigurationError, match="others can read") as error:
        mantlet.Client.from_directory(tmp_path, "https://127.0.0.1:1")
    assert "SecretPart" not in shown(error.value)
    (tmp_path / "key").chmod(0o600)
    assert "SecretPart" not in repr(mantlet.Client.from_directory(tmp_path, "https://127.0.0.1:1"))


def test_a_directory_says_what_is_missing(tmp_path):
    with pytest.raises(mantlet.ConfigurationError, match="key"):
        mantlet.Client.from_directory(tmp_path)
    (tmp_path / "key").write_text(CANARY)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(mantlet.ConfigurationError, match="where the server is") as error:
        mantlet.Client.from_directory(tmp_path)
    assert "SecretPart" not in shown(error.value)
