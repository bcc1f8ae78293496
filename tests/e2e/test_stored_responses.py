"""Responses and conversations with a memory, through OpenAI's SDK and its Agents SDK."""

import asyncio
import json

import agents
import openai
import pytest
from helpers.server import app_with_emulator

BUCKET = "memory-of-tests"
MODEL = "gemini-3.8-flash"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(params=["bucket", "memory"])
def front(request, serve, storage):  # noqa: ARG001  (an empty storage)
    return serve(GCS_BUCKET_NAME=BUCKET, VERTEX_COMPAT_STORE=request.param)


@pytest.fixture
def client(front):
    with front.client() as opened:
        yield opened


@pytest.fixture
def start(emulator, storage):  # noqa: ARG001  (an empty storage)
    """`start()` is the function in this process, with a bucket."""

    def app(bucket=BUCKET, **env):
        return app_with_emulator(emulator, GCS_BUCKET_NAME=bucket, STORAGE_EMULATOR_HOST=emulator.host, **env)

    return app


def create(app, body, headers=None):
    """Return the answer after its connection is closed, when the response is stored."""
    return app.post("/v1/responses", json=body, headers=headers, buffered=True)


def texts(call):
    """The texts that were sent to Gemini, in their order."""
    contents = call.json["contents"]
    return [part.get("text") for content in contents for part in content["parts"]]


def model_calls(emulator):
    return [call for call in emulator.calls if "Content" in call.path]


# Chains


@pytest.mark.parametrize("stream", [False, True])
def test_a_chain_remembers_its_items(client, emulator, stream):
    def create(**fields):
        if not stream:
            return client.responses.create(model=MODEL, **fields)
        with client.responses.stream(model=MODEL, **fields) as events:
            for _ in events:
                pass
            return events.get_final_response()

    first = create(input="My name is Alice.", instructions="Be brief.")
    second = create(input="And I am ten.", previous_response_id=first.id)
    emulator.forget_calls()
    third = create(input="Who am I?", previous_response_id=second.id)
    (call,) = model_calls(emulator)
    answers = [first.output_text, second.output_text]
    assert texts(call) == ["My name is Alice.", answers[0], "And I am ten.", answers[1], "Who am I?"]
    assert "systemInstruction" not in call.json
    assert third.previous_response_id == second.id
    assert third.id.startswith("resp_")
    assert third.model_dump()["store"] is True


@pytest.mark.parametrize("model", [MODEL, "claude-sonnet-5-5", "mistral-medium-3"])
def test_a_tool_loop_sends_only_new_items(client, model):
    response = client.responses.create(model=model, input="Use the tool get_weather.", tools=[WEATHER])
    calls = [item for item in response.output if item.type == "function_call"]
    assert calls
    results = [{"type": "function_call_output", "call_id": c.call_id, "output": "sunny"} for c in calls]
    response = client.responses.create(
        model=model, input=results, tools=[WEATHER], previous_response_id=response.id
    )
    assert "sunny" in response.output_text


def test_the_model_can_change_between_turns(client):
    response = client.responses.create(model=MODEL, input="Use the tool get_weather.", tools=[WEATHER])
    calls = [item for item in response.output if item.type == "function_call"]
    results = [{"type": "function_call_output", "call_id": c.call_id, "output": "sunny"} for c in calls]
    response = client.responses.create(
        model="claude-sonnet-5-5", input=results, tools=[WEATHER], previous_response_id=response.id
    )
    assert "sunny" in response.output_text


def test_two_turns_on_one_parent_are_both_valid(client, emulator):
    root = client.responses.create(model=MODEL, input="Root")
    first = client.responses.create(model=MODEL, input="Left", previous_response_id=root.id)
    right = client.responses.create(model=MODEL, input="Right", previous_response_id=root.id)
    for branch, word in ((first, "Left"), (right, "Right")):
        emulator.forget_calls()
        client.responses.create(model=MODEL, input="Leaf", previous_response_id=branch.id)
        assert [text for text in texts(model_calls(emulator)[0]) if text in {"Left", "Right"}] == [word]


