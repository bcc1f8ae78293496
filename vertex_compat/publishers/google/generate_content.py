"""A request of one user turn, for the operations that call `generateContent`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from vertex_compat.publishers.google.chat import options
from vertex_compat.types import JSON, ClientRequest, Model, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire


_MAX_SEED: Final = 2**31


def call(
    parts: list[wire.Part],
    config: wire.GenerationConfig,
    body: JSON,
    model: Model,
    ignored: Iterable[str],
) -> UpstreamCall:
    """Return the call for one user turn, with the client's options in Google's own words.

    `ignored` are names of parameters in `body` that are not sent as they came.
    """
    request = ClientRequest(body, model)
    request.ignore(*ignored)
    upstream_body: wire.GenerateContentRequest = {"contents": [{"role": "user", "parts": parts}]}
    native = options.read(request)
    options.merge_into(native, upstream_body, config)
    sent_options = options.CONFIG.keys() | options.REQUEST.keys()
    sent_options |= {"thinking_config"} if "thinkingConfig" in config else set()
    request.ignore(*(name for name in native if name not in sent_options))
    if config:
        upstream_body["generationConfig"] = config
    method = "streamGenerateContent?alt=sse" if body.get("stream") else "generateContent"
    return UpstreamCall(f"{model.resource}:{method}", upstream_body, "v1beta1", ignored=request.ignored)


def seed(value: int) -> int:
    """Return a seed of 32 bits: a larger one becomes another, always the same."""
    return value if -_MAX_SEED <= value < _MAX_SEED else value % _MAX_SEED


def with_style(instructions: str, text: str) -> str:
    """Return a text to be spoken with instructions before it, as older speech models take them."""
    style = instructions.strip().rstrip(".:")
    return f"{style}: {text}" if style else text
