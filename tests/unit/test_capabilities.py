"""Requests depend on facts of the catalog, not on comparisons of names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import vertex_compat
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import model_names
from vertex_compat.routing.catalog import CATALOG, Catalog

PACKAGE = Path(vertex_compat.__file__).parent
TEXTS = {"input": ["a", "b"]}
MUSIC = {"input": "A waltz"}
SPEECH = {"input": "Hi", "instructions": "Softly"}
VIDEO = {"prompt": "A cat", "seconds": "8", "size": "1280x720"}
HELLO = [{"role": "user", "content": "Hi"}]


def calls(operation, name, body, catalog=CATALOG):
    model = model_names.resolve(name, catalog)
    adapter = getattr(PUBLISHERS[model.publisher], operation)
    if operation in {"images", "music", "speech"}:
        adapter = adapter.whole
    upstream_call = adapter.start(body, model) if operation == "videos" else adapter.request(body, model)
    return upstream_call if isinstance(upstream_call, list) else [upstream_call]


def methods(*args):
    return [call.path.rpartition(":")[2] for call in calls(*args)]


@pytest.mark.parametrize(
    ("operation", "name", "body", "expected"),
    [
        ("embeddings", "gemini-embedding-3", TEXTS, ["embedContent", "embedContent"]),
        ("embeddings", "gemini-embedding-001", TEXTS, ["predict", "predict"]),
        ("embeddings", "text-embedding-006", TEXTS, ["predict"]),
        ("embeddings", "multimodalembedding@002", TEXTS, ["predict", "predict"]),
        ("images", "imagen-5.0-generate-001", {"prompt": "A cat", "n": 2}, ["predict"]),
        ("images", "gemini-5-image", {"prompt": "A cat", "n": 2}, ["generateContent", "generateContent"]),
        ("music", "lyria-002", MUSIC, ["predict"]),
        ("music", "lyria-4-pro", MUSIC, ["generateContent"]),
    ],
)
def test_method_of_known_and_unknown_models(operation, name, body, expected):
    assert methods(operation, name, body) == expected


CORRECTIONS = [
    ("embeddings", "text-embedding-006", TEXTS, {"embedding_method": "embedContent"}),
    ("embeddings", "text-embedding-006", TEXTS, {"embedding_method": "multimodal"}),
    ("embeddings", "text-embedding-006", TEXTS, {"max_embedding_inputs": 1}),
    ("images", "gemini-5-image", {"prompt": "A cat"}, {"media_method": "predict"}),
    ("images", "gemini-5-image", {"prompt": "A cat", "quality": "high"}, {"takes_image_size": False}),
    ("images", "gemini-5-image", {"prompt": "A cat", "size": "100x800"}, {"extra_aspect_ratios": ["1:8"]}),
    ("music", "lyria-4-pro", MUSIC, {"media_method": "predict"}),
    ("speech", "gemini-5-flash-tts", SPEECH, {"takes_speech_metadata": False}),
    ("videos", "veo-5.0-generate", VIDEO, {"takes_video_resolution": False}),
    (
        "completions",
        "mistral-code-2",
        {"prompt": "a"},
        {"fills_in_the_middle": True},
    ),
    ("ocr", "mistral-ocr-2611", {"table_format": "html"}, {"rejected_parameters": ["table_format"]}),
    ("chat", "xai/grok-5", {"messages": HELLO, "seed": 1}, {"rejected_parameters": ["seed"]}),
    ("chat", "mistral-medium-4", {"messages": HELLO, "seed": 1}, {"rejected_parameters": ["seed"]}),
    ("chat", "xai/grok-5", {"messages": HELLO, "new_one": 1}, {"rejected_parameters": ["new_one"]}),
    ("chat", "xai/grok-5", {"messages": HELLO}, {"reasoning_tags": True}),
]


@pytest.mark.parametrize(("operation", "name", "body", "correction"), CORRECTIONS)
def test_correction_of_the_settings_changes_the_request(operation, name, body, correction):
    corrected = calls(operation, name, body, Catalog({name: correction}))

    assert corrected != calls(operation, name, body)
    for rejected in correction.get("rejected_parameters", ()):
        assert rejected in corrected[0].ignored


def test_parameter_that_is_translated_is_not_rejected():
    (call,) = calls(
        "chat",
        "xai/grok-5",
        {"messages": HELLO, "stop": ["a"]},
        Catalog({"xai/grok-5": {"rejected_parameters": ["stop"]}}),
    )

    assert call.body["stop"] == ["a"]
    assert "stop" not in call.ignored


@pytest.mark.parametrize(
    ("publisher", "unknown", "field", "value"),
    [
        ("openapi", "qwen/qwen4-235b-thinking-maas", "reasoning_tags", True),
        ("openapi", "qwen/qwen4-235b-instruct-maas", "reasoning_tags", False),
        ("openapi", "meta/llama-5-maas", "rejected_parameters", ("reasoning_effort",)),
        ("google", "gemini-4-flash-tts", "takes_speech_metadata", True),
        ("google", "gemini-3.1-flash-tts-preview", "takes_speech_metadata", False),
        ("google", "gemini-nano-banana-3", "takes_image_size", True),
        ("google", "gemini-nano-banana-3", "extra_aspect_ratios", ("1:4", "4:1", "1:8", "8:1")),
        ("google", "gemini-3-pro-image", "extra_aspect_ratios", ()),
        ("google", "gemini-nano-banana-2.2", "signs_calls", True),
        ("google", "veo-2.0-generate-001", "default_video_seconds", 8),
        ("google", "veo-4.0-generate", "default_video_seconds", 4),
        ("google", "deep-research-max-preview-04-2027", "agent", True),
        ("mistralai", "codestral-3", "fills_in_the_middle", True),
        ("mistralai", "mistral-ocr-2612", "rejected_parameters", ()),
        ("openapi", "meta/llama-5-maas", "managed", True),
        ("openapi", "meta/llama-5", "managed", False),
    ],
)
def test_capability_of_a_family(publisher, unknown, field, value):
    assert getattr(CATALOG.profile(publisher, unknown), field) == value


def test_no_module_compares_names_of_models():
    comparisons = [
        f"{path.relative_to(PACKAGE)}: {ast.unparse(node)}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in {"emulator", "routing"}
        for node in ast.walk(ast.parse(path.read_text()))
        if _compares_a_name(node)
    ]

    assert comparisons == []


def _compares_a_name(node):
    """Return whether a node compares, matches or tests the beginning of `model.name`."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr="startswith" | "endswith")):
            return _is_name(value)
        case ast.Call(func=ast.Attribute(attr="match" | "search" | "fullmatch"), args=args):
            return any(map(_is_name, args))
        case ast.Compare(operand=operand, comparators=[ast.Constant(value=str())]):
            return _is_name(operand)
        case ast.Compare(operand=ast.Constant(value=str()), comparators=[right]):
            return _is_name(right)
    return False


def _is_name(node):
    return ast.unparse(node).endswith("model.name")