def test_a_stored_response_is_read_listed_and_deleted(client):
    response = client.responses.create(model=MODEL, input="Hello", metadata={"a": "b"})
    read = client.responses.retrieve(response.id)
    assert read == response
    (item,) = client.responses.input_items.list(response.id).data
    assert (item.role, item.content[0].text) == ("user", "Hello")
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(response.id)
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=MODEL, input="Hello", previous_response_id=response.id)
    assert (refused.value.param, refused.value.code) == (
        "previous_response_id",
        "previous_response_not_found",
    )


def test_input_items_are_listed_in_pages(client):
    first = client.responses.create(model=MODEL, input="One")
    second = client.responses.create(
        model=MODEL, input=[{"role": "user", "content": "Two"}], previous_response_id=first.id
    )
    items = list(client.responses.input_items.list(second.id, limit=1, order="asc"))
    assert [item.content[0].text for item in items if item.type == "message"] == [
        "One",
        first.output_text,
        "Two",
    ]
    latest = client.responses.input_items.list(second.id, limit=1).data
    assert latest[0].content[0].text == "Two"


def test_a_stored_response_is_streamed_again(client):
    response = client.responses.create(model=MODEL, input="Hello")
    events = list(client.responses.retrieve(response.id, stream=True))
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == response.output_text
    following = list(client.responses.retrieve(response.id, stream=True, starting_after=1))
    assert [event.sequence_number for event in following] == [event.sequence_number for event in events[2:]]


def test_an_item_reference_is_resolved(client, emulator):
    first = client.responses.create(model=MODEL, input="My name is Alice.")
    references = [{"type": "item_reference", "id": item.id} for item in first.output]
    emulator.forget_calls()
    client.responses.create(model=MODEL, input=[*references, {"role": "user", "content": "Who am I?"}])
    assert texts(model_calls(emulator)[0])[-2:] == [first.output_text, "Who am I?"]
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model=MODEL, input=[{"type": "item_reference", "id": "msg_1"}])
    assert refused.value.param == "input[0]"


def test_store_false_leaves_no_byte(start, storage):
    app = start()
    response = create(app, {"model": MODEL, "input": "Hello", "store": False}).json
    assert response["store"] is False
    assert not storage.names(BUCKET)
    assert app.get(f"/v1/responses/{response['id']}").status_code == 404


def test_an_input_is_needed_without_earlier_items(start):
    answer = create(start(), {"model": MODEL})
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "input")


def test_previous_response_and_conversation_exclude_each_other(start):
    body = {"model": MODEL, "input": "x", "previous_response_id": "resp_1", "conversation": "conv_1"}
    assert create(start(), body).status_code == 400


# Storage


def test_a_turn_is_one_write_with_an_opaque_name(start, emulator, storage):
    app = start()
    create(app, {"model": MODEL, "input": "secret words"})
    writes = [call for call in emulator.calls if call.method in {"POST", "PUT"} and "/storage/" in call.path]
    assert len(writes) == 1
    (name,) = storage.names(BUCKET)
    assert name.startswith("vertex_compat/shared/responses/")
    assert "secret" not in name
    (stored,) = storage.objects[BUCKET].values()
    assert stored.custom_time  # a lifecycle rule deletes it


