"""Hosts of Vertex AI by location, and the names that a location may have."""

import pytest
from helpers.fixtures import RecordingTransport, function, post, question
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import vertex


@pytest.mark.parametrize(
    ("location", "base"),
    [
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("northamerica-northeast1", "https://northamerica-northeast1-aiplatform.googleapis.com"),
        ("me-central2", "https://me-central2-aiplatform.googleapis.com"),
        ("europe-west10", "https://europe-west10-aiplatform.googleapis.com"),
    ],
)
def test_a_location_has_a_host(location, base):
    assert vertex.is_location(location)
    assert vertex.base_url(location) == base


@pytest.mark.parametrize(
    "name",
    [
        "",
        "asia",
        "us-central",
        "us-central1/",
        "us-central1.evil.example",
        "us-central1@evil",
        "US-CENTRAL1",
        "global\n",
        "us-central1\n",
        "eu/../us",
        "-central1",
        "us--central1",
        "us-central123",
        "ü-west1",
        "us-central１",
    ],
)
def test_invalid_location_is_refused(name):
    assert not vertex.is_location(name)


@given(st.text() | st.from_regex(r"[a-z]+-[a-z]+[0-9]+[./@:?#\\-]?[a-z]*"))
def test_no_location_leads_to_another_host(name):
    if vertex.is_location(name):
        host = vertex.base_url(name).removeprefix("https://")
        assert host.endswith(("aiplatform.googleapis.com", ".rep.googleapis.com"))
        assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


@pytest.mark.parametrize("project", ["my-project", "a12345", "123456789012", "example.com:my-project"])
def test_a_project_has_an_id_or_a_number(project):
    assert vertex.is_project(project)


@pytest.mark.parametrize(
    "project", ["", "a", "My-Project", "my_project", "my project", "../x", "p/q", "p?q", "-abcdef", "abcdef-"]
)
def test_invalid_project_is_refused(project):
    assert not vertex.is_project(project)


@pytest.mark.parametrize(
    ("model", "location"),
    [
        ("gemini-3.8-flash", "global"),
        ("gemini-1.5-pro", "us-central1"),
        ("claude-sonnet-5-5", "global"),
        ("claude-3-5-haiku", "us-east5"),
        ("mistral-medium-3", "us-central1"),
        ("codestral-2", "us-central1"),
        ("jamba-1.5-large", "us-central1"),
        ("meta/llama-3.3-70b-instruct-maas", "us-central1"),
        ("meta/llama-4-scout-17b-16e-instruct-maas", "us-east5"),
        ("deepseek-ai/deepseek-r1-0528-maas", "us-central1"),
        ("deepseek-ai/deepseek-v3.1-maas", "us-central1"),
        ("deepseek-ai/deepseek-v4.1-flash-maas", "global"),
        ("qwen/qwen3-coder-480b-a35b-instruct-maas", "global"),
        ("zai-org/glm-5.2-maas", "global"),
        ("xai/grok-4.1-fast-reasoning", "global"),
        ("projects/my-project/locations/europe-west1/endpoints/77", "europe-west1"),
    ],
)
def test_a_model_is_called_first_where_it_is_offered(model, location):
    assert locations_of(model)[0] == location


@pytest.mark.parametrize(
    "model", ["gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3", "meta/llama-4-x-maas"]
)
def test_a_location_that_the_operator_has_set_is_the_law(model):
    assert locations_of(model, GOOGLE_CLOUD_LOCATION="europe-west4") == ("europe-west4",)
    assert locations_of(model, VERTEXAI_LOCATION="eu") == ("eu",)


def locations_of(model, **env):
    notes = RecordingTransport()
    post(function(notes, **env), question("google", model=model))
    (locations,) = {entry.locations for entry in notes.models}
    assert all(vertex.is_location(location) for location in locations)
    return locations
