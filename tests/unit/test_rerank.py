"""`/rerank`, as Cohere's and Jina's clients call it."""

import cohere
import httpx
import pytest
from helpers.fixtures import post
from helpers.server import app_with_emulator

from vertex_compat import vertex
from vertex_compat.publishers.google import ranking
from vertex_compat.types import UpstreamCall

DOCUMENTS = ["Grass is green.", "The sky is blue.", "Snow is white."]


def rerank(app, documents, path="/v1/rerank", **params):
    body = {"model": "semantic-ranker-default-004", "query": "blue sky", "documents": documents}
    return post(app, body | params, path)


def test_cohere_s_client_reads_the_ranking(front_door):
    with httpx.Client() as http:
        client = cohere.ClientV2(api_key="sk-test", base_url=front_door.url, httpx_client=http)
        ranked = client.rerank(model="rerank-v3.5", query="blue sky", documents=DOCUMENTS, top_n=2)
    assert [(result.index, result.relevance_score) for result in ranked.results] == [(1, 1.0), (0, 0.0001)]
    assert ranked.meta.billed_units.search_units == 1


def test_documents_come_back_on_request(app):
    answer = rerank(app, DOCUMENTS, top_n=1, return_documents=True)
    assert answer.json["results"] == [
        {"index": 1, "relevance_score": 1.0, "document": {"text": "The sky is blue."}}
    ]
    assert answer.headers["x-vertex-compat-target"].startswith("google/semantic-ranker-default-004")


def test_fields_of_objects_are_ranked(app, emulator):
    documents = [{"title": "Sky", "text": "It is blue."}, {"text": "Grass"}]
    assert rerank(app, documents).json["results"][0]["index"] == 0
    assert emulator.calls[-1].json["records"][0] == {"id": "0", "title": "Sky", "content": "It is blue."}
    rerank(app, [{"a": "sky", "b": "blue"}], rank_fields=["b", "a"])
    assert emulator.calls[-1].json["records"] == [{"id": "0", "content": "b: blue\na: sky"}]


def test_more_documents_than_a_call_takes_are_ranked_together(app, emulator):
    documents = ["grass"] * ranking.MAX_RECORDS + ["the sky is blue"]
    answer = rerank(app, documents, path="/v2/rerank", top_n=1)
    assert answer.json["results"] == [{"index": ranking.MAX_RECORDS, "relevance_score": 1.0}]
    assert answer.json["meta"]["billed_units"] == {"search_units": 2}
    assert len(emulator.calls) == 2


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"documents": []}, "documents"),
        ({"documents": [{"title": ""}]}, "documents[0]"),
        ({"documents": ["a"], "top_n": 0}, "top_n"),
        ({"documents": ["a"], "query": ""}, "query"),
    ],
)
def test_a_wrong_parameter_is_named(app, params, param):
    answer = post(app, {"model": "semantic-ranker-fast", "query": "a"} | params, "/rerank")
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == param


def test_model_that_does_not_rank_is_an_error(app):
    answer = rerank(app, ["a"], model="gemini-3.8-flash")
    assert answer.status_code == 404
    assert "does not rerank" in answer.json["error"]["message"]


def test_ranking_keeps_to_the_location_of_the_settings(emulator):
    app = app_with_emulator(emulator, GOOGLE_CLOUD_LOCATION="europe-west4")
    assert rerank(app, ["a"]).status_code == 200
    assert "/locations/eu/rankingConfigs/" in emulator.calls[-1].path
    app = app_with_emulator(emulator, GOOGLE_CLOUD_LOCATION="asia-northeast1")
    assert rerank(app, ["a"]).json["error"]["code"] == "location_not_supported"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "https://discoveryengine.googleapis.com"),
        ("us-central1", "https://us-discoveryengine.googleapis.com"),
        ("eu", "https://eu-discoveryengine.googleapis.com"),
    ],
)
def test_locations_have_hosts_of_their_own(location, host):
    call = UpstreamCall("rankingConfigs/x:rank", {}, service="discoveryengine")
    assert vertex.url(call, "p", location, {}).startswith(f"{host}/v1/projects/p/locations/")
