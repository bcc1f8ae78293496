"""What the operations by `generateContent` other than chat share: a turn of the user's."""

from __future__ import annotations

from vertex_compat.publishers.google.chat import options
from vertex_compat.types import JSON, Model, UpstreamCall


def call(parts: list[JSON], config: JSON, body: JSON, model: Model, ignored: list[str]) -> UpstreamCall:
    """The call for one turn of the user's, with what `body` says in Google's own words."""
    sent: JSON = {"contents": [{"role": "user", "parts": parts}]}
    said = options.read(body, ignored)
    options.place(said, sent, config)
    ignored += [name for name in said if name not in options.CONFIG and name not in options.REQUEST]
    sent["generationConfig"] = config
    method = "streamGenerateContent?alt=sse" if body.get("stream") else "generateContent"
    return UpstreamCall(f"{model.resource}:{method}", sent, "v1beta1", ignored=tuple(ignored))
