"""Model names: the forms that resolve, those that do not, and hostile ones."""

import re

import pytest
from helpers.fixtures import RecordingTransport, function, post, question
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vertex_compat import errors
from vertex_compat.routing import model_names


@pytest.mark.parametrize(
    ("requested", "publisher", "name", "resource"),
    [
        ("gemini-3.8-flash", "google", "gemini-3.8-flash", "publishers/google/models/gemini-3.8-flash"),
        ("google/gemini-9-ultra", "google", "gemini-9-ultra", "publishers/google/models/gemini-9-ultra"),
        (
            "gemini-2.0-flash-001",
            "google",
            "gemini-2.0-flash-001",
            "publishers/google/models/gemini-2.0-flash-001",
        ),
        ("gemma-3-27b-it", "google", "gemma-3-27b-it", "publishers/google/models/gemma-3-27b-it"),
        ("google/gemma-4-26b-a4b-it-maas", "openapi", "google/gemma-4-26b-a4b-it-maas", "endpoints/openapi"),
        ("gemma-4-26b-a4b-it-maas", "openapi", "google/gemma-4-26b-a4b-it-maas", "endpoints/openapi"),
        ("gemini/1234567890", "google", "1234567890", "endpoints/1234567890"),
        (
            "models/gemini-3.8-flash",
            "google",
            "gemini-3.8-flash",
            "publishers/google/models/gemini-3.8-flash",
        ),
        (
            "publishers/google/models/gemini-3.8-flash",
            "google",
            "gemini-3.8-flash",
            "publishers/google/models/gemini-3.8-flash",
        ),
        ("gpt-oss-120b-maas", "openapi", "openai/gpt-oss-120b-maas", "endpoints/openapi"),
        ("grok-4.7", "openapi", "xai/grok-4.7", "endpoints/openapi"),
        ("claude-opus-4-8", "anthropic", "claude-opus-4-8", "publishers/anthropic/models/claude-opus-4-8"),
        ("anthropic/claude-x-9", "anthropic", "claude-x-9", "publishers/anthropic/models/claude-x-9"),
        ("mistral-medium-3", "mistralai", "mistral-medium-3", "publishers/mistralai/models/mistral-medium-3"),
        (
            "mistral-large@2411",
            "mistralai",
            "mistral-large@2411",
            "publishers/mistralai/models/mistral-large@2411",
        ),
        (
            "mistral-large-2411",
            "mistralai",
            "mistral-large-2411",
            "publishers/mistralai/models/mistral-large-2411",
        ),
        ("mistral-large@latest", "mistralai", "mistral-large", "publishers/mistralai/models/mistral-large"),
        ("ministral-8b", "mistralai", "ministral-8b", "publishers/mistralai/models/ministral-8b"),
        ("codestral-2@001", "mistralai", "codestral-2@001", "publishers/mistralai/models/codestral-2@001"),
        ("magistral-small", "mistralai", "magistral-small", "publishers/mistralai/models/magistral-small"),
        ("mistralai/anything-7", "mistralai", "anything-7", "publishers/mistralai/models/anything-7"),
        ("jamba-1.5-mini@001", "ai21", "jamba-1.5-mini@001", "publishers/ai21/models/jamba-1.5-mini@001"),
        ("ai21/jamba-9", "ai21", "jamba-9", "publishers/ai21/models/jamba-9"),
        ("meta/llama-9-maas", "openapi", "meta/llama-9-maas", "endpoints/openapi"),
        ("deepseek-ai/deepseek-v9-maas", "openapi", "deepseek-ai/deepseek-v9-maas", "endpoints/openapi"),
        ("openai/gpt-oss-120b-maas", "openapi", "openai/gpt-oss-120b-maas", "endpoints/openapi"),
        ("xai/grok-4.1-fast-reasoning", "openapi", "xai/grok-4.1-fast-reasoning", "endpoints/openapi"),
        ("publisher-of-tomorrow/model-1", "openapi", "publisher-of-tomorrow/model-1", "endpoints/openapi"),
        ("openai/1234567890", "endpoints", "1234567890", "endpoints/1234567890"),
        ("endpoints/my-endpoint-1", "endpoints", "my-endpoint-1", "endpoints/my-endpoint-1"),
        ("projects/p-12345/locations/europe-west4/endpoints/77", "endpoints", "77", "endpoints/77"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "vertex_ai/"])
def test_name_resolves_by_its_form(prefix, requested, publisher, name, resource):
    model = model_names.resolve(prefix + requested)
    assert (model.publisher, model.name, model.resource) == (publisher, name, resource)
    assert model.requested_name == prefix + requested


@pytest.mark.parametrize(
    ("requested", "name"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5@20250929"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5@20250929"),
        ("claude-sonnet-4-5-latest", "claude-sonnet-4-5@20250929"),
        ("claude-sonnet-4-5@latest", "claude-sonnet-4-5@20250929"),
        ("anthropic/claude-haiku-4-5-20251001", "claude-haiku-4-5@20251001"),
        ("claude-opus-4", "claude-opus-4@20250514"),
        ("claude-opus-4-1", "claude-opus-4-1@20250805"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("claude-opus-4-6@default", "claude-opus-4-6@default"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("claude-opus-4.8", "claude-opus-4-8"),
        ("claude-3.5-haiku", "claude-3-5-haiku@20241022"),
        ("claude-3-5-sonnet-20240620", "claude-3-5-sonnet@20240620"),
        ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet-v2@20241022"),
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet-v2@20241022"),
        ("claude-3-opus", "claude-3-opus@20240229"),
        ("claude-of-tomorrow-20290101", "claude-of-tomorrow@20290101"),
    ],
)
def test_claude_resolves_with_every_spelling_of_its_date(requested, name):
    assert model_names.resolve(requested).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "gpt-4o",
        "o3",
        "nobody",
        "gemini",
        "claude",
        "/",
        "a/",
        "/b",
        "a/b/c",
        "google/",
        "google/..",
        "meta/../x",
        "endpoints/",
        "endpoints/openapi",
        "endpoints/../openapi",
        "endpoints/a/b",
        "openai/",
        "gemini/",
        "gemini/abc/def",
        "gemini-3.8-flash:generateContent",
        "gemini-3.8-flash?alt=sse",
        "gemini-3.8-flash#x",
        "gemini-3.8 flash",
        "gemini-3.8-flash\n",
        "gemini-%2e%2e",
        "gemini-3.8-flash@",
        "gemini-3.8-flash@a@b",
        "gemini-é",
        "gemini-\x00",
        "claude-x/..",
        "claude-x%2Fy",
        "ministral@../..",
        "projects/p/locations/evil.example/endpoints/1",
        "projects/p/locations/us-central1/endpoints/../1",
        "projects/p/locations/us-central1/models/1",
        "x" * 10_000,
        "gemini-" + "x" * 10_000,
    ],
)
def test_other_names_are_not_found_with_the_forms_named(name):
    with pytest.raises(errors.NotFound) as caught:
        model_names.resolve(name)
    error = caught.value
    assert (error.status, error.param, error.code) == (404, "model", "model_not_found")
    assert "gemini-" in error.message
    assert "claude-" in error.message
    assert len(error.message) < 2000


