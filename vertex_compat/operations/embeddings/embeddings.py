"""`POST /embeddings`: as many vectors as texts, in their order, over as many calls as Vertex wants.

A vector is written as soon as it is there, so that of thousands only the written form is held.
"""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.embeddings import embeddings_schema
from vertex_compat.operations.request import body
from vertex_compat.types import JSON, Embedding, Usage

AT_ONCE: Final = 32
"""How many calls one request makes side by side: they are small, and some models take one text a call."""

Written: TypeAlias = str | msgspec.Raw
"""A vector as it stands in the answer."""


def create(context: RequestContext) -> Response:
    """Answer one request for embeddings."""
    given = parse(context.body)
    write = _base64 if given.get("encoding_format") == "base64" else _floats
    answers, headers = model_calls.call_unary(
        context,
        given,
        lambda publisher: publisher.embeddings,
        "embed",
        lambda vectors: _written(vectors, write),
        AT_ONCE,
    )
    vectors = [vector for written, _ in answers for vector in written]
    if len(vectors) != len(given["input"]):
        raise errors.UpstreamFault(
            f"Vertex AI answered {len(vectors)} embeddings for {len(given['input'])} inputs."
        )
    tokens = sum(tokens for _, tokens in answers)
    context.log.usages["embeddings"] = Usage(tokens, 0)
    return Response(listed(vectors, tokens, given["model"]), headers)


def parse(content: bytes) -> JSON:
    """The request, checked; its input is a list of texts."""
    given = body.without_nulls(body.decode(content, embeddings_schema.Embeddings))
    given["input"] = _texts(given["input"])
    return given


def listed(vectors: Sequence[object], tokens: int, model: str) -> JSON:
    """OpenAI's list of vectors, as they are written."""
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _texts(given: str | list[str | int | list[int]]) -> list[str]:
    """The texts; raises `BadRequest` for tokens, since no model here shares OpenAI's numbers for them."""
    texts = [given] if isinstance(given, str) else given
    if not all(isinstance(text, str) for text in texts):
        raise errors.BadRequest(
            "'input' must be a text or a list of texts: Vertex AI's models do not know OpenAI's tokens. "
            "With LangChain's OpenAIEmbeddings, set check_embedding_ctx_length=False.",
            param="input",
            code="invalid_type",
        )
    return [text for text in texts if isinstance(text, str)]


def _written(vectors: list[Embedding], write: Callable[[list[float]], Written]) -> tuple[list[Written], int]:
    return [write(vector.values) for vector in vectors], sum(vector.tokens for vector in vectors)


def _floats(values: list[float]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(values))


def _base64(values: list[float]) -> str:
    """32-bit floats, little-endian."""
    numbers = array.array("f", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers).decode()
