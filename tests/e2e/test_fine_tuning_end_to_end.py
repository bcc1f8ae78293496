"""`/fine_tuning/jobs`, from OpenAI's client to a tuned Gemini that chats."""

import json

import openai
import pytest
from helpers.server import app_with_emulator

from vertex_compat.emulator.resources import jobs
from vertex_compat.ids import IdSigner

BUCKET = "tuning-of-tests"
PUBLIC = "gs://public-samples/sft_train_data.jsonl"
LITELLM = {"custom_llm_provider": "vertex_ai"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
EXAMPLE = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!", "weight": 1},
    ]
}
VERTEX_EXAMPLE = {
    "contents": [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Hello!"}]},
    ]
}


@pytest.fixture
def client(serve, storage):  # noqa: ARG001  (an empty one)
    with serve(GCS_BUCKET_NAME=BUCKET).client() as opened:
        yield opened


def uploaded(client, *rows):
    data = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
    return client.files.create(file=("train.jsonl", data), purpose="fine-tune", extra_body=LITELLM).id


def ended(client, job):
    while job.status not in {"succeeded", "failed", "cancelled"}:
        job = client.fine_tuning.jobs.retrieve(job.id)
    return job


def upstream_body(emulator):
    (call,) = [call for call in emulator.calls if call.method == "POST" and call.path.endswith("/tuningJobs")]
    return call


def test_a_tuned_model_chats(client, emulator, storage):
    training, validation = uploaded(client, EXAMPLE, EXAMPLE | {"tools": [TOOL]}), uploaded(client, EXAMPLE)
    job = client.fine_tuning.jobs.create(
        model="gemini-3.8-flash",
        training_file=training,
        validation_file=validation,
        suffix="mine",
        metadata={"who": "me"},
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": "auto"}},
        },
        extra_body=LITELLM,
    )
    assert (job.status, job.training_file, job.validation_file) == ("queued", training, validation)
    assert (job.hyperparameters.n_epochs, job.metadata) == (3, {"who": "me"})
    body = upstream_body(emulator).json
    assert body["supervisedTuningSpec"]["hyperParameters"] == {"epochCount": 3}
    assert body["tunedModelDisplayName"] == "mine"
    converted = storage.read(body["supervisedTuningSpec"]["trainingDatasetUri"]).splitlines()
    first, second = map(json.loads, converted)
    assert first == {"systemInstruction": {"parts": [{"text": "Be kind."}]}, **VERTEX_EXAMPLE}
    assert second["tools"]
    job = ended(client, job)
    assert (job.status, job.trained_tokens, job.error) == ("succeeded", 1234, None)
    assert job.finished_at >= job.created_at
    (checkpoint,) = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert (checkpoint.step_number, checkpoint.fine_tuning_job_id) == (10, job.id)
    emulator.forget_calls()
    for model in (job.fine_tuned_model, checkpoint.fine_tuned_model_checkpoint):
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
        assert answer.choices[0].message.content
    assert {call.path.partition("/endpoints/")[0].rpartition("/")[2] for call in emulator.calls} == {
        "us-central1"
    }


def test_an_example_ends_with_its_answer_unsigned(client, emulator, storage):
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}]
    file = uploaded(client, {"messages": messages, "tools": [TOOL]})
    client.fine_tuning.jobs.create(model="gemini-3.8-flash", training_file=file)
    (line,) = storage.read(
        upstream_body(emulator).json["supervisedTuningSpec"]["trainingDatasetUri"]
    ).splitlines()
    *_, last = json.loads(line)["contents"]
    assert last["role"] == "model"
    assert [part.keys() - {"functionCall"} for part in last["parts"]] == [set()]


def test_a_tuned_model_chats_where_it_was_tuned(serve, emulator, storage):  # noqa: ARG001  (an empty one)
    with serve(GOOGLE_CLOUD_LOCATION="europe-west4").client() as client:
        job = ended(client, client.fine_tuning.jobs.create(model="gemini-3.8-flash", training_file=PUBLIC))
        assert "/locations/europe-west4/" in job.fine_tuned_model
    with serve(GOOGLE_CLOUD_LOCATION="global").client() as elsewhere:
        emulator.forget_calls()
        elsewhere.chat.completions.create(
            model=job.fine_tuned_model, messages=[{"role": "user", "content": "Hi"}]
        )
        assert "/locations/europe-west4/" in emulator.calls[0].path


def test_litellm_s_parameters_tune_without_a_bucket(serve, emulator):
    with serve().client() as client:
        job = client.fine_tuning.jobs.create(
            model="gemini-3.8-flash",
            training_file=PUBLIC,
            hyperparameters={
                "n_epochs": 3,
                "learning_rate_multiplier": 0.1,
                "adapter_size": "ADAPTER_SIZE_ONE",
            },
            extra_body=LITELLM,
        )
    spec = upstream_body(emulator).json["supervisedTuningSpec"]
    assert spec == {
        "trainingDatasetUri": PUBLIC,
        "hyperParameters": {
            "epochCount": 3,
            "learningRateMultiplier": 0.1,
            "adapterSize": "ADAPTER_SIZE_ONE",
        },
    }
    assert job.training_file == PUBLIC


