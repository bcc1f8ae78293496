"""The vendors' own SDKs read what the emulator says: whole, streamed, and as errors."""

import anthropic
import openai
import pytest
import requests
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from mistralai.gcp.client import errors as mistral_errors
from mistralai.gcp.client.sdk import MistralGCP

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HELLO = [{"role": "user", "content": "Hello"}]
USE_TOOL = [{"role": "user", "content": "Use the tool get_weather, in parallel"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}


@pytest.fixture
def token(emulator):
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    answer = requests.get(emulator.url + path, headers={"Metadata-Flavor": "Google"}, timeout=5)
    return answer.json()["access_token"]


@pytest.fixture
def google(emulator, token):
    return genai.Client(
        vertexai=True,
        project=emulator.project,
        location="us-central1",
        credentials=Credentials(token),
        http_options=types.HttpOptions(base_url=emulator.url),
    )


@pytest.fixture
def claude(emulator, token):
    with anthropic.AnthropicVertex(
        project_id=emulator.project,
        region="us-east5",
        access_token=token,
        base_url=f"{emulator.url}/v1",
        max_retries=0,
    ) as client:
        yield client


@pytest.fixture
def mistral(emulator, token):
    with MistralGCP(
        project_id=emulator.project, region="europe-west4", access_token=token, server_url=emulator.url
    ) as client:
        yield client


@pytest.fixture
def chat(emulator, token):
    place = f"{emulator.url}/v1/projects/{emulator.project}/locations/us-central1/endpoints"

    def client(endpoint):
        return openai.OpenAI(base_url=f"{place}/{endpoint}", api_key=token, max_retries=0).chat.completions

    return client


def gemini_tools():
    declaration = types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
    return [types.Tool(function_declarations=[declaration])]


def test_genai_reads_text_and_counts(google):
    answer = google.models.generate_content(model="gemini-3.8-flash", contents="Hello")
    assert answer.text.startswith("You said: Hello")
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    chunks = list(google.models.generate_content_stream(model="gemini-3.8-flash", contents="Hello"))
    assert "".join(chunk.text for chunk in chunks) == answer.text
    assert chunks[-1].usage_metadata == answer.usage_metadata
    counted = google.models.count_tokens(model="gemini-3.8-flash", contents="Hello")
    assert counted.total_tokens == answer.usage_metadata.prompt_token_count


def test_genai_carries_signatures_through_a_chat_with_tools(google):
    thinking = types.ThinkingConfig(include_thoughts=True)
    settings = types.GenerateContentConfig(tools=gemini_tools(), thinking_config=thinking)
    chat = google.chats.create(model="gemini-3-flash-preview", config=settings)
    called = chat.send_message("Use the tool get_weather, in parallel")
    assert [call.args for call in called.function_calls] == [{"city": "Paris"}, {"city": "北京"}]
    results = [
        types.Part.from_function_response(name="get_weather", response={"output": f"{place} °C"})
        for place in range(2)
    ]
    assert "1 °C" in chat.send_message(results).text


def test_genai_reads_errors(google):
    with pytest.raises(genai.errors.ClientError, match="NOT_FOUND"):
        google.models.generate_content(model="gemini-nonexistent", contents="Hello")


def test_anthropic_reads_thinking_and_text(claude):
    settings = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 2048,
        "messages": HELLO,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
    }
    answer = claude.messages.create(**settings)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    with claude.messages.stream(**settings) as stream:
        folded = stream.get_final_message()
    assert folded.content[1].text == answer.content[1].text
    assert folded.content[0].signature == answer.content[0].signature
    assert folded.usage.output_tokens == answer.usage.output_tokens
    assert folded.stop_reason == answer.stop_reason == "end_turn"


def test_anthropic_reads_tools_and_counts(claude):
    tools = [{"name": "get_weather", "input_schema": SCHEMA}]
    settings = {"model": "claude-opus-5-5", "max_tokens": 2048, "messages": USE_TOOL, "tools": tools}
    with claude.messages.stream(**settings) as stream:
        answer = stream.get_final_message()
    uses = [block for block in answer.content if block.type == "tool_use"]
    assert [use.input for use in uses] == [{"city": "Paris"}, {"city": "北京"}]
    counted = claude.messages.count_tokens(model="claude-opus-5-5", messages=USE_TOOL, tools=tools)
    assert counted.input_tokens == answer.usage.input_tokens


def test_anthropic_reads_errors_of_both_envelopes(claude):
    with pytest.raises(anthropic.BadRequestError, match="9000 > 8192"):
        claude.messages.create(model="claude-3-5-haiku@20241022", max_tokens=9000, messages=HELLO)
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="claude-nonexistent", max_tokens=9, messages=HELLO)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(
            claude.messages.create(
                model="claude-emulator-error-event-3", max_tokens=9, messages=HELLO, stream=True
            )
        )


def test_mistral_reads_answers_and_streams(mistral):
    answer = mistral.chat.complete(model="mistral-small-2503", messages=HELLO)
    text = answer.choices[0].message.content
    chunks = [event.data for event in mistral.chat.stream(model="mistral-small-2503", messages=HELLO)]
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == text
    assert chunks[-1].usage.total_tokens == answer.usage.total_tokens
    called = mistral.chat.complete(
        model="mistral-small-2503", messages=USE_TOOL, tools=[TOOL], tool_choice="any"
    )
    assert called.choices[0].message.tool_calls[0].function.name == "get_weather"


def test_mistral_reads_thinking_and_fim(mistral):
    answer = mistral.chat.complete(model="magistral-medium", messages=HELLO, prompt_mode="reasoning")
    thinking, text = answer.choices[0].message.content
    assert thinking.raw["type"] == "thinking"  # this SDK's Google flavour does not know such chunks
    assert text.text.startswith("You said")
    filled = mistral.fim.complete(model="codestral-2", prompt="def f(", suffix="return")
    assert filled.choices[0].message.content


def test_mistral_reads_errors(mistral):
    with pytest.raises(mistral_errors.SDKError, match="last role"):
        mistral.chat.complete(
            model="mistral-small-2503", messages=[*HELLO, {"role": "assistant", "content": "So"}]
        )


@pytest.mark.parametrize(
    ("endpoint", "model"),
    [
        ("openapi", "meta/llama-4-maverick-17b-128e-instruct-maas"),
        ("openapi", "deepseek-ai/deepseek-v3.1-maas"),
        ("openapi", "xai/grok-4.1-fast-reasoning"),
        ("1234567890", ""),
    ],
)
def test_openai_sdk_reads_openai_compatible_responses(chat, endpoint, model):
    completions = chat(endpoint)
    answer = completions.create(model=model, messages=HELLO)
    text = answer.choices[0].message.content
    stream = completions.create(model=model, messages=HELLO, stream=True)
    answer_text = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
    assert answer_text == text
    called = completions.create(model=model, messages=USE_TOOL, tools=[TOOL]).choices[0]
    assert called.finish_reason == "tool_calls"
    assert [call.function.arguments for call in called.message.tool_calls] == [
        '{"city":"Paris"}',
        '{"city":"北京"}',
    ]


def test_openai_sees_a_cut_connection(chat):
    stream = chat("openapi").create(model="meta/emulator-cut-2-maas", messages=HELLO, stream=True)
    with pytest.raises(openai.APIConnectionError):
        list(stream)


def test_google_s_sdk_pages_through_model_garden(google):
    listed = google.models.list(config=types.ListModelsConfig(page_size=7, query_base=True))
    names = [model.name for model in listed]
    assert "publishers/google/models/gemini-9-ultra" in names
    assert len(names) == len(set(names)) > 7