def test_a_long_chain_is_read_in_three_reads(start, emulator, storage):
    app = start()
    response = {"id": None}
    for turn in range(131):
        body = {"model": MODEL, "input": f"turn {turn}"}
        body |= {"previous_response_id": response["id"]} if response["id"] else {}
        emulator.forget_calls()
        response = create(app, body).json
        reads = [call for call in emulator.calls if call.method == "GET" and "/storage/" in call.path]
        assert len(reads) <= 3, turn
    assert [text for text in texts(model_calls(emulator)[0]) if text.startswith("turn ")] == [
        f"turn {turn}" for turn in range(131)
    ]
    sizes = sorted(len(stored.data) for stored in storage.objects[BUCKET].values())
    assert sizes[len(sizes) // 2] < sizes[-1] / 8


def test_two_instances_share_one_bucket(start):
    first, other = start(), start()
    response = create(first, {"model": MODEL, "input": "Hello"}).json
    assert other.get(f"/v1/responses/{response['id']}").json == response
    body = {"model": MODEL, "input": "Again", "previous_response_id": response["id"]}
    assert create(other, body).status_code == 200


def test_stored_responses_are_their_key_s_alone(start):
    keys = {"VERTEX_COMPAT_API_KEYS": "alice:alice-0123456789abc,bob:bob-0123456789abcdef"}
    app = start(VERTEX_COMPAT_SECRET="a secret of sixteen characters", **keys)
    alice, bob = (
        {"Authorization": f"Bearer {key}"} for key in ("alice-0123456789abc", "bob-0123456789abcdef")
    )
    response = create(app, {"model": MODEL, "input": "Hello"}, headers=alice).json
    talk = app.post("/v1/conversations", json={}, headers=alice).json
    assert app.get(f"/v1/responses/{response['id']}", headers=alice).status_code == 200
    assert app.get(f"/v1/responses/{response['id']}", headers=bob).status_code == 404
    assert app.delete(f"/v1/responses/{response['id']}", headers=bob).status_code == 404
    assert app.get(f"/v1/conversations/{talk['id']}", headers=bob).status_code == 404


def test_a_bucket_that_is_away_costs_no_response(start):
    app = start("emulator-denied")
    response = create(app, {"model": MODEL, "input": "Hello"})
    assert response.status_code == 200
    again = create(app, {"model": MODEL, "input": "Hello"})
    assert again.headers["x-vertex-compat-store"] == "failing"
    body = {"model": MODEL, "input": "Hello", "previous_response_id": response.json["id"]}
    assert create(app, body).status_code == 403


def test_a_write_that_fails_once_is_tried_again(start, storage):
    app = start("emulator-flaky", VERTEX_COMPAT_RETRIES="1")
    for _ in range(3):
        response = create(app, {"model": MODEL, "input": "Hello"}).json
        assert app.get(f"/v1/responses/{response['id']}").json == response
    assert len(storage.names("emulator-flaky")) == 3


def test_without_a_store_the_setting_is_named(emulator):
    app = app_with_emulator(emulator)
    response = create(app, {"model": MODEL, "input": "Hello", "store": True})
    assert response.json["store"] is False
    assert "store" in response.headers["x-vertex-compat-ignored"]
    for name in ("previous_response_id", "conversation"):
        answer = create(app, {"model": MODEL, "input": "Hello", name: "x_1"})
        assert (answer.status_code, answer.json["error"]["param"]) == (400, name)
        assert "GCS_BUCKET_NAME" in answer.json["error"]["message"]


TOO_LONG = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "prompt is too long: 200001 tokens > 200000 maximum",
    },
}


@pytest.mark.parametrize("truncation", ["disabled", "auto"])
def test_truncation_auto_drops_the_oldest_turns(start, emulator, truncation):
    app = start(VERTEX_COMPAT_STORE="memory")
    response = {"id": None}
    for word in ("first", "second", "third"):
        body = {"model": "claude-sonnet-5-5", "input": word, "truncation": truncation}
        body |= {"previous_response_id": response["id"]} if response["id"] else {}
        if word == "third":
            emulator.forget_calls()
            emulator.script(json.dumps(TOO_LONG).encode(), status=400)
        answer = create(app, body)
        response = answer.json
    if truncation == "disabled":
        assert (answer.status_code, response["error"]["code"]) == (400, "context_length_exceeded")
        return
    assert (answer.status_code, response["truncation"]) == (200, "auto")
    upstream_body = [json.dumps(call.json["messages"]) for call in emulator.calls]
    assert ["first" in messages for messages in upstream_body] == [True, False]
    assert all("third" in messages for messages in upstream_body)


