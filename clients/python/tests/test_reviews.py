"""Answers that are not sure wait for a person, who decides them; who asked comes back for what was decided."""

import threading

import pandas
import pytest

import mantlet
from conftest import MODEL


@pytest.fixture(scope="module")
def desk(served, tmp_path_factory):
    """An application that asks, and a reviewer."""
    rita = tmp_path_factory.mktemp("reviews") / "rita"
    served.run("user", "invite", "rita", "--out", str(rita))
    served.run("role", "assign", "rita", "reviewer")
    asking = mantlet.Client(served.url, served.new_key("asking", [MODEL]), served.ca)
    reviewer = mantlet.Client.from_directory(rita)
    yield served, asking, reviewer
    for client in (asking, reviewer):
        client.close()


@pytest.fixture(scope="module")
def held(desk, labelled):
    """All rows of the test data, asked in one request; those answers that are held."""
    answers = desk[1].predict(MODEL, labelled.drop(columns="target"))
    waiting = [answer for answer in answers if answer.held]
    assert len(waiting) >= 5
    return waiting


def test_a_held_answer_is_not_the_guess_and_says_where_to_come_back(desk, held):
    _, asking, _ = desk
    for answer in held:
        assert (answer.result, answer.action, answer.served) == ("uncertain", "manual_review", False)
    found = asking.held(MODEL, held[0].request_id)
    assert [row.row for row in found.rows] == [answer.row for answer in held]
    assert {row.status for row in found.rows} == {"pending"}
    assert not found.settled
    with pytest.raises(mantlet.DeadlineExceeded):
        asking.wait_for_review(MODEL, held[0].request_id, timeout=0.2, poll=0.05)


def test_what_a_person_decides_is_what_who_asked_gets(desk, held, labelled):
    _, asking, reviewer = desk
    # Of this application's request alone: other tests ask as well.
    listed = [review for review in reviewer.reviews.list(model=MODEL) if review.request_id == held[0].request_id]
    assert [review.row for review in listed] == [answer.row for answer in held]
    assert {(review.requester, review.status) for review in listed} == {("consumer:asking", "pending")}
    assert listed[0].held < listed[0].ends
    first = reviewer.reviews.show(listed[0].item)
    asked = labelled.drop(columns="target").iloc[first.row]
    assert first.features == pytest.approx(asked.to_dict(), rel=1e-6)
    assert list(first.features) == list(asked.index)
    assert first.guess in first.labels == ("malignant", "benign")
    assert first.confidence == pytest.approx(held[0].confidence, abs=1e-6)
    assert str(first.features["mean_radius"]) not in repr(first)

    assert reviewer.reviews.assign(first.item).assigned_to == "rita"
    assert [review.item for review in reviewer.reviews.list(status="assigned")] == [first.item]
    decided = reviewer.reviews.decide(first.item, "malignant", "seen on the slide")
    assert (decided.status, decided.decided_by) == ("decided", "rita")
    assert decided.decided >= decided.held
    assert reviewer.reviews.show(first.item).result == "malignant"
    with pytest.raises(mantlet.Conflict):
        reviewer.reviews.decide(first.item, "benign", "changed my mind")
    assert asking.held(MODEL, held[0].request_id).rows[0] == mantlet.HeldRow(held[0].row, "decided", "malignant")

    answer = []
    waiting = threading.Thread(
        target=lambda: answer.append(asking.wait_for_review(MODEL, held[0].request_id, timeout=60, poll=0.05))
    )
    waiting.start()
    for review in listed[1:-1]:
        reviewer.reviews.uphold(review.item)
    assert reviewer.reviews.erase(listed[-1].item).status == "erased"
    waiting.join()
    assert answer[0].settled
    assert {row.status for row in answer[0].rows} == {"decided", "erased"}

    columns = reviewer.reviews.export(MODEL)
    assert list(columns) == [*labelled.columns[:-1], "target"]
    frame = pandas.DataFrame(columns)
    assert len(frame) >= len(held) - 1
    mine = (frame["mean_radius"].astype(float) - asked["mean_radius"]).abs() < 1e-5
    assert "malignant" in set(frame[mine]["target"])
    assert list(reviewer.reviews.export(MODEL, target="truth"))[-1] == "truth"


def test_only_who_asked_and_reviewers_know_of_it(desk, held):
    served, asking, reviewer = desk
    with (
        mantlet.Client(served.url, served.new_key("other", [MODEL]), served.ca) as other,
        pytest.raises(mantlet.NotFound),
    ):
        other.held(MODEL, held[0].request_id)
    with pytest.raises(mantlet.NotFound):
        reviewer.held(MODEL, held[0].request_id)
    assert asking.reviews.list() == []
    with pytest.raises(mantlet.NotFound):
        asking.reviews.show(reviewer.reviews.list(status="decided")[0].item)
