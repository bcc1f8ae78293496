"""Compare the catalog with Vertex's lists and a public one: `python -m tests.catalog_check`.

It needs a network, so it is no test. The public catalogue is LiteLLM's. `--public` names a file or another
URL: LiteLLM's JSON, or JSON Lines with a `name` in each and prices of a million tokens. `--table` prints
what the function makes of each name: publisher, method, location, operations, retirement. With Application
Default Credentials and `--project`, Vertex's list of publisher models is read as well. It prints one line
for each difference and exits with 1 if there is one; the reader decides which side is right.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import requests

from vertex_compat import errors
from vertex_compat.config.settings import Settings
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import catalog, model_names
from vertex_compat.routing.router import Router
from vertex_compat.types import Model
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.model_list import ModelList
from vertex_compat.upstream.transport import HttpTransport

PUBLIC = "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json"

FIELDS = {
    "max_input_tokens": ("context_window", 1),
    "max_output_tokens": ("max_output_tokens", 1),
    "deprecation_date": ("retires", 1),
    "input_cost_per_token": ("price.input", 1e6),
    "output_cost_per_token": ("price.output", 1e6),
    "cache_read_input_token_cost": ("price.cached_input", 1e6),
    "cache_creation_input_token_cost": ("price.cache_write", 1e6),
    "input_cost_per_million_tokens": ("price.input", 1),
    "output_cost_per_million_tokens": ("price.output", 1),
    "cache_read_input_cost_per_million_tokens": ("price.cached_input", 1),
    "cache_creation_input_cost_per_million_tokens": ("price.cache_write", 1),
}
"""The other catalogue's field → ours, and the factor between them."""

BODIES: dict[str, Any] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "completions": {"prompt": "Hi"},
    "embeddings": {"input": ["Hi"]},
    "images": {"prompt": "A cat"},
    "music": {"input": "A waltz"},
    "ocr": {"document": {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0KGgo="}},
    "rerank": {"query": "blue", "documents": [{"content": "sky"}]},
    "speech": {"input": "Hi"},
    "transcriptions": {"audio": {"mime": "audio/wav", "data": ""}, "response_format": "json"},
    "videos": {"prompt": "A cat", "seconds": "8", "size": "1280x720"},
}
"""A request for each operation of a publisher."""


def compare(public: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield differences to LiteLLM's catalogue, and the models that only it has."""
    for key, entry in public.items():
        if not str(entry.get("litellm_provider", "")).startswith("vertex_ai"):
            continue
        name = key.removeprefix("vertex_ai/")
        try:
            model = model_names.resolve(name)
        except errors.NotFound:
            yield f"{name}: resolves to no model here"
            continue
        if not model.profile.source:
            if catalog.CATALOG.replacement(name) is None:
                yield f"{name}: not in the catalog"
            continue
        yield from _differences(name, model.profile, entry)


def _differences(name: str, profile: Any, entry: dict[str, Any]) -> Iterator[str]:
    for field_name, (path, factor) in FIELDS.items():
        if not entry.get(field_name):  # a price of 0 stands for none
            continue
        catalog_entry: Any = profile
        for part in path.split("."):
            catalog_entry = getattr(catalog_entry, part, None)
        value = entry[field_name]
        expected = str(value) if field_name == "deprecation_date" else round(value * factor, 9)
        catalog_value = str(catalog_entry) if field_name == "deprecation_date" else catalog_entry
        if catalog_entry is None or catalog_value != expected:
            yield f"{name}: {path} is {catalog_entry}, {field_name} says {expected}"


def table(names: Iterable[str]) -> Iterator[str]:
    """Yield the rows of a Markdown table of names, as the function answers them."""
    yield "| name | publisher | method | location | operations | retirement |"
    yield "|---|---|---|---|---|---|"
    for name in names:
        try:
            model = model_names.resolve(name)
        except errors.NotFound as error:
            yield f"| {name} | – | – | – | – | {error.message.partition('. Names')[0]} |"
            continue
        profile = model.profile
        successor = catalog.CATALOG.replacement(name)
        retirement = f"{profile.retires or ''}{f' → {successor}' if successor else ''}"
        operations = ", ".join(profile.operations)
        location = model.locations[0]
        yield f"| {name} | {model.publisher} | {_method(model)} | {location} | {operations} | {retirement} |"


def _method(model: Model) -> str:
    """Return the last part of the path that a request of the model's first operation is sent to."""
    publisher = PUBLISHERS[model.publisher]
    for operation in model.profile.operations or ("chat",):
        adapter = getattr(publisher, operation, None)
        if operation in BODIES and adapter:
            adapter = adapter.whole if operation == "speech" else adapter
            start = adapter.start if operation == "videos" else adapter.request
            calls = start(BODIES[operation], model)
            path = (calls[0] if isinstance(calls, list) else calls).path
            return str(path.rpartition(":")[2] if ":" in path else path.partition("/")[2])
    return "–"


def unlisted(project: str) -> Iterator[str]:
    """Yield the models that Vertex lists and the catalog does not have."""
    settings = Settings(project=project)
    transport = HttpTransport(settings, Credentials())
    listed = ModelList(transport, Router(settings.routing, project, None)).names()
    names = {catalog.client_name(name) for name in catalog.data().models}
    for name in listed:
        if name not in names and name.partition("@")[0] not in names and not name[-1].isdecimal():
            yield f"{name}: listed by Vertex, not in the catalog"


def _parse(text: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a catalogue by name: LiteLLM's object, or a line for each."""
    if not text.startswith('{"name"'):
        return dict(json.loads(text))
    entries = [json.loads(line) for line in text.splitlines() if line]
    return {entry["name"]: {"litellm_provider": "vertex_ai", **entry} for entry in entries}


def main() -> int:
    """Print the differences; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--public", default=PUBLIC, help="file or URL (default: LiteLLM's, on GitHub)")
    parser.add_argument("--project", help="read Vertex's list of models as this project")
    parser.add_argument("--table", action="store_true", help="print a table of all names instead")
    options = parser.parse_args()
    if options.public.startswith("https://"):
        text = requests.get(options.public, timeout=30).text
    else:
        text = Path(options.public).read_text(encoding="utf-8")
    public = _parse(text)
    if options.table:
        print("\n".join(table(public)))  # noqa: T201  (a command)
        return 0
    lines = [*compare(public), *(unlisted(options.project) if options.project else ())]
    print("\n".join(lines) or "No differences.")  # noqa: T201  (a command)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
