"""What the operations by `generateContent` other than chat share: a turn of the user's."""

from __future__ import annotations

from vertex_compat.publishers.google import dialect
from vertex_compat.wire import JSON, Model, UpstreamCall


def call(parts: list[JSON], config: JSON, body: JSON, model: Model, ignored: list[str]) -> UpstreamCall:
    """The call for one turn of the user's, with what `body` says in Google's own words."""
    sent: JSON = {"contents": [{"role": "user", "parts": parts}]}
    for name, value in dialect.read(body, ignored).items():
        field = dialect.camel_name(name)
        if name in dialect.CONFIG:
            theirs = dialect.camel(value)
            config[field] = config.get(field, {}) | theirs if isinstance(theirs, dict) else theirs
        elif name in dialect.REQUEST:
            sent[field] = value if name == "labels" else dialect.camel(value)
        else:
            ignored.append(name)
    sent["generationConfig"] = config
    method = "streamGenerateContent?alt=sse" if body.get("stream") else "generateContent"
    return UpstreamCall(f"{model.resource}:{method}", sent, "v1beta1", ignored=tuple(ignored))
