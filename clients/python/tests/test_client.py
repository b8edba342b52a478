"""Questions to a real server, and what comes of the answers."""

import json
import subprocess

import numpy
import pandas
import polars
import pytest

import mantlet
from conftest import MODEL, harness


def test_one_row(client, row):
    answer = client.predict(MODEL, row)
    assert (answer.result, answer.outcome, answer.served, answer.held) == ("benign", "served", True, False)
    assert 0.99 < answer.confidence <= 1
    assert len(answer.request_id) == 26
    assert answer.receipt
    assert (answer.action, answer.interval, answer.candidate, answer.row) == (None, None, False, 0)
    assert client.predict(MODEL, list(row.values()), version=1).result == "benign"


def test_an_answer_that_is_not_sure_is_not_the_guess(client, labelled):
    answers = client.predict(MODEL, labelled.drop(columns="target"))
    withheld = [answer for answer in answers if not answer.served]
    assert 0 < len(withheld) < len(answers)
    for answer in withheld:
        assert (answer.result, answer.action) == ("uncertain", "manual_review")
        assert answer.confidence < 0.7
        assert answer.outcome == "review"


def test_data_frames_come_back_as_they_went(client, labelled):
    rows = labelled.drop(columns="target").iloc[:7]
    rows.index = list("abcdefg")
    answers = client.predict(MODEL, rows, batch_rows=3)
    frame = answers.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.index) == list("abcdefg")
    assert list(frame.columns)[:3] == ["result", "confidence", "outcome"]
    # Seven rows by three are three requests.
    assert len(answers.request_ids) == 3
    assert [answer.row for answer in answers] == [0, 1, 2, 0, 1, 2, 0]
    other = client.predict(MODEL, polars.from_pandas(rows)).to_frame()
    assert isinstance(other, polars.DataFrame)
    assert other["result"].to_list() == frame["result"].tolist()
    assert len(answers) == 7
    assert answers[-1] == list(answers)[6]


def test_an_array_answers_as_its_rows_do(client, row):
    values = numpy.array([list(row.values())] * 2, dtype=numpy.float32)
    many = client.predict(MODEL, values)
    assert [answer.result for answer in many] == ["benign", "benign"]
    assert client.predict(MODEL, values[0]).confidence == many[0].confidence
    inference = client.infer(MODEL, values.astype(numpy.float64))
    assert inference.outputs["label"].tolist() == [1, 1]
    assert inference.outputs["probabilities"].shape == (2, 2)
    assert inference.confidence == many[0].confidence
    assert (inference.outcome, inference.row_outcome, inference.model_version) == ("served", ("served", "served"), "1")


def test_an_explanation_sums_to_the_answer(client, row):
    found = client.explain(MODEL, row)
    total = sum(attribution.value for attribution in found.attributions)
    assert found.base_value + total == pytest.approx(found.output_value, abs=1e-4)
    assert (found.method, found.scale, found.of, found.explained) == (
        "linear",
        "log_odds",
        "probability of benign",
        True,
    )
    sizes = [abs(attribution.value) for attribution in found.attributions]
    assert sizes == sorted(sizes, reverse=True)
    frame = found.to_frame()
    assert list(frame.columns) == ["feature", "value", "standard_error"]
    assert found[frame["feature"][0]].value == frame["value"][0]
    with pytest.raises(KeyError):
        found["nonsense"]


def test_an_explanation_is_drawn_as_the_command_draws_it(client, served, row):
    drawn = repr(client.explain(MODEL, row)).splitlines()
    command = served.run("explain", MODEL, input=json.dumps(row)).stdout.splitlines()
    assert drawn[:2] == command[:2]
    # Below its heading, which the command has and this does not, the same names, numbers and bars.
    assert [line.split() for line in drawn[2:22]] == [line.split() for line in command[3:23]]


def test_a_withheld_answer_is_not_explained(client, labelled):
    rows = labelled.drop(columns="target")
    answers = client.predict(MODEL, rows)
    place = next(place for place, answer in enumerate(answers) if not answer.served)
    found = client.explain(MODEL, rows.iloc[place])
    assert (found.explained, found.attributions, found.action) == (False, (), "manual_review")
    assert "not explained: manual_review" in repr(found)


