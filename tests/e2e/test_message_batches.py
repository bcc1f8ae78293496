"""`/v1/messages/batches`, from Anthropic's client to Vertex AI's jobs and back."""

import json

import anthropic
import pytest
from helpers.server import KEY, app_with_emulator

BUCKET = "message-batches-of-tests"
CLAUDE = "claude-opus-5-5"
GEMINI = "gemini-3.8-flash"
WEATHER = {
    "name": "get weather/now",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
each_model = pytest.mark.parametrize("model", [CLAUDE, GEMINI])


@pytest.fixture
def client(serve, storage):  # noqa: ARG001  (an empty one)
    served = serve(GCS_BUCKET_NAME=BUCKET, VERTEX_COMPAT_API_KEYS=KEY)
    with anthropic.Anthropic(base_url=served.url, api_key=KEY, max_retries=0) as opened:
        yield opened


@pytest.fixture
def local(emulator, storage):  # noqa: ARG001  (an empty one)
    def start(bucket=BUCKET, **env):
        env |= {"GCS_BUCKET_NAME": bucket} if bucket else {}
        return app_with_emulator(emulator, STORAGE_EMULATOR_HOST=emulator.host, **env)

    return start


def request(custom_id, text="Hello", /, model=CLAUDE, **params):
    params = {"model": model, "max_tokens": 500, "messages": [{"role": "user", "content": text}]} | params
    return {"custom_id": custom_id, "params": params}


def ended(client, batch):
    while batch.processing_status != "ended":
        batch = client.messages.batches.retrieve(batch.id)
    return batch


def results(client, batch):
    entries = list(client.messages.batches.results(batch.id))
    assert len({entry.custom_id for entry in entries}) == len(entries)
    return {entry.custom_id: entry.result for entry in entries}


def job_rows(storage):
    (name,) = [name for name in storage.names(BUCKET) if name.endswith("/requests.jsonl")]
    return [json.loads(line) for line in storage.read(f"gs://{BUCKET}/{name}").splitlines()]


@each_model
def test_every_message_finds_its_request(client, model):
    texts = {f"row-{n}": "the same" if n % 3 else f"number {n}" for n in range(12)}
    rows = [request(custom_id, text, model=model) for custom_id, text in texts.items()]
    batch = client.messages.batches.create(requests=rows)
    assert (batch.type, batch.processing_status) == ("message_batch", "in_progress")
    assert batch.request_counts.processing == 12
    assert (batch.results_url, batch.ended_at, batch.cancel_initiated_at) == (None, None, None)
    assert (batch.expires_at - batch.created_at).total_seconds() == 24 * 60 * 60
    batch = ended(client, batch)
    assert batch.request_counts.succeeded == 12
    assert batch.request_counts.processing == batch.request_counts.errored == 0
    assert batch.created_at <= batch.ended_at
    assert batch.results_url == f"{str(client.base_url).rstrip('/')}/v1/messages/batches/{batch.id}/results"
    results_by_id = results(client, batch)
    assert results_by_id.keys() == texts.keys()
    for custom_id, text in texts.items():
        message = results_by_id[custom_id].message
        (answer_text,) = [block.text for block in message.content if block.type == "text"]
        assert answer_text.startswith(f"You said: {text}")
        assert (message.type, message.model, message.stop_reason) == ("message", model, "end_turn")
        assert message.usage.output_tokens > 0


def test_claude_gets_requests_as_they_came(client, storage):
    params = {
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "adaptive"},
        "stream": False,
    }
    client.beta.messages.batches.create(
        requests=[request("a", **params), request("b", betas=["context-1m-2025-08-07"])],
        betas=["interleaved-thinking-2025-05-14"],
    )
    first, second = (row["request"] for row in job_rows(storage))
    assert first == {
        "system": params["system"],
        "thinking": params["thinking"],
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "Hello"}],
        "anthropic_version": "vertex-2023-10-16",
        "anthropic_beta": ["interleaved-thinking-2025-05-14"],
    }
    assert second["anthropic_beta"] == ["interleaved-thinking-2025-05-14", "context-1m-2025-08-07"]


@each_model
def test_tools_come_back_under_their_names(client, model):
    tools = [WEATHER] if model == GEMINI else [WEATHER | {"name": "get_weather"}]
    row = request("t", "use the tools", model=model, tools=tools)
    batch = ended(client, client.messages.batches.create(requests=[row]))
    message = results(client, batch)["t"].message
    assert message.stop_reason == "tool_use"
    assert [block.name for block in message.content if block.type == "tool_use"] == [tools[0]["name"]]


