"""`/batches`, from OpenAI's client to Vertex's jobs and back; rows come in random order."""

import json

import openai
import pytest
from helpers.server import app_with_emulator

from vertex_compat.ids import IdSigner, new_token
from vertex_compat.operations.batches.batch_metadata import Batch

BUCKET = "batches-of-tests"
CHAT = "/v1/chat/completions"
LITELLM = {"custom_llm_provider": "vertex_ai"}


@pytest.fixture
def client(serve, storage):  # noqa: ARG001  (an empty one)
    with serve(GCS_BUCKET_NAME=BUCKET).client() as opened:
        yield opened


@pytest.fixture
def local(emulator, storage):  # noqa: ARG001  (an empty one)
    def start(bucket=BUCKET, **env):
        return app_with_emulator(emulator, STORAGE_EMULATOR_HOST=emulator.host, GCS_BUCKET_NAME=bucket, **env)

    return start


def line(custom_id, text="Hello", /, model="gemini-3.8-flash", **body):
    body = {"model": model, "messages": [{"role": "user", "content": text}]} | body
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}


def new_batch(client, rows, endpoint=CHAT, **more):
    data = rows if isinstance(rows, bytes) else "\n".join(map(json.dumps, rows)).encode()
    file = client.files.create(file=("in.jsonl", data), purpose="batch", extra_body=LITELLM)
    return client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", extra_body=LITELLM, **more
    )


def ended(client, batch):
    while batch.status not in {"completed", "failed", "cancelled", "expired"}:
        batch = client.batches.retrieve(batch.id)
    return batch


def results(client, file_id):
    if file_id is None:
        return {}
    read = [json.loads(row) for row in client.files.content(file_id).text.splitlines()]
    assert len({row["custom_id"] for row in read}) == len(read)
    return {row["custom_id"]: row for row in read}


def text_of(row):
    assert row["response"]["status_code"] == 200
    assert row["error"] is None
    assert row["response"]["body"]["object"] == "chat.completion"
    return row["response"]["body"]["choices"][0]["message"]["content"].partition("\n")[0]


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "claude-sonnet-5-5"])
def test_every_answer_finds_its_request(client, model, storage):
    rows = [line(f"ключ {n}/%", "the same" if n % 3 else f"number {n}", model) for n in range(20)]
    batch = new_batch(client, rows, metadata={"project": "x"})
    assert (batch.status, batch.metadata, batch.endpoint) == ("validating", {"project": "x"}, CHAT)
    assert batch.output_file_id is None
    batch = ended(client, batch)
    assert batch.status == "completed"
    assert batch.request_counts.model_dump() == {"total": 20, "completed": 20, "failed": 0}
    assert batch.error_file_id is None
    assert batch.created_at <= batch.in_progress_at <= batch.completed_at
    answers = results(client, batch.output_file_id)
    assert list(answers) != [row["custom_id"] for row in rows]
    for row in rows:
        prompt = row["body"]["messages"][0]["content"]
        assert text_of(answers[row["custom_id"]]) == f"You said: {prompt}"
    shards = [name for name in storage.names(BUCKET) if "/predictions_" in name]
    assert len(shards) == 3


def test_failed_requests_are_in_the_error_file(client):
    rows = [
        line("good"),
        line("bad", "emulator-status-429"),
        line("lost", "emulator-lost"),
        line("twice", "emulator-twice"),
    ]
    batch = ended(client, new_batch(client, rows))
    assert batch.request_counts.total == 4
    assert set(results(client, batch.output_file_id)) == {"good", "twice"}
    failed = results(client, batch.error_file_id)
    assert set(failed) == {"bad", "lost"}
    assert failed["bad"]["response"]["status_code"] == 429
    assert failed["bad"]["response"]["body"]["error"]["code"] == "rate_limit_exceeded"
    assert failed["lost"]["response"] is None
    assert failed["lost"]["error"]["code"] == "no_answer"


def test_results_are_the_same_when_read_again(client):
    batch = ended(client, new_batch(client, [line("a"), line("b", "emulator-status-400")]))
    for file_id in (batch.output_file_id, batch.error_file_id):
        assert client.files.content(file_id).text == client.files.content(file_id).text
    about = client.files.retrieve(batch.output_file_id)
    assert (about.purpose, about.created_at) == ("batch_output", batch.completed_at)
    assert about.bytes > 0
    with pytest.raises(openai.BadRequestError, match="made when they are read"):
        client.files.delete(batch.output_file_id)


