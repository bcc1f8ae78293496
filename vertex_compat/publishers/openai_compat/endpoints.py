"""Models that the user has deployed: containers that speak OpenAI's wire (vLLM, TGI).

https://cloud.google.com/vertex-ai/generative-ai/docs/open-models/use-hex-llm and
https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview. The endpoint says which model,
so the body's `model` is empty, unless the settings know the name that the container gives it.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from vertex_compat.publishers.openai_compat import deployed_embeddings, maas, thinking_tags
from vertex_compat.types import JSON, ChatAdapter, Model, Publisher, UpstreamCall


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → the same. vLLM counts tokens on a stream only when it is asked to."""
    call = maas.request(body, model)
    sent = call.body | {"model": model.served_name or ""}
    if body.get("stream"):
        sent["stream_options"] = {"include_usage": True}
    return replace(call, body=sent)


PUBLISHER: Final = Publisher(
    "endpoints",
    chat=ChatAdapter(request, thinking_tags.response, thinking_tags.stream, supports_n=True),
    embeddings=deployed_embeddings.EMBEDDINGS,
)
