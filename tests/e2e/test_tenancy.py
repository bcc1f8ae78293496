"""One API key reaches its own files, batches and jobs, and the resources that it may name."""

import json
import tomllib

import pytest
from helpers.server import app_with_emulator

from vertex_compat import routes
from vertex_compat.ids import IdSigner
from vertex_compat.routing import rules

BUCKET = "files-of-tests"
SECRET = "a secret of sixteen characters"
KEYS = "alice:alice-0123456789abc,bob:bob-0123456789abcdef"
ALICE = {"Authorization": "Bearer alice-0123456789abc"}
BOB = {"Authorization": "Bearer bob-0123456789abcdef"}
FORM = "multipart/form-data; boundary=B"
MODEL = "gemini-3.8-flash"
CHAT = "/v1/chat/completions"


@pytest.fixture
def start(emulator, storage, tmp_path):  # noqa: ARG001  (an empty storage)
    """`start("settings in TOML")` is the function with two keys and a bucket."""

    def app(settings="", **env):
        path = tmp_path / "vertex_compat.toml"
        path.write_text(settings)
        names = {"GCS_BUCKET_NAME": BUCKET, "VERTEX_COMPAT_API_KEYS": KEYS, "VERTEX_COMPAT_SECRET": SECRET}
        names |= {"VERTEX_COMPAT_CONFIG": str(path), "STORAGE_EMULATOR_HOST": emulator.host}
        return app_with_emulator(emulator, **(names | env))

    return app


def upload(app, data, headers, purpose="batch"):
    body = b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n' + purpose.encode()
    body += b'\r\n--B\r\nContent-Disposition: form-data; name="file"; filename="x.jsonl"\r\n\r\n'
    answer = app.post("/v1/files", data=body + data + b"\r\n--B--\r\n", content_type=FORM, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json["id"]


def line(model=MODEL):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    return json.dumps({"custom_id": "a", "method": "POST", "url": CHAT, "body": body}).encode()


def new_batch(app, file_id, headers):
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    return app.post("/v1/batches", json=body, headers=headers)


def new_job(app, headers, file="gs://public/train.jsonl"):
    body = {"model": "gemini-3.8-flash", "training_file": file}
    return app.post("/v1/fine_tuning/jobs", json=body, headers=headers)


def ask(app, headers=ALICE, **fields):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]} | fields
    return app.post(CHAT, json=body, headers=headers)


def with_file(uri):
    return [{"role": "user", "content": [{"type": "file", "file": {"file_id": uri, "format": "text/plain"}}]}]


# Owners


def test_a_file_is_its_owners_alone(start, storage):
    app = start()
    file_id = upload(app, b"secret of alice", ALICE)
    (name,) = storage.names(BUCKET)
    assert name.startswith("vertex_compat/k-alice/files/")
    assert app.get(f"/v1/files/{file_id}/content", headers=ALICE).data == b"secret of alice"
    for reference in (file_id, f"gs://{BUCKET}/{name}"):
        for answer in (
            app.get(f"/v1/files/{reference}", headers=BOB),
            app.get(f"/v1/files/{reference}/content", headers=BOB),
            app.delete(f"/v1/files/{reference}", headers=BOB),
            new_batch(app, reference, BOB),
            new_job(app, BOB, reference),
        ):
            assert answer.status_code == 404, answer.text
        answer = ask(app, BOB, messages=with_file(reference))
        assert answer.status_code in {400, 403}, answer.text
        assert answer.json["error"]["param"].startswith("messages[0].content[0]")
    assert app.get("/v1/files", headers=BOB).json["data"] == []
    assert [file["id"] for file in app.get("/v1/files", headers=ALICE).json["data"]] == [file_id]
    assert ask(app, ALICE, messages=with_file(file_id)).status_code == 200
    assert storage.names(BUCKET) == [name]


def test_a_batch_and_its_results_are_its_owners_alone(start, emulator):
    app = start()
    batch_body = new_batch(app, upload(app, line(), ALICE), ALICE).json
    for _ in range(4):
        batch = app.get(f"/v1/batches/{batch_body['id']}", headers=ALICE).json
    assert batch["status"] == "completed"
    (job,) = [call.json for call in emulator.calls if call.path.endswith("batchPredictionJobs")]
    assert job["labels"] == {"vertex-compat-owner": "k-alice"}
    for answer in (
        app.get(f"/v1/batches/{batch_body['id']}", headers=BOB),
        app.post(f"/v1/batches/{batch_body['id']}/cancel", headers=BOB),
        app.get(f"/v1/files/{batch['output_file_id']}", headers=BOB),
        app.get(f"/v1/files/{batch['output_file_id']}/content", headers=BOB),
    ):
        assert answer.status_code == 404
    assert app.get("/v1/batches", headers=BOB).json["data"] == []
    assert app.get(f"/v1/files/{batch['output_file_id']}/content", headers=ALICE).status_code == 200


