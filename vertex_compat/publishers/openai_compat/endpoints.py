"""Models that the user has deployed in containers with OpenAI's chat API (vLLM, TGI).

https://cloud.google.com/vertex-ai/generative-ai/docs/open-models/use-hex-llm and
https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview. The endpoint decides the model,
so the body's `model` is empty, unless the settings have the name under which the container serves it.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from vertex_compat.publishers.openai_compat import maas, thinking_tags
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall


def request(params: JSON, model: Model) -> UpstreamCall:
    """Translate the parameters as for MaaS models, and request a stream's token counts."""
    call = maas.request(params, model)
    body = call.body | {"model": model.served_name or ""}
    if params.get("stream"):
        body["stream_options"] = {"include_usage": True}
    return replace(call, body=body)


CHAT: Final = ChatAdapter(request, thinking_tags.response, thinking_tags.stream, supports_n=True)
