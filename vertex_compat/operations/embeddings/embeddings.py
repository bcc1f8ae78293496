"""`POST /embeddings`: one vector for each text, in as many calls as Vertex AI needs.

A vector is encoded as soon as it has been received, so only the encoded form of thousands is held in memory.
"""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec

from vertex_compat import errors
from vertex_compat.operations import model_calls, unary_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.embeddings import embeddings_schema
from vertex_compat.operations.request import body, token_ids
from vertex_compat.publishers.google.multimodal_embeddings import file as embedded_file
from vertex_compat.server.request_log import RequestLog
from vertex_compat.types import JSON, Embedding, Model, Usage

if TYPE_CHECKING:
    from vertex_compat.operations import answer_types as wire

MAX_PARALLEL_CALLS: Final = 32
"""Calls that one request makes in parallel: they are small, and some models take one text a call."""


def _prompts(params: JSON, model: Model) -> dict[str, list[str]]:
    if model.profile.embedding_method != "predict":
        for number, text in enumerate(params["input"]):
            if embedded_file(text, param := f"input[{number}]"):
                raise errors.Forbidden(
                    f"{params['model'][:200]!r} is checked by Model Armor, which checks texts, not files.",
                    param=param,
                )
    return {"input": params["input"]}


EMBEDDING: Final = unary_calls.UnaryOperation(
    model_calls.Operation(lambda publisher: publisher.embeddings, "embed", frozenset({"embeddings"})),
    _prompts,
    max_parallel_calls=MAX_PARALLEL_CALLS,
)

EncodedVector: TypeAlias = str | msgspec.Raw
"""A vector in the form of the response: base64, or a JSON list."""


class _EncodedCall(NamedTuple):
    """The encoded vectors of one call, and the tokens and seconds of their inputs."""

    vectors: list[EncodedVector]
    tokens: int
    seconds: float


def create(context: RequestContext) -> Response:
    """Answer one request for embeddings."""
    params = parse(context.body)
    encode = _base64 if params.get("encoding_format") == "base64" else _floats

    def respond(results: list[_EncodedCall], headers: dict[str, str]) -> Response:
        vectors = [vector for result in results for vector in result.vectors]
        if len(vectors) != len(params["input"]):
            raise errors.UpstreamFault(
                f"Vertex AI returned {len(vectors)} embeddings for {len(params['input'])} inputs."
            )
        tokens = sum(result.tokens for result in results)
        log_counts(context.log, tokens, sum(result.seconds for result in results))
        return Response(embedding_list(vectors, tokens, params["model"]), headers)

    return unary_calls.call_unary(
        context, params, EMBEDDING, lambda embeddings: _encode(embeddings, encode), respond
    )


def log_counts(log: RequestLog, tokens: int, seconds: float = 0) -> None:
    """Note what Vertex AI has counted: tokens, or seconds of videos instead of their estimate."""
    if tokens:
        log.usages["embeddings"] = Usage(tokens, 0)
    if log.units:
        log.units = log.units._replace(seconds=seconds)


def parse(content: bytes) -> JSON:
    """Return the validated request; its input is a list of texts."""
    params = body.drop_nulls(body.decode(content, embeddings_schema.Embeddings))
    params["input"] = token_ids.texts(params["input"], "input")
    return params


def embedding_list(vectors: Sequence[object], tokens: int, model: str) -> wire.CreateEmbeddingResponse:
    """Return OpenAI's list of embeddings; `vectors` have the form of the response."""
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encode(embeddings: list[Embedding], encode: Callable[[list[float]], EncodedVector]) -> _EncodedCall:
    return _EncodedCall(
        [encode(embedding.values) for embedding in embeddings],
        sum(embedding.tokens for embedding in embeddings),
        sum(embedding.seconds for embedding in embeddings),
    )


def _floats(values: list[float]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(values))


def _base64(values: list[float]) -> str:
    """32-bit floats, little-endian."""
    numbers = array.array("f", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers).decode()