def test_thinking_is_returned_on_request_only(client):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    rows = [request("with", model=GEMINI, thinking=thinking, max_tokens=4000), request("out", model=GEMINI)]
    results_by_id = results(client, ended(client, client.messages.batches.create(requests=rows)))
    kinds = [[block.type for block in results_by_id[name].message.content] for name in ("with", "out")]
    assert (kinds[0][0], kinds[0][-1], kinds[1]) == ("thinking", "text", ["text"])


@each_model
def test_failed_requests_have_errors_of_anthropic(client, model):
    texts = {"good": "Hi", "bad": "emulator-status-429", "lost": "emulator-lost", "twice": "emulator-twice"}
    rows = [request(custom_id, text, model=model) for custom_id, text in texts.items()]
    batch = ended(client, client.messages.batches.create(requests=rows))
    assert sum(batch.request_counts.model_dump().values()) == 4
    results_by_id = results(client, batch)
    assert {custom_id: result.type for custom_id, result in results_by_id.items()} == {
        "good": "succeeded",
        "bad": "errored",
        "lost": "errored",
        "twice": "succeeded",
    }
    assert results_by_id["bad"].error.error.type == "rate_limit_error"
    assert results_by_id["lost"].error.error.type == "api_error"
    assert "no response" in results_by_id["lost"].error.error.message


def test_results_are_the_same_each_time(client):
    rows = [request("a", model=GEMINI), request("b", "emulator-status-400", model=GEMINI)]
    batch = ended(client, client.messages.batches.create(requests=rows))
    assert results(client, batch) == results(client, batch)


def test_canceled_batch_keeps_what_was_answered(client):
    batch = client.messages.batches.create(requests=[request(f"r{n}") for n in range(4)])
    batch = client.messages.batches.cancel(batch.id)
    initiated = batch.cancel_initiated_at
    assert initiated is not None
    batch = ended(client, batch)
    assert batch.cancel_initiated_at == initiated
    counts = batch.request_counts
    assert (counts.succeeded, counts.canceled) == (2, 2)
    kinds = sorted(result.type for result in results(client, batch).values())
    assert kinds == ["canceled", "canceled", "succeeded", "succeeded"]
    with pytest.raises(anthropic.BadRequestError, match="ended"):
        client.messages.batches.cancel(batch.id)


def test_expired_requests_are_results(client):
    rows = [request(f"r{n}", model="gemini-emulator-job-expired") for n in range(4)]
    batch = ended(client, client.messages.batches.create(requests=rows))
    assert (batch.request_counts.succeeded, batch.request_counts.expired) == (2, 2)
    kinds = sorted(result.type for result in results(client, batch).values())
    assert kinds == ["expired", "expired", "succeeded", "succeeded"]


def test_failed_job_errors_every_request_with_its_reason(client):
    batch = client.messages.batches.create(requests=[request("a", model="gemini-emulator-job-failed")])
    batch = ended(client, batch)
    assert batch.request_counts.errored == 1
    error = results(client, batch)["a"].error.error
    assert (error.type, error.message) == ("api_error", "The input could not be read.")


def test_deleted_batch_leaves_nothing_in_the_bucket(client, storage):
    batch = client.messages.batches.create(requests=[request("a")])
    with pytest.raises(anthropic.BadRequestError, match="not ended"):
        client.messages.batches.delete(batch.id)
    ended(client, batch)
    deleted = client.messages.batches.delete(batch.id)
    assert (deleted.id, deleted.type) == (batch.id, "message_batch_deleted")
    assert storage.names(BUCKET) == []
    for call in (client.messages.batches.retrieve, client.messages.batches.delete):
        with pytest.raises(anthropic.NotFoundError):
            call(batch.id)


def test_batches_are_listed_in_pages_both_ways(client):
    ids = [client.messages.batches.create(requests=[request("a")]).id for _ in range(5)][::-1]
    listed = [batch.id for batch in client.messages.batches.list(limit=2)]
    assert sorted(listed) == sorted(ids)
    page = client.messages.batches.list(limit=2, before_id=listed[3])
    assert ([batch.id for batch in page.data], page.has_more) == (listed[1:3], True)
    page = client.messages.batches.list(limit=1000, before_id=listed[3])
    assert ([batch.id for batch in page.data], page.has_more) == (listed[:3], False)
    with pytest.raises(anthropic.BadRequestError, match="limit"):
        client.messages.batches.list(limit=1001)


def test_openai_batches_and_message_batches_are_apart(local):
    app = local()
    batch = app.post("/v1/messages/batches", json={"requests": [request("a")]}).json
    assert app.get("/v1/batches").json["data"] == []
    assert app.get(f"/v1/batches/{batch['id']}").status_code == 404
    assert app.get("/v1/messages/batches/batch_x").status_code == 404


