"""Models in documentation, snippets and messages are current, for at least 60 more days."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from vertex_compat import errors
from vertex_compat.routing import catalog, model_names

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "vertex_compat"
NEEDED_UNTIL = catalog.data().checked + timedelta(days=60)

NAME = re.compile(
    r"(?<![\w/.-])(?:google/|publishers/google/models/|vertex_ai/)?"
    r"((?:gemini|claude|mistral|ministral|codestral|jamba|veo|lyria|imagen|text-embedding|gemma"
    r"|text-multilingual|multimodalembedding|semantic-ranker)-[a-z0-9.-]*[a-z0-9](?:@[a-z0-9]+)?"
    r"|(?:meta|xai|deepseek-ai|qwen|zai-org|moonshotai|minimaxai|openai|intfloat)/[a-z0-9.-]*[a-z0-9])"
    r"(?![\w…*-])"
)

PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob(".github/**/*.md"),
        *ROOT.glob("tests/clients/*.md"),
        *PACKAGE.rglob("*.html"),
        *(ROOT.glob("*.yaml")),
        *(path for path in PACKAGE.rglob("*.py") if "emulator" not in path.parts),
    )
    if path.name != "CHANGELOG.md"  # tells what was
)


def expiry(name):
    """Return the reason why a name must not appear in examples, None if it may."""
    try:
        profile = model_names.resolve(name).profile
    except errors.NotFound:
        return None
    retired = catalog.data().retired
    if not profile.source and any(re.match(rf"{re.escape(old)}($|[-@])", name) for old in retired):
        return f"{name} has been retired"
    soon = profile.retires and profile.retires < NEEDED_UNTIL
    return f"{name} retires on {profile.retires}" if soon else None


def names_in(path):
    return set(NAME.findall(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_models_are_current(path):
    assert [reason for name in sorted(names_in(path)) if (reason := expiry(name))] == []


def test_examples_are_found_in_all_files_that_have_some():
    expected = {"README.md", "cli.py", "check.py", "deployment.md", "cloudbuild.yaml"}

    assert expected <= {path.name for path in PAGES if "gemini-3.8-flash" in names_in(path)}


def test_retired_model_in_an_example_is_noticed():
    assert expiry("gemini-2.5-flash") == "gemini-2.5-flash retires on 2026-10-20"
    assert expiry("claude-3-5-sonnet-20241022")
    assert expiry("meta/llama-3.3-70b-instruct-maas")


@pytest.mark.parametrize(
    "name", sorted({*catalog.data().builtin_names.values(), *catalog.data().rerankers.values()})
)
def test_model_that_answers_for_another_is_current(name):
    assert expiry(name) is None
