"""The Gemini API's `:embedContent` and `:batchEmbedContents`, for every publisher.

https://ai.google.dev/api/embeddings. A request becomes one of `/embeddings`. A batch is translated as a
whole, so its requests may differ in their contents only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations import unary_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.embeddings.embeddings import EMBEDDING, log_counts
from vertex_compat.operations.generate_content.generate_content_schema import BatchEmbedContents, EmbedContent
from vertex_compat.operations.generate_content.input_contents import camel_case
from vertex_compat.operations.request import body
from vertex_compat.operations.request.chat_request import ParamNames, rename_param
from vertex_compat.types import JSON, Embedding

if TYPE_CHECKING:
    from vertex_compat.operations.generate_content import answer_types as wire

MAX_REQUESTS: Final = 2048

OPTIONS: Final = {
    "autoTruncate": "auto_truncate",
    "outputDimensionality": "dimensions",
    "taskType": "task_type",
    "title": "title",
}
"""Field of a request → parameter of `/embeddings`."""

_ORIGINS: Final = {name: field for field, name in OPTIONS.items()}


def embed(context: RequestContext) -> Response:
    """Embed one content."""
    params = _decode(context, EmbedContent)
    return _respond(context, [params], ["content"], _one_embedding)


def embed_batch(context: RequestContext) -> Response:
    """Embed many contents."""
    requests = _decode(context, BatchEmbedContents)["requests"]
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise errors.BadRequest(f"'requests' takes from 1 to {MAX_REQUESTS} requests.", param="requests")
    paths = [f"requests[{number}].content" for number in range(len(requests))]
    return _respond(context, requests, paths, _embedding_batch)


def _one_embedding(vectors: list[wire.ContentEmbedding]) -> wire.EmbedContentResponse:
    return {"embedding": vectors[0]}


def _embedding_batch(vectors: list[wire.ContentEmbedding]) -> wire.BatchEmbedContentsResponse:
    return {"embeddings": vectors}


def _decode(context: RequestContext, schema: type[msgspec.Struct]) -> JSON:
    params: JSON = camel_case(body.decode(context.body, body.AnyObject))
    body.validate(params, schema)
    return params


def _respond(
    context: RequestContext,
    requests: list[JSON],
    paths: list[str],
    write: Callable[[list[wire.ContentEmbedding]], Mapping[str, object]],
) -> Response:
    """Embed the contents of `requests`; `paths` are their positions in the client's body."""
    params = {"model": context.path_args["model"], **_options(requests)}
    params["input"] = [
        _input(request["content"], path, context) for request, path in zip(requests, paths, strict=True)
    ]

    def respond(results: list[list[Embedding]], headers: dict[str, str]) -> Response:
        embeddings = [embedding for result in results for embedding in result]
        if len(embeddings) != len(requests):
            raise errors.UpstreamFault(
                f"Vertex AI returned {len(embeddings)} embeddings for {len(requests)} contents."
            )
        tokens, seconds = (
            sum(embedding.tokens for embedding in embeddings),
            sum(embedding.seconds for embedding in embeddings),
        )
        log_counts(context.log, tokens, seconds)
        return Response(write([{"values": embedding.values} for embedding in embeddings]), headers)

    origins = {f"input[{number}]": path for number, path in enumerate(paths)} | _ORIGINS
    names = ParamNames({"input": paths[0].partition("[")[0], **origins})
    try:
        return unary_calls.call_unary(context, params, EMBEDDING, lambda embeddings: embeddings, respond)
    except (errors.BadRequest, errors.Forbidden) as error:
        rename_param(error, names)
        raise


def _options(requests: list[JSON]) -> JSON:
    """The options that all requests share."""
    options = [
        {name: request[field] for field, name in OPTIONS.items() if field in request} for request in requests
    ]
    if any(option != options[0] for option in options):
        raise errors.BadRequest(
            "The requests of a batch must have the same taskType, title and outputDimensionality.",
            param="requests",
            code="unsupported_value",
        )
    return options[0]


def _input(content: JSON, path: str, context: RequestContext) -> str:
    """Return the text of a content, or its file as a data URI or `gs://` URI."""
    parts = content.get("parts") or []
    if any("inlineData" in part or "fileData" in part for part in parts):
        if len(parts) != 1:
            raise errors.BadRequest(
                f"'{path}' must be texts or one file: send each file as a content of its own.",
                param=path,
                code="unsupported_value",
            )
        return _file(parts[0], path, context)
    texts = [part["text"] for part in parts if part.get("text")]
    if not texts:
        raise errors.BadRequest(f"'{path}' has no text to embed.", param=path, code="invalid_value")
    return "\n".join(texts)


def _file(part: JSON, path: str, context: RequestContext) -> str:
    name = context.path_args["model"]
    if context.router.candidates(name)[0].profile.embedding_method == "predict":
        raise errors.BadRequest(f"{name[:200]!r} embeds texts only.", param=path, code="unsupported_value")
    if blob := part.get("inlineData"):
        return f"data:{blob['mimeType']};base64,{blob['data']}"
    uri: str = part["fileData"]["fileUri"]
    if not uri.startswith("gs://"):
        raise errors.BadRequest(
            f"The file of '{path}' must be inline, or a gs:// URI.", param=path, code="unsupported_value"
        )
    return uri