def test_results_before_the_end_are_not_found(local):
    app = local()
    id_ = app.post("/v1/messages/batches", json={"requests": [request("a")]}).json["id"]
    answer = app.get(f"/v1/messages/batches/{id_}/results")
    assert (answer.status_code, answer.json["error"]["type"]) == (404, "not_found_error")
    assert "processing_status" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("rows", "status", "message"),
    [
        ([], 400, "requests"),
        ([request("a"), request("a")], 400, "requests[1].custom_id"),
        ([request("not valid!")], 400, "requests[0].custom_id"),
        ([request("a"), request("b", model=GEMINI)], 400, "requests[1].params.model"),
        ([request("a", model="mistral-medium-3")], 400, "requests[0].params.model"),
        ([request("a", model="nobody")], 404, "requests[0].params.model"),
        ([request("a", stream=True)], 400, "requests[0].params.stream"),
        ([request("a", model=GEMINI, temperature="hot")], 400, "requests[0].params.temperature"),
        (
            [request("a", model=GEMINI, tools=[WEATHER], tool_choice={"type": "tool", "name": "x"})],
            400,
            "requests[0].params.tool_choice.name",
        ),
        ([{"custom_id": "a"}], 400, "requests[0].params"),
        ([{"custom_id": "a", "params": {"max_tokens": 5}}], 400, "requests[0].params.model"),
        ([request("a", tools=3, messages=5)], 200, ""),
    ],
)
def test_bad_request_is_refused_and_starts_nothing(local, emulator, storage, rows, status, message):
    answer = local().post("/v1/messages/batches", json={"requests": rows})
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.json["type"] == "error"
        assert message in answer.json["error"]["message"]
        assert not [call for call in emulator.calls if "batchPredictionJobs" in call.path]
        assert storage.names(BUCKET) == []


def test_ignored_parameters_are_named(local):
    rows = [request("a", model=GEMINI, container="x"), request("b", model=GEMINI, service_tier="auto")]
    answer = local().post("/v1/messages/batches", json={"requests": rows, "user_profile_id": "u"})
    assert answer.headers["x-vertex-compat-ignored"] == "container, service_tier, user_profile_id"


def test_betas_that_vertex_may_refuse_are_left_out(local, storage):
    headers = {"anthropic-beta": "message-batches-2024-09-24,unknown-2030-01-01"}
    answer = local().post("/v1/messages/batches", json={"requests": [request("a")]}, headers=headers)
    assert answer.headers["x-vertex-compat-ignored"] == "anthropic_beta"
    assert "anthropic_beta" not in job_rows(storage)[0]["request"]


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({}, "http://localhost/v1/messages/batches/"),
        ({"X-Forwarded-Proto": "https"}, "https://localhost/v1/messages/batches/"),
        (
            {"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "ai.example.com"},
            "https://ai.example.com/v1/messages/batches/",
        ),
        ({"X-Forwarded-Host": "a b"}, "/v1/messages/batches/"),
    ],
)
def test_results_url_is_the_one_the_client_reaches(local, headers, url):
    app = local()
    id_ = app.post("/v1/messages/batches", json={"requests": [request("a")]}).json["id"]
    states = [app.get(f"/v1/messages/batches/{id_}", headers=headers).json for _ in range(3)]
    assert states[-1]["results_url"] == f"{url}{id_}/results"


def test_without_a_bucket_the_setting_is_named(local):
    app = local(bucket="")
    for answer in (
        app.post("/v1/messages/batches", json={"requests": [request("a")]}),
        app.get("/v1/messages/batches"),
    ):
        assert answer.status_code == 400
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert "GCS_BUCKET_NAME" in answer.json["error"]["message"]


def test_job_that_cannot_be_started_leaves_nothing(local, storage):
    rows = [request("a", model="gemini-nonexistent")]
    answer = local().post("/v1/messages/batches", json={"requests": rows})
    assert (answer.status_code, answer.json["error"]["type"]) == (404, "not_found_error")
    assert storage.names(BUCKET) == []


def test_code_that_gemini_runs_is_blocks_in_results(client):
    tools = [{"type": "code_execution_20250825", "name": "code_execution"}]
    batch = client.messages.batches.create(requests=[request("a", model=GEMINI, tools=tools)])
    content = results(client, ended(client, batch))["a"].message.content
    kinds = [block.type for block in content]
    assert kinds == ["server_tool_use", "code_execution_tool_result", "text"]
    assert content[0].input == {"code": "print(6 * 7)\n"}
