"""Llama, DeepSeek, Qwen, gpt-oss, Grok and every other model behind `endpoints/openapi`.

https://cloud.google.com/vertex-ai/generative-ai/docs/maas/use-open-models. Each runs on a server of its own
kind, so what is not known here goes on as it is.
"""

from __future__ import annotations

import re
from typing import Final

from vertex_compat.publishers import chat_messages, tools
from vertex_compat.publishers.chat_messages import Media
from vertex_compat.publishers.openai_compat import openai_request, thinking_tags
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, Model, Publisher, UpstreamCall

PARAMETERS: Final = ParameterTable(
    renamed={
        name: name
        for name in (
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "n",
            "presence_penalty",
            "reasoning_effort",
            "response_format",
            "seed",
            "temperature",
            "top_k",
            "top_logprobs",
            "top_p",
        )
    },
    handled=tools.PARAMETERS | {"max_completion_tokens", "max_tokens", "messages", "stop"},
    ignored=openai_request.NEVER_SENT | {"prediction"},
    refused=frozenset({"audio", "modalities", "web_search_options"}),
    pass_unknown=True,
)

LACKS: Final = (("meta/", frozenset({"reasoning_effort"})),)
"""How a name begins → the parameters that its server refuses.

https://cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis
"""

WANTS_ITS_THOUGHTS: Final = ("deepseek-ai/", "minimaxai/", "moonshotai/", "zai-org/")
"""Models that think between calls, and read their `reasoning_content` again: their makers' API documents."""

WRITES_TAGS: Final = re.compile(r"deepseek-ai/deepseek-r1|minimaxai/minimax-m2|qwen/.*-thinking")
"""Models that begin with `<think>`, by their model cards. A server that parts the thoughts leaves none."""


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → the same, for a server that knows fewer of its words."""
    sent, ignored = PARAMETERS.apply(body)
    for begin, lacking in LACKS:
        if model.name.startswith(begin):
            ignored += [name for name in sent if name in lacking]
            sent = {name: value for name, value in sent.items() if name not in lacking}
    turns = chat_messages.read(body["messages"])
    given = tools.read(body)
    ignored += tools.unused_tool_params(body)
    messages = openai_request.messages(turns, file=_file, reasoning=model.name.startswith(WANTS_ITS_THOUGHTS))
    sent |= {"model": model.name, "messages": messages, **openai_request.shaped(body)}
    sent |= openai_request.offered(given)
    return UpstreamCall(
        f"{model.resource}/chat/completions",
        sent,
        "v1beta1",
        ignored=tuple(ignored),
        tool_names=openai_request.names(given, turns),
        reasoning_tags=model.reasoning_tags or WRITES_TAGS.match(model.name) is not None,
    )


def _file(media: Media) -> JSON:
    """A file as the client gave it, less the keys of other dialects."""
    match media.kind:
        case "image":
            return openai_request.image(media)
        case "file":
            return openai_request.no_file(media)
    kind = media.raw["type"]
    return {"type": kind, kind: media.raw[kind]}


PUBLISHER: Final = Publisher(
    "openapi", chat=ChatAdapter(request, thinking_tags.response, thinking_tags.stream, supports_n=True)
)