def test_a_message_batch_is_its_owners_alone(start, emulator):
    app = start(f"[keys.bob]\nmodels = ['{MODEL}']\noperations = ['batches']")
    url = "/v1/messages/batches"
    params = {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}
    batch = app.post(url, json={"requests": [{"custom_id": "a", "params": params}]}, headers=ALICE).json
    (job,) = [call.json for call in emulator.calls if call.path.endswith("batchPredictionJobs")]
    assert job["labels"] == {"vertex-compat-owner": "k-alice"}
    batch_url = f"{url}/{batch['id']}"
    for answer in (
        app.get(batch_url, headers=BOB),
        app.post(f"{batch_url}/cancel", headers=BOB),
        app.get(f"{batch_url}/results", headers=BOB),
        app.delete(batch_url, headers=BOB),
    ):
        assert answer.status_code == 404
    assert app.get(url, headers=BOB).json["data"] == []
    assert len(app.get(url, headers=ALICE).json["data"]) == 1
    params["model"] = "claude-opus-5-5"
    refused = app.post(url, json={"requests": [{"custom_id": "a", "params": params}]}, headers=BOB)
    assert (refused.status_code, refused.json["type"]) == (403, "error")


def test_a_tuning_job_is_its_owners_alone(start, emulator):
    app = start()
    job_id = new_job(app, ALICE).json["id"]
    emulator.forget_calls()
    for path in ("", "/events", "/checkpoints"):
        assert app.get(f"/v1/fine_tuning/jobs/{job_id}{path}", headers=BOB).status_code == 404
    assert app.post(f"/v1/fine_tuning/jobs/{job_id}/cancel", headers=BOB).status_code == 404
    assert not [call for call in emulator.calls if call.path.endswith(":cancel")]
    assert app.get("/v1/fine_tuning/jobs", headers=BOB).json["data"] == []
    assert [job["id"] for job in app.get("/v1/fine_tuning/jobs", headers=ALICE).json["data"]] == [job_id]
    other = new_job(app, ALICE).json["id"]
    assert app.post(f"/v1/fine_tuning/jobs/{other}/cancel", headers=ALICE).status_code == 200


def test_job_of_another_program_is_not_found(start, emulator):
    app = start()
    job_id = new_job(app, ALICE).json["id"]
    (job,) = [job for job in emulator.app.cloud.tuning.jobs._jobs.values() if "labels" in job.resource][-1:]
    del job.resource["labels"]
    assert app.post(f"/v1/fine_tuning/jobs/{job_id}/cancel", headers=ALICE).status_code == 404


def test_a_forged_job_id_calls_nothing(start, emulator):
    app = start()
    forged = IdSigner("another secret, guessed").encode("ftjob-", "us-central1/7000000000000000001")
    assert app.post(f"/v1/fine_tuning/jobs/{forged}/cancel", headers=ALICE).status_code == 404
    assert not emulator.calls


def test_keys_share_files_if_the_settings_allow_it(start):
    app = start("shared_files = true")
    file_id = upload(app, b"x", ALICE)
    assert app.get(f"/v1/files/{file_id}", headers=BOB).status_code == 200
    job_id = new_job(app, ALICE).json["id"]
    assert app.get(f"/v1/fine_tuning/jobs/{job_id}", headers=BOB).status_code == 200


# Operations


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/batches", "batches"),
        ("/v1/messages/batches", "batches"),
        ("/v1/fine_tuning/jobs", "fine_tuning"),
    ],
)
def test_a_key_with_a_rule_has_no_jobs_by_default(start, path, name):
    app = start("[keys.bob]\nmodels = ['gemini-*']")
    answer = app.get(path, headers=BOB)
    assert answer.status_code == 403
    assert name in answer.json["error"]["message"]
    assert app.get(path, headers=ALICE).status_code == 200
    assert ask(app, BOB).status_code == 200


def test_a_key_has_the_operations_of_its_rule_only(start):
    app = start("[keys.bob]\noperations = ['embeddings', 'batches']")
    assert app.get("/v1/batches", headers=BOB).status_code == 200
    assert app.get("/v1/models", headers=BOB).status_code == 403
    assert ask(app, BOB).status_code == 403
    assert (
        app.post(
            f"/vertex-ai/v1/publishers/google/models/{MODEL}:generateContent", json={}, headers=BOB
        ).status_code
        == 403
    )


