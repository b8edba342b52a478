"""Asking again is safe or does not happen, waits are as long as they were said to be, and deadlines hold."""

import random
import socket
import threading

import pytest

import mantlet
from scripted import GARBAGE, HANG_UP, STALL, Answer, FakeClock, Scripted, authority

KEY = "mtk_live_canary000000_secret"
GOOD = Answer(body=b'{"result":"a","confidence":0.5,"request_id":"01R"}')
INDEX = Answer(body=b"[]")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def scripted(certificate):
    """Starts a server with a script, and a client of it whose clock stands still unless it sleeps."""
    started = []

    def start(*script, **options):
        server = Scripted(certificate, script)
        clock = options.pop("clock", None) or FakeClock()
        client = mantlet.Client(server.url, KEY, certificate, clock=clock, jitter=random.Random(7), **options)
        started.extend((server, client))
        return server, client, clock

    yield start
    for thing in started:
        thing.close()


def limited(seconds):
    headers = {} if seconds is None else {"retry-after": seconds}
    return Answer(429, b'{"title":"rate limit exceeded","code":"rate_limited","request_id":"01L"}', headers)


UNAVAILABLE = Answer(503, b'{"title":"service temporarily unavailable","code":"unavailable","request_id":"01U"}')


def test_retry_after_is_waited_for_to_the_second(scripted):
    server, client, clock = scripted(limited(7), limited(2), GOOD)
    assert client.predict("m", [1.0]).result == "a"
    assert clock.slept == [7.0, 2.0]
    assert len(server.requests) == 3


def test_who_has_no_time_to_wait_is_told_when_to_come_back(scripted):
    server, client, clock = scripted(limited(40), GOOD, timeout=30.0)
    with pytest.raises(mantlet.RateLimited) as error:
        client.predict("m", [1.0])
    assert (error.value.retry_after, error.value.request_id, clock.slept) == (40.0, "01L", [])
    assert len(server.requests) == 1


def test_attempts_are_bounded(scripted):
    server, client, clock = scripted(*[limited(1)] * 9, retries=3)
    with pytest.raises(mantlet.RateLimited):
        client.predict("m", [1.0])
    assert (len(server.requests), clock.slept) == (4, [1.0] * 3)


def test_backoff_doubles_and_is_spread(scripted):
    _, client, clock = scripted(*[UNAVAILABLE] * 6, GOOD, retries=6, timeout=60.0)
    assert client.predict("m", [1.0]).result == "a"
    for attempt, slept in enumerate(clock.slept):
        longest = min(8.0, 0.25 * 2**attempt)
        assert longest / 2 <= slept <= longest
    assert len(set(clock.slept)) == 6


@pytest.mark.parametrize("said", ["soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 30])
def test_a_retry_after_that_says_nothing_is_as_none(scripted, said):
    _, client, clock = scripted(limited(said), GOOD)
    client.predict("m", [1.0])
    assert len(clock.slept) == 1
    assert clock.slept[0] <= 0.25


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500, 502])
def test_other_answers_are_final(scripted, status):
    server, client, clock = scripted(Answer(status, b"<html>"), GOOD)
    with pytest.raises(mantlet.Rejected) as error:
        client.predict("m", [1.0])
    assert (error.value.status, error.value.request_id, clock.slept) == (status, "01SCRIPTED", [])
    assert len(server.requests) == 1


def test_a_question_is_asked_again_when_the_connection_breaks(scripted):
    server, client, _ = scripted(HANG_UP, Answer(body=b"{", length=500, hang_up=True), GOOD)
    assert client.predict("m", [1.0]).result == "a"
    assert len(server.requests) == 3