@pytest.mark.parametrize(
    "name",
    ["chat-bison", "text-bison@002", "text-unicorn", "code-bison-32k", "code-gecko", "vertex_ai/chat-bison"],
)
def test_palm_model_is_not_found_with_its_replacement_named(name):
    with pytest.raises(errors.NotFound) as caught:
        model_names.resolve(name)
    assert "retired" in caught.value.message
    assert re.search(r"gemini-3\.8-flash|codestral-2", caught.value.message)


def test_retired_gemini_still_resolves():
    assert model_names.resolve("gemini-1.5-pro").resource == "publishers/google/models/gemini-1.5-pro"


# Hostile names

PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "%2e%2e",
        "%2F",
        "?",
        "#",
        ":",
        "@",
        "&",
        "=",
        ";",
        " ",
        "\n",
        "\r",
        "\x00",
        "\u2028",
        "é",
        "٣",
        "１",
        "gemini-",
        "claude-",
        "mistral",
        "jamba-",
        "google/",
        "anthropic/",
        "meta/",
        "endpoints/",
        "openai/",
        "gemini/",
        "vertex_ai/",
        "projects/",
        "locations/",
        "publishers/",
        "models/",
        "openapi",
        "us-central1",
        "generateContent",
        "x",
        "1",
        "-",
        "_",
        "-maas",
        "@latest",
        "-20250929",
        "a@b",
    ]
)
HOSTILE = st.lists(PIECES, max_size=8).map("".join) | st.text()

RESOURCE = re.compile(
    r"publishers/(google|anthropic|mistralai|ai21)/models/[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9._-]+)?"
    r"|endpoints/[A-Za-z0-9][A-Za-z0-9_-]*"
)
PATH = re.compile(
    rf"({RESOURCE.pattern})(:(rawPredict|streamRawPredict|generateContent|streamGenerateContent\?alt=sse|predict)|/chat/completions)"
)


@given(name=HOSTILE, stream=st.booleans())
@settings(max_examples=4 * settings().max_examples)
@example(name="gemini-3.8-flash/../../../endpoints/1", stream=False)
@example(name="claude-a/../../google/models/b", stream=True)
@example(name="endpoints/1:predict?x=", stream=False)
@example(name="endpoints/openapi", stream=False)
@example(name="gemini/٣", stream=False)
def test_no_name_leaves_its_path_segment(name, stream):
    transport = RecordingTransport()
    answer = post(function(transport), question("google", model=name, stream=stream))
    if not transport.calls:
        assert answer.status_code in {400, 404}
        assert answer.json["error"]["param"] == "model"
        return
    for call in transport.calls:
        assert PATH.fullmatch(call.path)
        assert ".." not in call.path.split("/")
    for model in transport.models:
        assert RESOURCE.fullmatch(model.resource)
        assert model.publisher == "openapi" or model.resource != "endpoints/openapi"


@given(name=HOSTILE)
@settings(max_examples=4 * settings().max_examples)
def test_any_name_resolves_or_is_not_found(name):
    try:
        model = model_names.resolve(name)
    except errors.NotFound as error:
        message = error.message
    else:
        assert model.locations
        assert model.publisher
        message = ""
    assert message.isprintable()
