"""The function under its production server, between OpenAI's own client and the emulator.

What works, works here: every publisher, streaming and not. What goes wrong is in `test_front_door_faults.py`,
who leaves and who waits in `test_front_door_connections.py`.
"""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from helpers.chat_client import WORDS, ask, get, joined, named
from helpers.credentials import identity
from helpers.fixtures import MODELS

CHAT = {
    **MODELS,
    "grok": "xai/grok-4.1-fast-reasoning",
    "gpt-oss": "openai/gpt-oss-120b-maas",
    "tuned gemini": "gemini/1234567890",
    "dated claude": "claude-haiku-4-5-20251001",
}


each_model = pytest.mark.parametrize("model", CHAT.values(), ids=CHAT)


@each_model
def test_a_chat_is_answered(client, model):
    answer = ask(client, model)
    assert WORDS in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == model
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@each_model
def test_a_stream_has_the_content_of_the_whole_answer(client, model):
    whole = ask(client, model)
    stream = ask(client, model, stream=True, stream_options={"include_usage": True})
    text, reasons, usage = joined(stream)
    assert text == whole.choices[0].message.content
    assert reasons == [whole.choices[0].finish_reason]
    counts = usage.to_dict()
    counts.pop("cost_usd", None)  # a header of the whole answer
    assert counts == whole.usage.to_dict()


@each_model
def test_a_stream_has_no_usage_unless_it_is_asked_for(client, model):
    chunks = list(ask(client, model, stream=True))
    assert len(chunks) > 3
    assert all("usage" not in chunk.model_fields_set and chunk.choices for chunk in chunks)


@each_model
def test_the_first_chunk_has_the_role_and_the_last_the_reason(client, model):
    chunks = list(ask(client, model, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].delta.role is None for chunk in chunks[1:])
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


@each_model
@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_ends_the_answer_for_its_length(client, model, stream):
    answer = ask(client, model, max_tokens=40, stream=stream)
    reason = joined(answer)[1] if stream else [answer.choices[0].finish_reason]
    assert reason == ["length"]


@each_model
@pytest.mark.parametrize("stop", ["写法", ["nowhere", "写法"]])
@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_sequence_ends_the_answer_before_it(client, model, stop, stream):
    answer = ask(client, model, stop=stop, stream=stream)
    text = joined(answer)[0] if stream else answer.choices[0].message.content
    assert text.endswith("“茴”字有几种")