def test_tools_have_the_client_s_names_in_results(client):
    function = {
        "name": "1 tool/with an odd name",
        "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
    }
    rows = [line("t", "use the tool", tools=[{"type": "function", "function": function}])]
    batch = ended(client, new_batch(client, rows))
    answer = results(client, batch.output_file_id)["t"]["response"]["body"]
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == function["name"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("model", ["text-embedding-005", "gemini-embedding-2"])
def test_embeddings_are_batched_too(client, model):
    texts = ["same", "other", "same"]
    rows = [
        {
            "custom_id": f"e{n}",
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": model, "input": text, "dimensions": 128},
        }
        for n, text in enumerate(texts)
    ]
    batch = ended(client, new_batch(client, rows, "/v1/embeddings"))
    answers = results(client, batch.output_file_id)
    vectors = [answers[f"e{n}"]["response"]["body"]["data"][0]["embedding"] for n in range(3)]
    assert [len(vector) for vector in vectors] == [128] * 3
    assert vectors[0] == vectors[2] != vectors[1]


@pytest.mark.parametrize("model", ["gemini-embedding-001", "text-embedding-005", "gemini-embedding-2"])
@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}])
def test_embeddings_without_dimensions_are_batched(client, model, options):
    body = {"model": model, "input": "a", **options}
    row = {"custom_id": "e0", "method": "POST", "url": "/v1/embeddings", "body": body}
    batch = ended(client, new_batch(client, [row], "/v1/embeddings"))
    assert batch.status == "completed"
    assert results(client, batch.output_file_id)["e0"]["response"]["body"]["data"][0]["embedding"]


def problems(client, rows, **more):
    batch = new_batch(client, rows, **more)
    assert batch.status == "failed"
    assert client.batches.retrieve(batch.id) == batch
    assert client.batches.list().data[0] == batch
    return [(error.code, error.line) for error in batch.errors.data]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (b"", [("empty_file", None)]),
        (b"\n \n", [("empty_file", None)]),
        (b'{"custom_id"\n[]\n', [("invalid_json_line", 1), ("invalid_json_line", 2)]),
        ([line("a"), line("b"), line("a")], [("duplicate_custom_id", 3)]),
        ([line("a"), line("b", model="gemini-4-argon")], [("mismatched_model", 2)]),
        ([line("a", model="mistral-small-2503")], [("model_not_supported", 1)]),
        ([line("a", model="nobody")], [("model_not_found", 1)]),
        ([line("a"), line("b") | {"url": "/v1/embeddings"}], [("invalid_url", 2)]),
        ([line("a") | {"method": "GET"}], [("invalid_value", 1)]),
        ([line("")], [("invalid_value", 1)]),
        ([line("a", messages=[])], [("invalid_value", 1)]),
        (
            [line("a"), line("b", temperature="hot"), {"custom_id": "c"}],
            [("invalid_type", 2), ("missing_required_parameter", 3)],
        ),
        ([line("a", stream=True)], [("invalid_value", 1)]),
        ([line("a", model="claude-sonnet-5-5", n=2)], [("unsupported_value", 1)]),
    ],
)
def test_a_bad_file_makes_a_batch_that_failed_and_starts_nothing(client, emulator, storage, rows, expected):
    assert problems(client, rows) == expected
    assert not [call for call in emulator.calls if "batchPredictionJobs" in call.path]
    assert not [name for name in storage.names(BUCKET) if "batch-data" in name]


def test_lines_of_one_batch_have_one_dimension(client):
    rows = [
        {
            "custom_id": custom_id,
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {"model": "text-embedding-005", "input": "a", **options},
        }
        for custom_id, options in (("a", {"dimensions": 256}), ("b", {}))
    ]
    assert problems(client, rows, endpoint="/v1/embeddings") == [("mismatched_parameters", 2)]


def test_the_first_hundred_problems_are_listed(client):
    assert len(problems(client, b"[]\n" * 300)) == 100


def test_unsupported_fields_of_a_model_are_problems(local, client):
    file = client.files.create(
        file=("x", json.dumps(line("a", logit_bias={"1": 1})).encode()), purpose="batch"
    )
    body = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    answer = local().post("/v1/batches", json=body)
    assert answer.headers["x-vertex-compat-ignored"] == "logit_bias"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input_file_id": "file-none"}, 404, "id"),
        ({"input_file_id": "gs://elsewhere/x"}, 404, "id"),
        ({"endpoint": "/v1/responses"}, 400, "endpoint"),
        ({"completion_window": "1h"}, 400, "completion_window"),
        ({"metadata": {"a": 1}}, 400, "metadata[...]"),
    ],
)
def test_a_wrong_request_is_refused(local, body, status, param):
    params = {
        "input_file_id": f"gs://{BUCKET}/vertex_compat/shared/files/x",
        "endpoint": CHAT,
        "completion_window": "24h",
    }
    answer = local().post("/v1/batches", json=params | body)
    assert (answer.status_code, answer.json["error"]["param"]) == (status, param)