@pytest.mark.parametrize("end", [HANG_UP, UNAVAILABLE, Answer(body=b"{", length=500, hang_up=True)])
def test_a_change_is_never_repeated_blindly(scripted, end):
    server, client, clock = scripted(end, Answer())
    expected = mantlet.Unavailable if end is UNAVAILABLE else mantlet.Uncertain
    with pytest.raises(expected):
        client.keys.create("shop", ["m"])
    assert (len(server.requests), clock.slept) == (1, [])


def test_a_change_that_was_not_taken_up_for_the_limit_is_made_later(scripted):
    made = b'{"key":"mtk_new","kid":"k","owner":"consumer:shop","expires":"2027-01-01T00:00:00Z"}'
    server, client, clock = scripted(limited(3), Answer(body=made))
    assert client.keys.create("shop", ["m"]).kid == "k"
    assert (len(server.requests), clock.slept) == (2, [3.0])


def test_a_change_never_goes_over_a_connection_that_was_kept(scripted):
    server, client, _ = scripted(INDEX, Answer(), INDEX)
    client.models()
    client.keys.revoke("k")
    assert server.connections == 2


def test_connections_are_kept_and_one_that_was_closed_meanwhile_is_not_used(scripted):
    server, client, clock = scripted(INDEX, INDEX, Answer(body=b"[]", hang_up=True), INDEX)
    for _ in range(4):
        client.models()
    assert (server.connections, len(server.requests), clock.slept) == (2, 4, [])


def test_a_server_that_is_not_there_yet_is_waited_for(certificate):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    late = []

    def come_up(times):
        if times == 2:
            late.append(Scripted(certificate, [GOOD], port))

    clock = FakeClock(come_up)
    with mantlet.Client(f"https://127.0.0.1:{port}", KEY, certificate, clock=clock) as client:
        assert client.predict("m", [1.0]).result == "a"
    assert len(clock.slept) == 2
    late[0].close()


def test_a_server_that_never_comes_is_reported_as_such(certificate):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    clock = FakeClock()
    client = mantlet.Client(f"https://127.0.0.1:{port}", KEY, certificate, clock=clock)
    with pytest.raises(mantlet.ConnectionFailed, match="not reached"):
        client.keys.create("shop")
    assert len(clock.slept) == 3


def test_a_connection_that_ends_before_anything_was_said_is_opened_again(certificate):
    server, clock = Scripted(certificate, [Answer()], dropped=2), FakeClock()
    with mantlet.Client(server.url, KEY, certificate, clock=clock) as client:
        client.keys.revoke("k")
    assert (server.connections, len(server.requests), len(clock.slept)) == (3, 1, 2)
    server.close()


def test_no_answer_in_time(scripted):
    _, client, clock = scripted(STALL, STALL, timeout=0.2)
    with pytest.raises(mantlet.DeadlineExceeded):
        client.predict("m", [1.0])
    with pytest.raises(mantlet.Uncertain):
        client.keys.revoke("k")
    assert clock.slept == []


def test_what_is_no_answer_is_no_answer(scripted):
    _, client, _ = scripted(GARBAGE, Answer(body=b"not json"), Answer(body=b"[1]"), Answer(body=b"[" * 100_000))
    for _ in range(4):
        with pytest.raises(mantlet.ProtocolError):
            client.predict("m", [1.0])


def test_a_refusal_that_comes_before_the_body_was_sent_is_heard(scripted):
    refused = Answer(413, b'{"title":"request too large","code":"too_large"}', hang_up=True, read_body=False)
    _, client, _ = scripted(*[refused] * 20)
    for _ in range(20):
        with pytest.raises(mantlet.TooLarge):
            client.predict("m", ["x" * 4_000_000])


@pytest.mark.parametrize("ignores", [False, True], ids=["asked for", "not asked for"])
def test_a_large_body_arrives_once_and_whole(scripted, ignores, monkeypatch):
    monkeypatch.setattr("mantlet._connection.EXPECT_S", 0.1)
    good = Answer(body=GOOD.body, ignores_expect=ignores)
    server, client, _ = scripted(good, good)
    for _ in range(2):
        assert client.predict("m", ["x" * 4_000_000]).result == "a"
    expected = b'{"features":["' + b"x" * 4_000_000 + b'"]}'
    assert [body for _, _, body in server.requests] == [expected] * 2
    assert server.connections == 1