# Conversations


def test_a_conversation_collects_the_items_of_its_responses(client, emulator):
    talk = client.conversations.create(
        items=[{"type": "message", "role": "user", "content": "My name is Alice."}], metadata={"topic": "x"}
    )
    first = client.responses.create(model=MODEL, input="I am ten.", conversation=talk.id)
    assert first.conversation.id == talk.id
    emulator.forget_calls()
    second = client.responses.create(model=MODEL, input="Who am I?", conversation={"id": talk.id})
    assert texts(model_calls(emulator)[0]) == [
        "My name is Alice.", "I am ten.", first.output_text, "Who am I?"
    ]  # fmt: skip
    items = list(client.conversations.items.list(talk.id, order="asc", limit=2))
    contents = [item.content[0].text for item in items if item.type == "message"]
    assert contents == ["My name is Alice.", "I am ten.", first.output_text, "Who am I?", second.output_text]
    assert client.responses.retrieve(first.id).output_text == first.output_text


def test_items_of_a_conversation_are_created_read_and_deleted(client):
    talk = client.conversations.create()
    items = client.conversations.items.create(
        talk.id,
        items=[
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "One"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
        ],
    )
    assert len({item.id for item in items.data}) == 3
    read = client.conversations.items.retrieve(items.data[0].id, conversation_id=talk.id)
    assert read.content[0].text == "One"
    assert client.conversations.items.delete(items.data[0].id, conversation_id=talk.id).id == talk.id
    remaining = client.conversations.items.list(talk.id).data
    assert [item.type for item in remaining] == ["function_call_output", "function_call"]
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(items.data[0].id, conversation_id=talk.id)


def test_a_conversation_is_changed_and_deleted(client):
    talk = client.conversations.create(metadata={"a": "b"})
    assert client.conversations.update(talk.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert client.conversations.retrieve(talk.id).metadata == {"c": "d"}
    assert client.conversations.delete(talk.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(talk.id)


def test_turns_at_once_lose_no_item(start):
    app = start()
    talk = app.post("/v1/conversations", json={}).json["id"]

    async def all_at_once():
        bodies = [{"model": MODEL, "input": f"turn {n}", "conversation": talk} for n in range(5)]
        posts = [
            asyncio.to_thread(app.application.test_client().post, "/v1/responses", json=b) for b in bodies
        ]
        return await asyncio.gather(*posts)

    assert all(answer.status_code == 200 for answer in asyncio.run(all_at_once()))
    items = app.get(f"/v1/conversations/{talk}/items?limit=100").json["data"]
    texts = [item["content"][0]["text"] for item in items if item.get("role") == "user"]
    assert sorted(texts) == [f"turn {n}" for n in range(5)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"items": [{"type": "hologram"}]}, "items[0]"),
        ({"items": [{"role": "user", "content": 3}]}, "items[0].content"),
        ({"items": [{"role": "user", "content": "x"}] * 21}, "items"),
        ({"metadata": {"a": 1}}, "metadata[...]"),
    ],
)
def test_a_wrong_conversation_is_refused(start, body, param):
    answer = start().post("/v1/conversations", json=body)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, param), answer.text


# In the background


def ended(client, response):
    while response.status in {"queued", "in_progress"}:
        response = client.responses.retrieve(response.id)
    return response


@pytest.mark.parametrize("model", [MODEL, "deep-research-preview-04-2026"])
def test_a_background_response_is_retrieved_until_its_end(client, emulator, model):
    response = client.responses.create(
        model=model, input="Whales", instructions="Be brief.", background=True, max_output_tokens=99
    )
    assert (response.status, response.background) == ("queued", True)
    done = ended(client, response)
    assert (done.id, done.status, done.output_text) == (response.id, "completed", "Researched: Whales")
    assert (done.usage.input_tokens, done.usage.output_tokens) == (7, 5)
    assert client.responses.retrieve(response.id) == done
    (started,) = [call for call in emulator.calls if call.path.endswith("/interactions")]
    assert started.json["system_instruction"] == "Be brief."
    assert started.json["labels"] == {"vertex-compat-owner": "shared"}
    emulator.forget_calls()
    client.responses.create(model=MODEL, input="More?", previous_response_id=response.id)
    assert texts(model_calls(emulator)[0])[-3:] == ["Whales", "Researched: Whales", "More?"]


