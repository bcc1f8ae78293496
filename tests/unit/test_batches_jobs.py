"""Vertex's jobs in OpenAI's words, value by value."""

import pytest

from vertex_compat import vertex
from vertex_compat.operations.batches.results import _row_error
from vertex_compat.services import batch_jobs, tuning_jobs

CREATED, STARTED, ENDED = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01.123456789Z", "2026-01-01T00:01:00.5Z"
JOB = {"name": "projects/1/locations/us-central1/tuningJobs/7", "createTime": CREATED, "startTime": STARTED}
STATES = ("QUEUED", "PENDING", "RUNNING", "UPDATING", "PAUSED", "SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED")
STATES += ("CANCELLING", "CANCELLED", "EXPIRED")


@pytest.mark.parametrize("time", [CREATED, "2026-01-01T00:00:00.9Z", "2026-01-01T00:00:00.123456789+00:00"])
def test_times_have_any_number_of_digits(time):
    assert vertex.seconds(time) == 1767225600


def test_a_batch_job_is_created_from_uris():
    call = batch_jobs.create(
        name="n",
        model="publishers/google/models/m",
        source="gs://b/in",
        target="gs://b/out",
        parameters={"a": 1},
        owner="k-alice",
    )
    assert (call.method, call.version, call.path) == ("POST", "v1", "batchPredictionJobs")
    assert call.body == {
        "displayName": "n",
        "model": "publishers/google/models/m",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://b/in"]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://b/out"}},
        "labels": {"vertex-compat-owner": "k-alice"},
        "modelParameters": {"a": 1},
    }


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_a_status(state):
    job = JOB | {"state": f"JOB_STATE_{state}", "updateTime": ENDED, "endTime": ENDED}
    assert batch_jobs.progress(job, 1)["status"] == batch_jobs.STATUS[f"JOB_STATE_{state}"]
    assert tuning_jobs.progress(job)["status"] == tuning_jobs.STATUS[f"JOB_STATE_{state}"]


@pytest.mark.parametrize(
    ("state", "stats", "counted"),
    [
        ("RUNNING", {}, (0, 0)),
        ("RUNNING", {"successfulCount": "3"}, (3, 0)),
        ("SUCCEEDED", {"successfulCount": "9", "failedCount": "1"}, (9, 1)),
        ("SUCCEEDED", {"failedCount": "10"}, (0, 10)),
        ("SUCCEEDED", {"successfulCount": "8", "incompleteCount": "2"}, (8, 2)),
        ("SUCCEEDED", {"successfulCount": "12"}, (10, 0)),
        ("SUCCEEDED", {}, (10, 0)),
        ("CANCELLED", {"successfulCount": "4", "incompleteCount": "6"}, (4, 0)),
    ],
)
def test_counts_are_strings_there_and_absent_when_zero(state, stats, counted):
    counts = batch_jobs.counts({"state": f"JOB_STATE_{state}", "completionStats": stats}, 10)
    assert counts == {"total": 10, "completed": counted[0], "failed": counted[1]}


@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"])
def test_the_time_of_the_end_is_under_its_status(end):
    progress = dict(batch_jobs.progress(JOB | {"state": f"JOB_STATE_{end}", "endTime": ENDED}, 1))
    assert progress[f"{progress['status']}_at"] == 1767225660
    assert progress["in_progress_at"] == 1767225601


def test_a_key_comes_back_in_either_spelling():
    gemini = batch_jobs.CODECS["chat", "google"]
    line = gemini.encode({"contents": [], "labels": {"team": "x"}}, "17")
    assert line == {"request": {"contents": [], "labels": {"team": "x", "vertex-compat-line": "17"}}}
    assert batch_jobs.decode_row(line | {"status": "", "response": {"candidates": []}}, gemini) == (
        "17",
        {"candidates": []},
        "",
    )
    for odd in ({}, {"request": None}, {"request": {}, "status": None, "response": None}):
        assert batch_jobs.decode_row(odd, gemini) == (None, {}, "")


def test_embedding_row_is_identified_by_its_request():
    texts = batch_jobs.CODECS["embeddings", "google"]
    params = {
        "instances": [{"content": "Hi", "task_type": "CLUSTERING"}],
        "parameters": {"outputDimensionality": 9},
    }
    line = texts.encode(params, "0")
    assert line == params["instances"][0]
    assert batch_jobs.parameters(params) == params["parameters"]
    echoed = {
        "instance": {"taskType": "CLUSTERING", "content": "Hi", "title": None},
        "predictions": [1],
        "status": "",
    }
    assert batch_jobs.decode_row(echoed, texts) == (texts.key(line), {"predictions": [1]}, "")
    assert texts.key(line) != texts.key({"content": "Hi"})


@pytest.mark.parametrize(
    ("detail", "status", "message"),
    [
        ('Bad Request: {"error": {"code": 429, "message": "Too much."}}', 429, "Too much."),
        ('{"type": "error", "error": {"type": "invalid_request_error", "message": "No."}}', 400, "No."),
        ("Something went wrong.", 400, "Something went wrong."),
        ("Odd {text", 400, "Odd {text"),
        ('Odd {"a": 1}', 400, 'Odd {"a": 1}'),
    ],
)  # fmt: skip
def test_error_of_a_row_is_read_from_its_status(detail, status, message):
    fault = _row_error(detail)
    assert (fault.status, fault.message) == (status, message)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, {}),
        (
            {"n_epochs": "auto", "learning_rate_multiplier": "auto", "adapter_size": "auto", "batch_size": 4},
            {},
        ),
        ({"n_epochs": 3, "learning_rate_multiplier": 0.1}, {"epochCount": 3, "learningRateMultiplier": 0.1}),
        ({"adapter_size": 16}, {"adapterSize": "ADAPTER_SIZE_SIXTEEN"}),
        ({"adapter_size": "ADAPTER_SIZE_ONE"}, {"adapterSize": "ADAPTER_SIZE_ONE"}),
    ],
)
def test_hyperparameters_are_renamed_and_auto_is_not_sent(params, expected):
    assert tuning_jobs.hyperparameters(params) == expected


def test_a_tuning_job_has_openai_s_fields():
    job = JOB | {
        "state": "JOB_STATE_SUCCEEDED",
        "endTime": ENDED,
        "baseModel": "gemini-3.8-flash",
        "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t", "hyperParameters": {"epochCount": "3"}},
        "tunedModel": {"endpoint": "projects/1/locations/us-central1/endpoints/9"},
        "tuningDataStats": {"supervisedTuningDataStats": {"totalBillableTokenCount": "12"}},
    }
    hyper = {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": "auto"}
    assert tuning_jobs.progress(job) == {
        "model": "gemini-3.8-flash",
        "created_at": 1767225600,
        "status": "succeeded",
        "finished_at": 1767225660,
        "fine_tuned_model": "gemini/projects/1/locations/us-central1/endpoints/9",
        "trained_tokens": 12,
        "error": None,
        "training_file": "gs://b/t",
        "validation_file": None,
        "hyperparameters": hyper,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyper}},
    }
