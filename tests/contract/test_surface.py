"""`/openapi.json`: valid, complete, and what the running function does, whatever is sent."""

import os

import pytest
import requests
import schemathesis
from helpers.fixtures import RecordingTransport, function
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from vertex_compat import routes

DOCUMENT = function(RecordingTransport()).get("/openapi.json").json
OPERATIONS = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods]
MAX_ITEMS = 1000
"""Of an array that is made to try its limit, if not all is tried: one of 10,000 messages has 80 megabytes."""

BOUNDED = settings(
    max_examples=int(os.environ.get("EXAMPLES", "4")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_description_is_valid_openapi_3_1():
    assert not list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors())


def test_description_has_every_operation():
    documented = {tuple(operation.split(" ")) for operation in OPERATIONS}
    there = {
        (method, path.replace("<path:", "{").replace("<", "{").replace(">", "}"))
        for method, path in routes.TABLE
    }
    assert documented == there


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/openapi.json"])
def test_description_needs_no_key(path):
    app = function(
        RecordingTransport(), VERTEX_COMPAT_API_KEYS="sk-one-0123456789", K_SERVICE="vertex-compat"
    )
    assert app.get(path).status_code == 200
    assert function(RecordingTransport(), K_SERVICE="vertex-compat").get(path).status_code == 401


def test_operations_described_with_a_key_need_one():
    app = function(RecordingTransport(), VERTEX_COMPAT_API_KEYS="sk-one-0123456789")
    for path, methods in DOCUMENT["paths"].items():
        for method, described in methods.items():
            status = app.open(path.replace("{", "").replace("}", ""), method=method.upper()).status_code
            assert (status == 401) == (described.get("security") != [])


@pytest.fixture
def storing(serve):
    """All operations, on an emulator."""
    return serve(GCS_BUCKET_NAME="emulated-bucket")


@pytest.fixture(scope="module")
def session():
    """Connections that are kept: a new one costs more than one of the 12,000 requests."""
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


def without_large_limits(value):
    """A schema without `maxItems` above MAX_ITEMS."""
    if isinstance(value, dict):
        schema = {name: without_large_limits(inner) for name, inner in value.items()}
        if isinstance(limit := schema.get("maxItems"), int) and limit > MAX_ITEMS:
            del schema["maxItems"]
        return schema
    return [*map(without_large_limits, value)] if isinstance(value, list) else value


EXHAUSTIVE = settings(BOUNDED, max_examples=max(BOUNDED.max_examples, 12))


@pytest.fixture(scope="session")
def surface(exhaustive):
    """The operations by their names, and the document that they are of."""
    schema = schemathesis.openapi.from_dict(DOCUMENT if exhaustive else without_large_limits(DOCUMENT))
    return schema, {result.ok().label: result.ok() for result in schema.get_all_operations()}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_responses_match_the_description_for_any_request(operation, surface, storing, session, exhaustive):
    schema, operations = surface

    @EXHAUSTIVE if exhaustive else BOUNDED
    def check(case):
        answer = case.call(base_url=storing.url, session=session, timeout=20)
        if not (answer.status_code == 502 and "The endpoint answered something" in answer.text):
            # An endpoint's number is a model's name, and no endpoint of the emulator's embeds.
            case.validate_response(answer, checks=CHECKS)

    # As `schema.parametrize()`, which builds the cases of all operations in each worker, at collection.
    config = HypothesisTestConfig(project=schema.config, modes=[*HypothesisTestMode])
    create_test(operation=operations[operation], test_func=check, config=config)()
