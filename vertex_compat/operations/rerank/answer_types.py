"""The JSON of rankings that clients get, in Cohere's form.

https://docs.cohere.com/reference/rerank. Types for mypy only: no module imports this one when the function
runs.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from vertex_compat.types import JSON


class RerankResponseResultsItem(TypedDict):
    """A ranked document; `document` is the client's, or its text, if the client wants it back."""

    index: int
    relevance_score: float
    document: NotRequired[JSON]


class ApiMetaApiVersion(TypedDict):
    """The version of Cohere's API."""

    version: str


class ApiMetaBilledUnits(TypedDict):
    """The quantities that are charged for."""

    search_units: int


class ApiMeta(TypedDict):
    """Facts about the request."""

    api_version: ApiMetaApiVersion
    billed_units: ApiMetaBilledUnits


class RerankResponse(TypedDict):
    """The answer of `/rerank`; `object` and `model` are Jina's."""

    id: str
    object: Literal["list"]
    model: str
    results: list[RerankResponseResultsItem]
    meta: ApiMeta