@each_model
def test_n_3_returns_three_choices(client, model, emulator):
    answer = ask(client, model, n=3, temperature=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert all(WORDS in choice.message.content for choice in answer.choices)
    completion = ask(client, model)
    assert answer.usage.completion_tokens > 2 * completion.usage.completion_tokens
    natively = not model.startswith(("claude", "mistral", "gemini-"))  # each Gemini 3 call makes one choice
    assert len(emulator.calls) == (2 if natively else 4)


@each_model
def test_three_choices_are_streamed(client, model):
    chunks = list(ask(client, model, n=3, temperature=1, stream=True, stream_options={"include_usage": True}))
    whole = ask(client, model, n=3, temperature=1)
    for index in range(3):
        text, reasons, _ = joined(chunks, index)
        assert WORDS in text
        assert reasons == ["stop"]
        assert text == whole.choices[index].message.content
    assert [bool(chunk.choices) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1


@each_model
def test_all_sampling_parameters_are_taken_or_named(front_door, model):
    params = {"temperature": 0.5, "top_p": 0.9, "seed": 7, "presence_penalty": 0.5, "frequency_penalty": 0.5}
    with front_door.client() as client:
        answer = client.chat.completions.with_raw_response.create(
            model=model,
            messages=[{"role": "user", "content": WORDS}],
            max_completion_tokens=300,
            user="ann",
            **params,
        )
    upstream_body = json.dumps(front_door.emulator.calls[-1].json)
    ignored = answer.headers.get("x-vertex-compat-ignored", "").split(", ")
    for name, value in params.items():
        assert name in ignored or str(value) in upstream_body


def test_a_long_conversation_is_answered(client):
    turns = [
        {"role": role, "content": f"{role} {turn} " + "x" * 1000}
        for turn in range(200)
        for role in ("user", "assistant")
    ]
    for model in MODELS.values():
        answer = client.chat.completions.create(
            model=model, messages=[*turns, {"role": "user", "content": WORDS}]
        )
        assert WORDS in answer.choices[0].message.content


@pytest.mark.parametrize("publisher", MODELS)
def test_a_megabyte_is_sent_and_received(client, publisher, emulator):
    words = "字" * 500_000
    answer = ask(client, MODELS[publisher], words)
    assert answer.choices[0].finish_reason == "stop"
    assert words in emulator.calls[-1].body.decode()
    text, reasons, _ = joined(ask(client, named(publisher, "big-2"), stream=True))
    assert len(text) == 2 << 20
    assert reasons == ["stop"]


def test_the_two_clients_of_the_sdk_agree(front_door):
    async def asked():
        async with front_door.client(kind=openai.AsyncOpenAI) as client:
            whole = await ask(client, MODELS["anthropic"])
            stream = await ask(client, MODELS["anthropic"], stream=True)
            return whole, [chunk async for chunk in stream]

    whole, chunks = asyncio.run(asked())
    assert joined(chunks)[0] == whole.choices[0].message.content
    with front_door.client() as client:
        assert ask(client, MODELS["anthropic"]).choices[0].message.content == whole.choices[0].message.content


def test_many_clients_at_once_get_their_own_answers(front_door):
    def answer_of(number):
        with front_door.client() as client:
            words = f"I am number {number}."
            model = list(MODELS.values())[number % len(MODELS)]
            text, reasons, _ = joined(ask(client, model, words, stream=True))
            return words in text and reasons == ["stop"]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(answer_of, range(48)))


def test_one_token_is_fetched_for_all(front_door):
    with front_door.client() as client:
        ask(client, MODELS["google"])
        before = front_door.emulator.token_fetches
        for model in MODELS.values():
            ask(client, model)
    assert front_door.emulator.token_fetches == before


def test_call_uses_project_and_token_of_credentials(client, emulator):
    ask(client, MODELS["google"])
    (call,) = emulator.calls
    assert call.path.startswith(
        f"/v1beta1/projects/{emulator.project}/locations/global/publishers/google/models/"
    )
    assert call.headers["authorization"].startswith("Bearer ya29.")
    assert call.headers["user-agent"].startswith("vertex_compat/")
    assert "sk-test-0123456789" not in str(call.headers)


def test_the_operator_s_location_and_project_are_used(serve, emulator):
    server = serve(GOOGLE_CLOUD_LOCATION="europe-west4", GOOGLE_CLOUD_PROJECT="123456789012")
    with server.client() as client:
        for model in MODELS.values():
            ask(client, model)
    for call in emulator.calls:
        assert "/projects/123456789012/locations/europe-west4/" in call.path


# Other operations


def test_models_are_listed_and_retrieved_with_any_name(client):
    listed = [model.id for model in client.models.list()]
    assert {"gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3"} <= set(listed)
    for name in [
        *listed,
        "claude-sonnet-5-5@default",
        "vertex_ai/meta/llama-4-maverick-17b-128e-instruct-maas",
    ]:
        model = client.models.retrieve(name)
        assert (model.id, model.object) == (name, "model")
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5")
    assert caught.value.code == "model_not_found"


def test_the_root_and_the_health_answer_without_asking_google(front_door, emulator):
    fetched = emulator.token_fetches
    for path, key in (("/", "operations"), ("/health", "status")):
        status, headers, body = get(front_door, path)
        assert status == 200
        assert headers["content-type"] == "application/json"
        assert key in json.loads(body)
    assert emulator.calls == []
    assert emulator.token_fetches == fetched


def test_the_prefix_of_the_version_may_be_left_out(front_door):
    for base in (front_door.url, f"{front_door.url}/", f"{front_door.url}/v1/"):
        with front_door.client() as client:
            assert ask(client.with_options(base_url=base), MODELS["google"]).choices


def test_a_stream_s_headers_tell_every_proxy_to_pass_it_on(front_door):
    with front_door.client() as client:
        answer = client.chat.completions.with_raw_response.create(
            model=MODELS["google"], messages=[{"role": "user", "content": "Hi"}], stream=True
        )
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_answer_names_the_requested_model(client):
    for name in (
        "vertex_ai/gemini-3.8-flash",
        "google/gemini-3.8-flash",
        "claude-sonnet-4-5-20250929",
        "mistral-small-2503@001",
    ):
        assert ask(client, name).model == name
        assert {chunk.model for chunk in ask(client, name, stream=True)} == {name}


# Keys

KEYS = {"VERTEX_COMPAT_API_KEYS": "sk-one-0123456789,sk-two-0123456789", "K_SERVICE": "vertex-compat"}


def test_each_configured_key_opens_the_door(serve):
    for key in ("sk-one-0123456789", "sk-two-0123456789"):
        with serve(**KEYS).client(key) as client:
            assert ask(client, MODELS["google"]).choices


@pytest.mark.parametrize("key", ["sk-three-0123456789", "sk-one-012345678", "x"])
@pytest.mark.parametrize("stream", [False, True])
def test_another_key_does_not(serve, emulator, key, stream):
    with serve(**KEYS).client(key) as client, pytest.raises(openai.AuthenticationError) as caught:
        ask(client, MODELS["google"], stream=stream)
    assert caught.value.code == "invalid_api_key"
    assert emulator.calls == []


def test_deployment_without_a_key_refuses_requests(serve):
    server = serve(K_SERVICE="vertex-compat")
    with server.client("sk-one-0123456789") as client, pytest.raises(openai.AuthenticationError) as caught:
        ask(client, MODELS["google"])
    assert "VERTEX_COMPAT_API_KEYS" in caught.value.message
    assert get(server, "/health")[0] == 200


def test_iam_mode_accepts_a_token_that_cloud_run_checked(serve):
    with serve(K_SERVICE="vertex-compat", VERTEX_COMPAT_AUTH="iam").client(identity()) as client:
        assert ask(client, MODELS["google"]).choices