def test_one_row_is_explained_at_a_time(client, labelled):
    with pytest.raises(mantlet.Unfit):
        client.explain(MODEL, labelled.drop(columns="target").iloc[:2])


def test_a_report_is_the_one_that_the_command_makes(owner, served, labelled, tmp_path):
    labelled.to_csv(tmp_path / "test.csv", index=False)
    arguments = ["evaluate", MODEL, "--data", str(tmp_path / "test.csv"), "--slice", "mean_radius", "--json"]
    expected = json.loads(served.run(*arguments).stdout)
    found = owner.evaluate(MODEL, labelled, "target", slices=["mean_radius"])
    # What the client writes of a data frame is another text of the same rows.
    assert found.document.pop("data_digest") != expected.pop("data_digest")
    assert found.document == expected
    assert found["accuracy"].value == expected["classification"]["accuracy"]["value"]
    assert found["accuracy"].low < found["accuracy"].value < found["accuracy"].high
    assert found["served.coverage"].method == "wilson"
    assert (found.given, found.refused, found.evaluated) == (171, 0, 171)
    assert "accuracy" in repr(found)
    frame = found.to_frame()
    assert list(frame.columns) == ["slice", "group", "metric", "value", "low", "high"]
    assert set(frame["slice"].dropna()) == {"mean_radius"}
    assert frame[frame["slice"].isna()]["metric"].tolist() == list(found.metrics)
    polars_frame = owner.evaluate(MODEL, labelled, "target").to_frame("polars")
    assert polars_frame.columns == ["metric", "value", "low", "high"]


def test_truths_may_stand_beside_the_rows(owner, labelled):
    beside = owner.evaluate(MODEL, labelled.drop(columns="target"), labelled["target"])
    assert beside.metrics == owner.evaluate(MODEL, labelled, "target").metrics
    for data, target in [
        (labelled, "truth"),
        (labelled, labelled["target"]),
        (labelled.drop(columns="target"), [1, 0]),
        (labelled.to_numpy(), "target"),
    ]:
        with pytest.raises(mantlet.Unfit):
            owner.evaluate(MODEL, data, target)


def test_who_may_not_evaluate_is_told_so(client, labelled):
    with pytest.raises((mantlet.Forbidden, mantlet.NotFound)) as error:
        client.evaluate(MODEL, labelled, "target")
    assert error.value.request_id


def test_what_there_is(client):
    assert client.ready()
    (model,) = (model for model in client.models() if model.name == MODEL)
    assert (model.version, model.ready) == (1, True)
    found = client.metadata(MODEL)
    assert (found.versions, found.inputs[0].shape) == ((1,), (-1, 30))
    assert found.outputs[0] == mantlet.Port("label", "INT64", (-1,))


def test_what_a_model_was_made_for(owner):
    assert owner.features(MODEL)["features"][0]["name"] == "mean_radius"


def test_errors_name_the_field_in_both_dialects(client, row):
    wrong = {**row, "mean_radius": "canary"}
    for call in (client.predict, client.explain):
        with pytest.raises(mantlet.Invalid) as error:
            call(MODEL, wrong)
        assert (error.value.field, error.value.status) == ("mean_radius", 400)
        assert error.value.request_id in str(error.value)
        assert "canary" not in str(error.value)
    with pytest.raises(mantlet.Invalid):
        client.predict(MODEL, row, options={"nonsense": 1})


def test_a_wrong_key_and_an_unknown_model(served, client, row):
    stranger = mantlet.Client(served.url, "mtk_live_000000000000_x", served.ca)
    with stranger, pytest.raises(mantlet.AuthenticationError) as error:
        stranger.predict(MODEL, row)
    assert error.value.status == 401
    for model in ("nonsense", "../../admin", "a b", "ü"):
        with pytest.raises(mantlet.Rejected) as error:
            client.predict(model, row)
        assert isinstance(error.value, (mantlet.NotFound, mantlet.Invalid))


def test_a_refusal_of_a_large_body_is_told_and_not_lost(served, client):
    large = ["x" * 9_000_000]
    for _ in range(3):
        with pytest.raises(mantlet.TooLarge):
            client.predict(MODEL, large)
        stranger = mantlet.Client(served.url, "mtk_live_000000000000_x", served.ca)
        with stranger, pytest.raises(mantlet.AuthenticationError):
            stranger.predict(MODEL, large)