def test_a_file_in_vertex_s_form_is_used_as_it_is(client, emulator, storage):
    file = uploaded(client, VERTEX_EXAMPLE)
    client.fine_tuning.jobs.create(model="gemini-3.8-flash", training_file=file)
    (name,) = storage.names(BUCKET)
    assert (
        upstream_body(emulator).json["supervisedTuningSpec"]["trainingDatasetUri"] == f"gs://{BUCKET}/{name}"
    )


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([""], "no examples"),
        (["{"], "Line 1 is not a JSON object"),
        ([EXAMPLE, {"messages": []}], "Line 2"),
        ([EXAMPLE, {"messages": [{"role": "user", "content": "Hi"}]}], "Line 2: the last message"),
        ([{"messages": [{"role": "assistant", "content": ""}]}], "Line 1: the last message"),
        ([EXAMPLE, {"messages": [{"role": "robot", "content": "Hi"}]}], "Line 2"),
        ([{"messages": [EXAMPLE["messages"][1], EXAMPLE["messages"][2] | {"weight": 0}]}], "weight"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_starts_nothing(client, emulator, storage, rows, word):
    file = uploaded(client, *rows)
    with pytest.raises(openai.BadRequestError, match=word) as refused:
        client.fine_tuning.jobs.create(model="gemini-3.8-flash", training_file=file)
    assert (refused.value.param, refused.value.code) == ("training_file", "invalid_training_file")
    assert not [call for call in emulator.calls if "tuningJobs" in call.path]
    assert len(storage.names(BUCKET)) == 1


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"model": "claude-sonnet-5-5"}, "model"),
        ({"model": "gemini/123"}, "model"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"adapter_size": 3}}, "hyperparameters.adapter_size"),
        ({"method": {"type": "dpo"}}, "method.type"),
        ({"training_file": "file-nonsense"}, "id"),
    ],
)
def test_unsupported_tuning_is_refused(emulator, params, param):
    app = app_with_emulator(emulator, STORAGE_EMULATOR_HOST=emulator.host, GCS_BUCKET_NAME=BUCKET)
    answer = app.post(
        "/v1/fine_tuning/jobs", json={"model": "gemini-3.8-flash", "training_file": PUBLIC} | params
    )
    assert 400 <= answer.status_code < 500
    assert answer.json["error"]["param"] == param


def test_parameters_that_vertex_lacks_are_named(emulator):
    body = {
        "model": "gemini-3.8-flash",
        "training_file": PUBLIC,
        "seed": 7,
        "hyperparameters": {"batch_size": 4},
    }
    answer = app_with_emulator(emulator).post(
        "/v1/fine_tuning/jobs", json=body | {"hyperparameters": {"batch_size": 4, "adapter_size": 8}}
    )
    assert answer.headers["x-vertex-compat-ignored"] == "batch_size, seed"
    assert answer.json["seed"] == 7
    assert upstream_body(emulator).json["supervisedTuningSpec"]["hyperParameters"] == {
        "adapterSize": "ADAPTER_SIZE_EIGHT"
    }


def test_a_failed_job_has_its_error(client):
    job = ended(
        client, client.fine_tuning.jobs.create(model="gemini-emulator-job-failed", training_file=PUBLIC)
    )
    assert job.status == "failed"
    assert "dataset" in job.error.message
    assert job.fine_tuned_model is None
    last = client.fine_tuning.jobs.list_events(job.id).data[0]
    assert (last.level, "dataset" in last.message) == ("error", True)


def test_a_job_can_be_cancelled_once(client):
    job = client.fine_tuning.jobs.create(model="gemini-3.8-flash", training_file=PUBLIC)
    job = ended(client, client.fine_tuning.jobs.cancel(job.id))
    assert job.status == "cancelled"
    with pytest.raises(openai.ConflictError, match="cancelled"):
        client.fine_tuning.jobs.cancel(job.id)


def test_jobs_and_events_are_listed_newest_first_page_by_page(client):
    jobs = [
        client.fine_tuning.jobs.create(model="gemini-3.8-flash", training_file=PUBLIC).id for _ in range(3)
    ]
    listed = [job.id for job in client.fine_tuning.jobs.list(limit=2)]
    assert listed[:3] == jobs[::-1]
    ended(client, client.fine_tuning.jobs.retrieve(jobs[0]))
    events = [event.message for event in client.fine_tuning.jobs.list_events(jobs[0], limit=1)]
    assert events == ["The job has succeeded.", "The job has started.", "The job was created."]


def test_times_without_trailing_zeros_are_compared_as_times(emulator, monkeypatch):
    times = [f"2026-11-26T10:00:00{fraction}Z" for fraction in ("", ".1", ".12", ".123456", ".2")]
    monkeypatch.setattr(jobs, "now", iter(times).__next__)
    app = app_with_emulator(emulator)
    body = {"model": "gemini-3.8-flash", "training_file": PUBLIC}
    ids = [app.post("/v1/fine_tuning/jobs", json=body).json["id"] for _ in times]
    listed = [job["id"] for job in app.get("/v1/fine_tuning/jobs").json["data"]]
    assert [name for name in listed if name in ids] == ids[::-1]


@pytest.mark.parametrize(
    "place", ["", "us-central1/x", "evil.example/1", "us-central1/1/../2", "us-central1/99"]
)
def test_a_made_up_id_is_not_found(emulator, place):
    secret = "a secret of sixteen characters"
    app = app_with_emulator(emulator, VERTEX_COMPAT_SECRET=secret)
    identity = IdSigner(secret).encode("ftjob-", place) if place else "ftjob-x"
    for path in ("", "/events", "/checkpoints"):
        answer = app.get(f"/v1/fine_tuning/jobs/{identity}{path}")
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "fine_tune_not_found")
