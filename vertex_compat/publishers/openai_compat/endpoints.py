"""Models that the user has deployed in containers with OpenAI's chat API (vLLM, TGI).

https://cloud.google.com/vertex-ai/generative-ai/docs/open-models/use-hex-llm and
https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview. The endpoint decides the model,
so the body's `model` is empty. The settings can name the model that the container serves.

A model that was uploaded with the `invokeRoutePrefix` `/*` is reached by its container's own paths alone,
below `invoke/`. That way vLLM counts tokens, too:
https://cloud.google.com/vertex-ai/docs/predictions/use-arbitrary-custom-routes.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.publishers.openai_compat import maas, thinking_tags
from vertex_compat.types import JSON, ChatAdapter, Model, RawBody, TokenCounter, UpstreamCall

_COUNT_FIELDS: Final = frozenset({"chat_template", "chat_template_kwargs", "messages", "model", "tools"})
"""Fields of a chat request that vLLM's `/tokenize` has, too."""


def request(params: JSON, model: Model) -> UpstreamCall:
    """Translate the parameters as for MaaS models, and request a stream's token counts."""
    call = maas.request(params, model)
    body = {**call.body, "model": model.served_name or ""}
    if params.get("stream"):
        body["stream_options"] = {"include_usage": True}
    if model.invoke:
        return replace(call, path=container_path(model, "v1/chat/completions"), version="v1", body=body)
    return replace(call, body=body)


def container_path(model: Model, path: str) -> str:
    """Return the path of a call to `path` of the model's container."""
    return f"{model.resource}/invoke/{path}"


def count_request(params: JSON, model: Model) -> UpstreamCall:
    """Return the call to vLLM that counts the tokens of a chat body; raises `NotFound`."""
    if not model.invoke:
        raise errors.NotFound(
            f"{model.requested_name[:200]!r} does not count tokens: its endpoint has no method for it. Only "
            "vLLM counts them, on an endpoint whose settings say `invoke = true`.",
            param="model",
            code="model_not_found",
        )
    call = request({name: value for name, value in params.items() if name != "stream"}, model)
    fields = {name: value for name, value in call.body.items() if name in _COUNT_FIELDS}
    return UpstreamCall(container_path(model, "tokenize"), fields)


def _no_relay(_: RawBody, model: Model) -> UpstreamCall:
    """Never called: no client API has the container's own wire as its."""
    raise NotImplementedError(model.resource)


def _count(body: JSON) -> int:
    count = body.get("count")
    if not isinstance(count, int):
        raise errors.UpstreamFault("The endpoint's answer is not a number of tokens.")
    return count


CHAT: Final = ChatAdapter(request, thinking_tags.response, thinking_tags.stream, supports_n=True)
TOKEN_COUNTS: Final = TokenCounter(count_request, _no_relay, _count)