def test_a_background_response_is_cancelled(client):
    response = client.responses.create(model=MODEL, input="Whales", background=True)
    assert client.responses.cancel(response.id).status == "cancelled"
    assert client.responses.cancel(response.id).status == "cancelled"


TEMPLATE = "projects/emulated-project/locations/us-central1/templates/t1"


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        (f"model_armor = '{TEMPLATE}'", "Model Armor"),
        (f"[keys.me]\nmodel_armor = '{TEMPLATE}'", "Model Armor"),
        ("enforced_labels = { team = 'x' }", "enforced settings"),
    ],
)
def test_settings_that_the_background_would_evade_refuse_it(start, emulator, tmp_path, setting, reason):
    path = tmp_path / "vertex_compat.toml"
    path.write_text(setting)
    key = "sk-test-0123456789"
    app = start(VERTEX_COMPAT_CONFIG=str(path), VERTEX_COMPAT_API_KEYS=f"me:{key}")
    body = {"model": MODEL, "input": "Whales", "background": True}
    answer = create(app, body, {"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json["error"]["param"]) == (403, "model")
    assert reason in answer.json["error"]["message"]
    assert not [call for call in emulator.calls if "interactions" in call.path]


def test_failed_background_response_has_its_error(client):
    response = client.responses.create(
        model="gemini-emulator-interaction-failed", input="Whales", background=True
    )
    done = ended(client, response)
    assert (done.status, done.error.message) == ("failed", "It did not work.")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "claude-sonnet-5-5"}, "background"),
        ({"store": False}, "background"),
        ({"stream": True}, "stream"),
        ({"tools": [WEATHER]}, "tools"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "gs://b/x"}]}]},
            "input",
        ),
    ],
)
def test_unsupported_background_request_is_a_400(start, fields, param):
    answer = create(start(), {"model": MODEL, "input": "x", "background": True} | fields)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, param), answer.text


# The Agents SDK


def test_an_agents_session_is_a_conversation(front):
    agents.set_tracing_disabled(True)

    @agents.function_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"It is sunny in {city}."

    async def talk():
        async with front.client(kind=openai.AsyncOpenAI) as client:
            session = agents.OpenAIConversationsSession(openai_client=client)
            config = agents.RunConfig(
                model_provider=agents.OpenAIProvider(openai_client=client, use_responses=True)
            )
            agent = agents.Agent(name="a", model=MODEL, tools=[get_weather])
            first = await agents.Runner.run(
                agent, "Use the tool get_weather.", session=session, run_config=config
            )
            second = await agents.Runner.run(agent, "Thank you.", session=session, run_config=config)
            items = await session.get_items()
            await session.pop_item()
            remaining = await session.get_items()
            await session.clear_session()
            return first, second, items, remaining

    first, second, items, remaining = asyncio.run(talk())
    assert "sunny" in first.final_output
    assert second.final_output
    assert [item["type"] for item in items].count("function_call") == 1
    assert len(remaining) == len(items) - 1
    assert json.dumps(items)


def test_an_agent_continues_from_a_response_id(front):
    agents.set_tracing_disabled(True)

    async def talk():
        async with front.client(kind=openai.AsyncOpenAI) as client:
            config = agents.RunConfig(
                model_provider=agents.OpenAIProvider(openai_client=client, use_responses=True)
            )
            agent = agents.Agent(name="a", model=MODEL)
            first = await agents.Runner.run(agent, "Hello", run_config=config)
            return await agents.Runner.run(
                agent, "Again", previous_response_id=first.last_response_id, run_config=config
            )

    assert asyncio.run(talk()).final_output
