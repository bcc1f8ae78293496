"""The imports of a new process until its first chat: each module costs time at a cold start."""

import json

from helpers.server import run_python

from vertex_compat import routes
from vertex_compat.publishers import PUBLISHERS

FIRST_CHAT = """
import json, sys
import main
from vertex_compat.publishers import PUBLISHERS
PUBLISHERS["{publisher}"].chat
from vertex_compat import routes
routes.load(routes.TABLE["POST", "{path}"])
print(json.dumps([name[14:] for name in sys.modules if name.startswith("vertex_compat.")]))
"""

NOT_FOR_A_CHAT = {
    "cli",
    "error_types",
    "operations.answer_types",
    "operations.audio",
    "operations.batches",
    "operations.chat.answer_types",
    "operations.completions",
    "operations.embeddings",
    "operations.files.bucket",
    "operations.fine_tuning",
    "operations.generate_content",
    "operations.guardrails",
    "operations.images",
    "operations.messages",
    "operations.moderations",
    "operations.ocr",
    "operations.rerank",
    "operations.responses",
    "operations.service",
    "operations.vector_stores",
    "operations.videos",
    "publishers.anthropic.request_types",
    "publishers.google.request_types",
    "publishers.text_to_speech",
    "server.tracing",
    "services",
    "upstream.model_list",
    "upstream.url_fetcher",
}
"""Modules and folders of other operations."""

OF_PUBLISHERS = {
    "google": "publishers.google",
    "anthropic": "publishers.anthropic",
    "mistralai": "publishers.mistral",
    "predictions": "publishers.predict",
}


def loaded(publisher, path="/chat/completions"):
    done = run_python(FIRST_CHAT.format(publisher=publisher, path=path))
    return set(json.loads(done.stdout.splitlines()[-1]))


def within(name, folder):
    return name == folder or name.startswith(f"{folder}.")


def test_first_chat_loads_no_module_of_other_operations():
    for publisher, own in OF_PUBLISHERS.items():
        names = loaded(publisher)
        others = NOT_FOR_A_CHAT | (set(OF_PUBLISHERS.values()) - {own})
        assert {name for name in names if any(within(name, other) for other in others)} == set()
        assert any(within(name, own) for name in names)


def test_start_loads_no_operation_and_no_publisher():
    done = run_python("import sys, main; print(*sys.modules)")
    names = {name.removeprefix("vertex_compat.") for name in done.stdout.split() if "vertex_compat." in name}
    assert {name for name in names if within(name, "publishers")} == set()
    assert {name for name in names if within(name, "operations")} <= {
        "operations",
        "operations.context",
        "operations.resource_rules",
    }
    assert not {"tomllib", "requests", "opentelemetry", "redis"} & set(done.stdout.split())


def test_every_route_names_a_function():
    for route, operation in routes.TABLE.items():
        assert callable(routes.load(operation)), route
        assert operation.__module__ in {"vertex_compat.routes", routes.load(operation).__module__}, route


def test_every_adapter_of_a_publisher_loads():
    for publisher in PUBLISHERS.values():
        for operation, name in publisher.adapters.items():
            assert getattr(publisher, operation) is publisher.load(name)
            assert getattr(publisher, operation) is not None