def test_every_operation_has_a_name_for_rules():
    public = {"", "openapi.json", "root"}
    names = {routes.operation_name(operation, path) for (_, path), operation in routes.TABLE.items()}
    assert names - public == rules.OPERATIONS


def test_an_unknown_operation_stops_the_start():
    with pytest.raises(rules.ConfigError, match="'telepathy' is not one of"):
        rules.parse(tomllib.loads("[keys.bob]\noperations = ['telepathy']"))


# Resources in bodies


def vertex_body(part):
    return {"contents": [{"role": "user", "parts": [part]}]}


def native(app, body, headers=ALICE, model=MODEL):
    path = f"/vertex-ai/v1/publishers/google/models/{model}:generateContent"
    return app.post(path, json=body, headers=headers)


@pytest.mark.parametrize(
    "uri",
    [
        f"gs://{BUCKET}/vertex_compat/k-alice/files/x",
        f"gs://{BUCKET}/vertex_compat/shared/files/x",
        f"gs://{BUCKET}/private/x",
        f"https://storage.googleapis.com/{BUCKET}/private/x",
        f"https://{BUCKET}.storage.googleapis.com/private/x",
    ],
)
def test_only_own_objects_of_the_bucket_can_be_named(start, emulator, uri):
    app = start()
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]
    answer = ask(app, BOB, messages=messages)
    assert answer.status_code == 403, answer.text
    assert answer.json["error"]["param"] == "messages[0].content[0].image_url.url"
    answer = native(app, vertex_body({"fileData": {"mimeType": "image/png", "fileUri": uri}}), BOB)
    assert answer.status_code == 403
    assert not emulator.calls


def test_uris_in_job_files_obey_the_rules_of_requests(start, emulator):
    app = start()
    uri = f"gs://{BUCKET}/vertex_compat/k-alice/files/x.png"
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}}]}]
    row = {"custom_id": "a", "method": "POST", "url": CHAT, "body": {"model": MODEL, "messages": messages}}
    batch = new_batch(app, upload(app, json.dumps(row).encode(), BOB), BOB).json
    assert batch["status"] == "failed"
    assert uri in batch["errors"]["data"][0]["message"]
    vertex = vertex_body({"fileData": {"mimeType": "image/png", "fileUri": uri}})
    openai = {"messages": [*messages, {"role": "assistant", "content": "x"}]}
    for example in (vertex, openai):
        answer = new_job(app, BOB, upload(app, json.dumps(example).encode(), BOB, "fine-tune"))
        assert (answer.status_code, answer.json["error"]["param"]) == (400, "training_file")
    assert not [call for call in emulator.calls if call.path.endswith("Jobs")]


def test_shared_prefixes_can_be_named_by_all(start):
    app = start("shared_prefixes = ['public/']")
    assert ask(app, BOB, messages=with_file(f"gs://{BUCKET}/public/a.pdf")).status_code == 200
    assert ask(app, BOB, messages=with_file(f"gs://{BUCKET}/private/a.pdf")).status_code == 403


def test_other_buckets_are_open_until_allow_gcs_lists_some(start):
    assert ask(start(), messages=with_file("gs://elsewhere/a.pdf")).status_code == 200
    app = start("allow_gcs = ['gs://open/docs/*']")
    assert ask(app, messages=with_file("gs://open/docs/a.pdf")).status_code == 200
    answer = ask(app, messages=with_file("gs://elsewhere/a.pdf"))
    assert (answer.status_code, answer.json["error"]["param"]) == (403, "messages[0].content[0].file.file_id")
    answer = new_job(app, ALICE, "gs://elsewhere/train.jsonl")
    assert (answer.status_code, answer.json["error"]["param"]) == (403, "training_file")


RESOURCES = [
    {"cachedContent": "projects/other-project/locations/us-central1/cachedContents/1"},
    {
        "tools": [
            {
                "retrieval": {
                    "vertexRagStore": {
                        "ragResources": [
                            {"ragCorpus": "projects/other-project/locations/us-central1/ragCorpora/1"}
                        ]
                    }
                }
            }
        ]
    },
    {
        "tools": [
            {
                "retrieval": {
                    "vertexAiSearch": {
                        "datastore": "projects/other-project/locations/global/collections/c/dataStores/d"
                    }
                }
            }
        ]
    },
    {"modelArmorConfig": {"promptTemplateName": "projects/other-project/locations/us-central1/templates/t"}},
    {
        "tools": [
            {
                "retrieval": {
                    "externalApi": {
                        "apiAuth": {
                            "apiKeyConfig": {
                                "apiKeySecretVersion": "projects/emulated-project/secrets/s/versions/1"
                            }
                        }
                    }
                }
            }
        ]
    },
]


