"""Compare the catalog with Vertex's own lists and with a public catalogue: `python -m tests.catalog_check`.

It needs a network, so it is no test. The public catalogue is LiteLLM's; `--public` names a file or another
URL. With Application Default Credentials and `--project`, Vertex's list of publisher models is read as well.
It prints one line for each difference and exits with 1 if there is one; who reads it decides who is right.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from vertex_compat import errors
from vertex_compat.config.settings import Settings
from vertex_compat.routing import catalog, model_names
from vertex_compat.routing.router import Router
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
}
"""LiteLLM's field → ours, and the factor between them."""


def compare(public: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield what differs from LiteLLM's catalogue, for the models that both have, and what only it has."""
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
    for theirs, (path, factor) in FIELDS.items():
        if not entry.get(theirs):  # a price of 0 stands for none
            continue
        ours: Any = profile
        for part in path.split("."):
            ours = getattr(ours, part, None)
        value = entry[theirs]
        expected = str(value) if theirs == "deprecation_date" else round(value * factor, 9)
        known = str(ours) if theirs == "deprecation_date" else ours
        if ours is None or known != expected:
            yield f"{name}: {path} is {ours}, {theirs} says {expected}"


def unlisted(project: str) -> Iterator[str]:
    """Yield the models that Vertex lists and the catalog does not have."""
    settings = Settings(project=project)
    transport = HttpTransport(settings, Credentials())
    listed = ModelList(transport, Router(settings.routing, project, None)).names()
    known = {catalog.client_name(name) for name in catalog.data().models}
    for name in listed:
        if name not in known and name.partition("@")[0] not in known and not name[-1].isdecimal():
            yield f"{name}: listed by Vertex, not in the catalog"


def main() -> int:
    """Print the differences; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--public", default=PUBLIC, help="file or URL (default: LiteLLM's, on GitHub)")
    parser.add_argument("--project", help="read Vertex's list of models as this project")
    options = parser.parse_args()
    if options.public.startswith("https://"):
        public = requests.get(options.public, timeout=30).json()
    else:
        public = json.loads(Path(options.public).read_text(encoding="utf-8"))
    lines = [*compare(public), *(unlisted(options.project) if options.project else ())]
    print("\n".join(lines) or "No differences.")  # noqa: T201  (a command)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