def test_the_limit_is_told_with_when_it_ends(served, row):
    slow = mantlet.Client(served.url, served.new_key("slow", [MODEL], rate=2), served.ca, retries=0)
    with slow, pytest.raises(mantlet.RateLimited) as error:
        while True:
            slow.predict(MODEL, row)
    assert 0 < error.value.retry_after <= 60
    assert (error.value.code, error.value.status) == ("rate_limited", 429)


def test_the_environment_that_the_command_prints_is_enough(served, row, monkeypatch):
    printed = json.loads(served.run("env", "--json").stdout)
    for name, value in printed.items():
        monkeypatch.setenv(name, value)
    with mantlet.Client() as client:
        assert client.predict(MODEL, row).result == "benign"


def test_a_person_with_both_factors_does_what_the_key_alone_does_not(owner, served, identity, tmp_path):
    assert {key.owner for key in owner.keys.list()} >= {"user:owner", "consumer:demo"}
    secret = tmp_path / "key"
    secret.write_text((identity / "key").read_text())
    secret.chmod(0o600)
    (tmp_path / "ca.pem").write_text((identity / "ca.pem").read_text())
    with mantlet.Client.from_directory(tmp_path, served.url) as alone, pytest.raises(mantlet.Rejected):
        alone.keys.create("store", [MODEL])


def test_keys_are_made_used_replaced_and_ended(owner, served, row):
    made = owner.keys.create("store", [MODEL], rate_per_minute=600, expires_in_days=3, networks=["127.0.0.0/8"])
    assert (made.owner, made.retiring_until) == ("consumer:store", None)
    assert made.key.split("_")[2] == made.kid
    with mantlet.Client(served.url, made.key, served.ca) as shop:
        assert shop.predict(MODEL, row).served
        (listed,) = owner.keys.list(consumer="store")
        assert (listed.kid, listed.state, listed.models) == (made.kid, "active", (MODEL,))
        assert (listed.rate_per_minute, listed.networks) == (600, ("127.0.0.0/8",))
        assert listed.expires == made.expires
        other = owner.keys.rotate(made.kid, overlap_hours=1)
        assert other.retiring_until > listed.created
        owner.keys.revoke(made.kid)
        with pytest.raises(mantlet.AuthenticationError):
            shop.predict(MODEL, row)
    with mantlet.Client(served.url, other.key, served.ca) as shop:
        assert shop.predict(MODEL, row).served
    assert {key.kid: key.state for key in owner.keys.list(consumer="store")} == {
        made.kid: "revoked",
        other.kid: "active",
    }


def test_a_receipt_is_proved_from_the_log(client, owner, row, served, tmp_path):
    answer = client.predict(MODEL, row)
    proof = owner.audit.prove(answer.receipt)
    assert proof.entry["request_id"] == answer.request_id
    (entry,) = owner.audit.search(request_id=answer.request_id)
    assert entry == proof.entry
    assert proof.proof.startswith("c2sp.org/tlog-proof@v1")
    with pytest.raises(mantlet.NotFound):
        owner.audit.prove("AAAA" * 8)
    with pytest.raises(mantlet.Rejected):
        client.audit.prove(answer.receipt)


def test_many_threads_over_one_client(client, row):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.predict(MODEL, row).result, range(64)))
    assert answers == ["benign"] * 64


def test_a_server_that_comes_back_is_found_again(tmp_path):
    """Restarted under the same address, so the kept connections are all closed: the next question notices nothing."""
    home = tmp_path / "home"
    made = subprocess.run(
        [harness.BINARY, "init", str(home), "--demo", "--json"],
        check=True, capture_output=True, text=True, env=harness.clean_environment(),
    )  # fmt: skip
    first = harness.serve(home, json.loads(made.stdout))
    with mantlet.Client(first.url, first.key, first.ca) as client:
        assert client.models()
        first.process.terminate()
        assert first.process.wait(timeout=60) == 0
        first.process.stdout.close()
        second = subprocess.Popen(
            [harness.BINARY, "serve", "--home", str(home), "--listen", first.listen, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=harness.clean_environment(),
        )  # fmt: skip
        assert second.stdout.readline()
        assert client.models()
        second.terminate()
        assert second.wait(timeout=60) == 0
        second.stdout.close()
