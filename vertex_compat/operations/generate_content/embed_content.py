"""The Gemini API's embeddings for every publisher: `:embedContent` and `:batchEmbedContents`.

https://ai.google.dev/api/embeddings. A request becomes one of `/embeddings`. A batch is translated as a
whole, so its requests may differ in their contents only.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.embeddings.embeddings import EMBEDDING, MAX_PARALLEL_CALLS, log_counts
from vertex_compat.operations.generate_content.generate_content_schema import BatchEmbedContents, EmbedContent
from vertex_compat.operations.generate_content.input_contents import camel_case
from vertex_compat.operations.request import body
from vertex_compat.types import JSON, Embedding

MAX_REQUESTS = 2048

OPTIONS = {
    "autoTruncate": "auto_truncate",
    "outputDimensionality": "dimensions",
    "taskType": "task_type",
    "title": "title",
}
"""Field of a request → parameter of `/embeddings`."""


def embed(context: RequestContext) -> Response:
    """Embed one content."""
    params = _decode(context, EmbedContent)
    return _respond(context, [params], lambda vectors: {"embedding": vectors[0]})


def embed_batch(context: RequestContext) -> Response:
    """Embed many contents."""
    params = _decode(context, BatchEmbedContents)
    if not 1 <= len(params["requests"]) <= MAX_REQUESTS:
        raise errors.BadRequest(f"'requests' takes from 1 to {MAX_REQUESTS} requests.", param="requests")
    return _respond(context, params["requests"], lambda vectors: {"embeddings": vectors})


def _decode(context: RequestContext, schema: type[msgspec.Struct]) -> JSON:
    params: JSON = camel_case(body.decode(context.body, body.AnyObject))
    body.validate(params, schema)
    return params


def _respond(context: RequestContext, requests: list[JSON], write: Any) -> Response:
    options = _options(requests)
    texts = [_text(request, f"requests[{number}].content") for number, request in enumerate(requests)]

    def respond(results: list[list[Embedding]], headers: dict[str, str]) -> Response:
        embeddings = [embedding for result in results for embedding in result]
        log_counts(context.log, sum(one.tokens for one in embeddings))
        return Response(write([{"values": one.values} for one in embeddings]), headers)

    params = {"model": context.path_args["model"], "input": texts, **options}
    return model_calls.call_unary(
        context, params, EMBEDDING, lambda embeddings: embeddings, respond, MAX_PARALLEL_CALLS
    )


def _options(requests: list[JSON]) -> JSON:
    """The options that all requests share."""
    options = [
        {name: request[field] for field, name in OPTIONS.items() if field in request} for request in requests
    ]
    if any(one != options[0] for one in options):
        raise errors.BadRequest(
            "The requests of a batch must have the same taskType, title and outputDimensionality.",
            param="requests",
            code="unsupported_value",
        )
    return options[0]


def _text(request: JSON, param: str) -> str:
    texts = [part["text"] for part in request["content"].get("parts") or () if part.get("text")]
    if not texts:
        raise errors.BadRequest(f"'{param}' has no text to embed.", param=param, code="invalid_value")
    return "\n".join(texts)