@pytest.mark.parametrize("fields", RESOURCES)
def test_resources_of_other_projects_are_refused(start, emulator, fields):
    answer = native(start(), vertex_body({"text": "Hi"}) | fields)
    assert answer.status_code == 403, answer.text
    assert not emulator.calls


def test_allow_projects_admits_another_project(start):
    name = "projects/other-project/locations/us-central1/cachedContents/1"
    answer = ask(start(), google={"cached_content": name})
    assert answer.status_code == 403
    assert "allow_projects" in answer.json["error"]["message"]
    assert (
        ask(start("allow_projects = ['other-project']"), google={"cached_content": name}).status_code != 403
    )


def test_resource_names_in_texts_and_arguments_are_not_read(start):
    text = "projects/other-project/locations/x/y gs://files-of-tests/private/x"
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"model": text})},
    }
    messages = [
        {"role": "user", "content": "gs://files-of-tests/private/x"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": json.dumps({"model": "claude-opus-5", "uri": text}),
        },
    ]
    assert ask(start("[keys.alice]\nmodels = ['gemini-*']"), messages=messages).status_code == 200


def test_a_model_in_a_body_is_one_that_the_key_may_use(start):
    app = start("[keys.bob]\nmodels = ['gemini-3.8-*']")
    for body in (
        {"routingConfig": {"manualMode": {"modelName": "gemini-4-argon"}}},
        {"routing_config": {"manual_mode": {"model_name": "gemini-4-argon"}}},
    ):
        answer = native(app, vertex_body({"text": "Hi"}) | {"generationConfig": body}, BOB)
        assert answer.status_code == 403, answer.text


def test_a_key_that_occurs_twice_is_refused(start, emulator):
    content = b'{"contents": [], "routingConfig": {"a": 1}, "routingConfig": {"b": 2}}'
    path = f"/vertex-ai/v1/publishers/google/models/{MODEL}:generateContent"
    answer = start().post(path, data=content, content_type="application/json", headers=ALICE)
    assert answer.status_code == 400
    assert not emulator.calls


# Locations


def test_endpoint_in_another_location_is_refused(start, emulator):
    app = start(GOOGLE_CLOUD_LOCATION="eu")
    name = "projects/emulated-project/locations/us-central1/endpoints/123"
    answer = ask(app, model=name)
    assert (answer.status_code, answer.json["error"]["param"]) == (403, "model")
    assert not emulator.calls


def test_resource_in_another_location_is_refused(start, emulator):
    name = "projects/emulated-project/locations/us-central1/cachedContents/1"
    fields = vertex_body({"text": "Hi"}) | {"cachedContent": name}
    assert native(start(GOOGLE_CLOUD_LOCATION="eu"), fields).status_code == 403
    assert not emulator.calls
    app = start("allow_locations = ['us-central1']", GOOGLE_CLOUD_LOCATION="eu")
    assert native(app, fields).status_code != 403


def test_job_in_another_location_is_refused(start, emulator):
    job_id = IdSigner(SECRET).encode("ftjob-", "us-central1/7000000000000000001")
    answer = start(GOOGLE_CLOUD_LOCATION="europe-west4").get(f"/v1/fine_tuning/jobs/{job_id}", headers=ALICE)
    assert answer.status_code == 403
    assert not emulator.calls


# Enforced settings, debug

ENFORCED = """
[[enforced_safety_settings]]
category = "HARM_CATEGORY_HARASSMENT"
threshold = "BLOCK_LOW_AND_ABOVE"

[enforced_labels]
team = "search"
"""


def test_enforced_settings_replace_the_clients(start, emulator):
    app = start(ENFORCED)
    off = {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}
    other = {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "OFF"}
    labels = {"team": "mine", "x": "y"}
    assert ask(app, safety_settings=[off, other], labels=labels).status_code == 200
    fields = vertex_body({"text": "Hi"}) | {"safetySettings": [off, other], "labels": labels}
    assert native(app, fields).status_code == 200
    for call in emulator.calls:
        enforced = {"category": off["category"], "threshold": "BLOCK_LOW_AND_ABOVE"}
        assert call.json["safetySettings"] == [enforced, other]
        assert call.json["labels"] == {"team": "search", "x": "y"}
    assert len(emulator.calls) == 2


def test_debug_is_a_right_of_a_key(start):
    headers = {"x-vertex-compat-debug": "request"}
    app = start("[keys.alice]\ndebug = true\n[keys.bob]", K_SERVICE="vertex-compat")
    assert ask(app, ALICE | headers).status_code == 200
    answer = ask(app, BOB | headers)
    assert answer.status_code == 403
    assert BUCKET not in answer.text
