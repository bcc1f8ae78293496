"""Requests have the types of the vendors' SDKs, and answers those of OpenAI's SDK."""

import pydantic
import pytest
from anthropic.types.message_create_params import MessageCreateParamsBase
from google.genai import types as genai
from helpers.fixtures import MODELS, cases, post, question, upstream_call, without
from mistralai.gcp.client.models import ChatCompletionRequest
from openai.types.chat import ChatCompletion

CLAUDE = pydantic.TypeAdapter(MessageCreateParamsBase)
COMPLETION = pydantic.TypeAdapter(ChatCompletion)

GEMINI = {
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "labels",
    "modelArmorConfig",
    "serviceTier",
}
"""Everything that Vertex knows at the top of a request."""


def plain(value):
    """A validated value as JSON again: what the SDK's types did not know is gone from it."""
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    return [plain(item) for item in value]


def lost(value, parsed, place=""):
    """Yield the paths at which `kept` lacks or changes a value of `given`."""
    if isinstance(value, dict) and isinstance(parsed, dict):
        for name, item in value.items():
            if name not in parsed:
                yield f"{place}.{name}"
            else:
                yield from lost(item, parsed[name], f"{place}.{name}")
    elif isinstance(value, list) and isinstance(parsed, list) and len(value) == len(parsed):
        for number, pair in enumerate(zip(value, parsed, strict=True)):
            yield from lost(*pair, f"{place}[{number}]")
    elif value != parsed:
        yield place


def of(publisher):
    """The request cases of one publisher."""
    mark = cases("vertex.json")
    own_cases = [case for case in mark.args[1] if case.publisher == publisher]
    return pytest.mark.parametrize("case", own_cases, ids=lambda case: case.name)


@of("google")
def test_gemini_s_body_has_the_types_of_google_s_sdk(case):
    body = upstream_call(case.question()).body
    assert body.keys() <= GEMINI
    contents = [genai.Content.model_validate(content) for content in body["contents"]]
    assert not list(lost(body["contents"], plain(contents)))
    if system := body.get("systemInstruction"):
        assert not list(lost(system, plain(genai.Content.model_validate(system))))
    if config := body.get("generationConfig"):
        assert not list(lost(config, plain(genai.GenerationConfig.model_validate(config))))
    assert all(content.role in {"user", "model"} and content.parts for content in contents)


@of("anthropic")
def test_claude_s_body_has_the_types_of_anthropic_s_sdk(case):
    body = upstream_call(case.question()).body
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    # These three are of the call in the SDK, not of the parameters; sampling is of older versions of the API.
    fields = without(body, "anthropic_version", "stream", "temperature", "top_p", "top_k") | {
        "model": "claude"
    }
    assert not list(lost(fields, plain(CLAUDE.validate_python(fields))))
    assert all(
        message["role"] in {"user", "assistant"} and message["content"] for message in body["messages"]
    )


@of("mistralai")
def test_mistral_s_body_has_the_types_of_mistral_s_sdk(case):
    body = upstream_call(case.question()).body
    request = ChatCompletionRequest.model_validate(body)
    assert not list(lost(body, plain(request)))
    assert body["model"] == "mistral-small-2503"


@pytest.mark.parametrize("publisher", ["ai21", "openapi", "endpoints"])
def test_the_others_bodies_are_openai_s(publisher):
    body = upstream_call(
        question(publisher, temperature=0.5, max_completion_tokens=9, stop="x", stream=True)
    ).body
    assert body.keys() <= {
        "model",
        "messages",
        "temperature",
        "max_tokens",
        "stop",
        "stream",
        "stream_options",
    }
    assert body["max_tokens"] == 9


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("publisher", MODELS)
def test_an_answer_has_openai_s_types_strictly(app, publisher, n):
    answer = post(app, question(publisher, n=n, max_tokens=40)).json
    completion = COMPLETION.validate_python(answer, strict=True)
    assert [choice.index for choice in completion.choices] == list(range(n))
    assert not completion.model_extra
    assert not completion.usage.model_extra