def test_a_failed_job_has_its_error(client):
    batch = ended(client, new_batch(client, [line("a", model="gemini-emulator-job-failed")]))
    assert batch.status == "failed"
    assert "input" in batch.errors.data[0].message
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    assert batch.failed_at


def test_a_batch_that_expires_keeps_what_is_answered(client):
    rows = [line(str(n), model="gemini-emulator-job-expired") for n in range(4)]
    batch = ended(client, new_batch(client, rows))
    assert batch.status == "expired"
    assert batch.expired_at
    done, unanswered = results(client, batch.output_file_id), results(client, batch.error_file_id)
    assert sorted([*done, *unanswered]) == ["0", "1", "2", "3"]
    assert {row["error"]["code"] for row in unanswered.values()} == {"batch_expired"}


def test_a_batch_can_be_cancelled_once(client):
    batch = new_batch(client, [line(str(n)) for n in range(4)])
    batch = client.batches.cancel(batch.id, extra_body=LITELLM)
    assert batch.status in {"cancelling", "cancelled"}
    batch = ended(client, batch)
    assert batch.status == "cancelled"
    assert batch.cancelled_at
    unanswered = results(client, batch.error_file_id)
    assert {row["error"]["code"] for row in unanswered.values()} == {"batch_cancelled"}
    with pytest.raises(openai.ConflictError, match="cancelled"):
        client.batches.cancel(batch.id)


def test_batches_are_listed_newest_first_page_by_page(client):
    ids = [new_batch(client, [line("a")]).id for _ in range(3)] + [new_batch(client, b"").id]
    listed = [batch.id for batch in client.batches.list(limit=1)]
    assert sorted(listed) == sorted(ids)
    page = client.batches.list(limit=2)
    assert ([item.id for item in page.data], page.has_more) == (listed[:2], True)


def test_the_results_are_not_there_before_the_end(client):
    batch = new_batch(client, [line("a")])
    early = f"gs://{BUCKET}/vertex_compat/shared/batches/x"
    with pytest.raises(openai.NotFoundError):
        client.files.content(early)
    done = ended(client, batch)
    with pytest.raises(openai.NotFoundError):
        client.files.content(done.output_file_id.replace("file-", "file-x"))


def test_batch_id_without_a_record_is_a_404_without_a_call(local, emulator):
    secret = "a secret of sixteen characters"
    app = local(VERTEX_COMPAT_SECRET=secret)
    stranger = Batch(new_token(), "us-central1/7000000000000000001").id(IdSigner(secret))
    for answer in (app.get(f"/v1/batches/{stranger}"), app.post(f"/v1/batches/{stranger}/cancel")):
        assert answer.status_code == 404
        assert answer.json["error"]["message"] == f"No batch found with id '{stranger}'."
    assert not [call for call in emulator.calls if "batchPredictionJobs" in call.path]


def test_a_job_that_cannot_be_started_leaves_nothing(local, storage):
    app = local()
    text = json.dumps(line("a", model="gemini-nonexistent")).encode()
    storage.write(f"gs://{BUCKET}/vertex_compat/shared/files/x", text)
    body = {
        "input_file_id": f"gs://{BUCKET}/vertex_compat/shared/files/x",
        "endpoint": CHAT,
        "completion_window": "24h",
    }
    answer = app.post("/v1/batches", json=body)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "model_not_found")
    assert storage.names(BUCKET) == ["vertex_compat/shared/files/x"]


def test_tuned_gemini_batch_uses_model_of_endpoint(client, emulator):
    batch = ended(client, new_batch(client, [line("a", model="gemini/1234567890")]))
    assert batch.status == "completed"
    (job,) = [
        call.json
        for call in emulator.calls
        if call.method == "POST" and call.path.endswith("batchPredictionJobs")
    ]
    assert job["model"].endswith("/models/1234567890")


def test_without_a_bucket_the_setting_is_named(emulator):
    app = app_with_emulator(emulator)
    body = {"input_file_id": "file-x", "endpoint": CHAT, "completion_window": "24h"}
    for answer in (app.post("/v1/batches", json=body), app.get("/v1/batches")):
        assert answer.status_code == 400
        assert "GCS_BUCKET_NAME" in answer.json["error"]["message"]