def test_redirects_are_not_followed(scripted):
    server, client, _ = scripted(Answer(307, headers={"location": "https://elsewhere.example/"}), GOOD)
    with pytest.raises(mantlet.Rejected):
        client.predict("m", [1.0])
    assert len(server.requests) == 1


def test_an_unknown_authority_is_not_trusted(scripted, tmp_path):
    server, _, _ = scripted(GOOD)
    for ca in (None, authority(tmp_path)):
        with (
            mantlet.Client(server.url, KEY, ca) as other,
            pytest.raises(mantlet.ConnectionFailed, match="trusted connection"),
        ):
            other.predict("m", [1.0])
    assert server.requests == []


def test_a_certificate_for_another_name_is_not_trusted(tmp_path):
    certificate = authority(tmp_path, "127.0.0.9")
    server = Scripted(certificate, [GOOD])
    with (
        mantlet.Client(server.url, KEY, certificate) as client,
        pytest.raises(mantlet.ConnectionFailed, match="IP address"),
    ):
        client.predict("m", [1.0])
    assert server.requests == []
    server.close()


def test_threads_share_a_client(scripted):
    server, client, _ = scripted(*[GOOD] * 400, connections=4)
    answers = []

    def ask():
        answers.extend(client.predict("m", [1.0]).result for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["a"] * 400
    assert len(server.requests) == 400


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "127.0.0.1:8443",
        "https://",
        "https://a:b@c",
        "https://a?x=1",
        "https://a#x",
        "https://a:x",
        "ftp://a",
    ],
)
def test_a_url_that_is_not_one_of_a_server_is_refused(url):
    with pytest.raises(mantlet.ConfigurationError):
        mantlet.Client(url, KEY)


def test_what_is_missing_is_said():
    with pytest.raises(mantlet.ConfigurationError, match="MANTLET_URL"):
        mantlet.Client()
    with pytest.raises(mantlet.ConfigurationError, match="MANTLET_API_KEY"):
        mantlet.Client("https://a")
    with pytest.raises(mantlet.ConfigurationError, match="authority"):
        mantlet.Client("https://a", KEY, "/nowhere/ca.pem")


def test_a_path_before_the_routes_is_kept(scripted, certificate):
    server, _, clock = scripted(INDEX)
    with mantlet.Client(server.url + "/models/", KEY, certificate, clock=clock) as client:
        client.models()
    assert server.requests[0][0] == "POST /models/v2/repository/index HTTP/1.1"


def held(*statuses):
    rows = ",".join(f'{{"row":{row},"status":"{status}","result":"b"}}' for row, status in enumerate(statuses))
    return Answer(body=b'{"request_id":"01R","rows":[%s]}' % rows.encode())


def test_waiting_for_a_person_looks_ever_less_often(scripted):
    pending = held("decided", "pending")
    server, client, clock = scripted(*[pending] * 12, held("decided", "expired"))
    found = client.wait_for_review("m", "01R", timeout=3_600.0)
    assert found.settled
    assert [row.status for row in found.rows] == ["decided", "expired"]
    assert found.rows[0].result == "b"
    assert clock.slept == [min(1.5**times, 60.0) for times in range(12)]
    assert {start for start, _, _ in server.requests} == {"GET /v1/models/m/reviews/01R HTTP/1.1"}


def test_waiting_for_a_person_ends(scripted):
    _, client, clock = scripted(*[held("assigned")] * 40)
    with pytest.raises(mantlet.DeadlineExceeded, match="01R"):
        client.wait_for_review("m", "01R", timeout=10.0)
    assert sum(clock.slept) == pytest.approx(10.0)
