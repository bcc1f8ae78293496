"""Llama, DeepSeek, Qwen, gpt-oss, Grok and every other model behind `endpoints/openapi`.

https://cloud.google.com/vertex-ai/generative-ai/docs/maas/use-open-models. Each model runs on a server of its
own kind, so parameters that are not known here are sent as they are.
"""

from __future__ import annotations

from typing import Final

from vertex_compat.json_values import member
from vertex_compat.publishers import chat_messages, tools
from vertex_compat.publishers.chat_messages import Media
from vertex_compat.publishers.openai_compat import openai_request, thinking_tags
from vertex_compat.publishers.openai_compat.openai_request import MessageFormat
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, ClientRequest, Model, UpstreamCall

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
            "seed",
            "temperature",
            "top_k",
            "top_logprobs",
            "top_p",
        )
    },
    handled=tools.PARAMETERS | {"max_completion_tokens", "max_tokens", "messages", "response_format", "stop"},
    ignored=openai_request.NEVER_SENT | {"prediction"},
    refused=frozenset({"audio", "modalities", "web_search_options"}),
    pass_unknown=True,
)


def request(params: JSON, model: Model) -> UpstreamCall:
    """Translate OpenAI's chat parameters into those of a server that knows fewer of them."""
    client = ClientRequest(params, model)
    body, ignored = PARAMETERS.apply(params, model.profile.rejected_parameters)
    turns = chat_messages.read(params["messages"])
    toolset = tools.read(params)
    form = _message_format(model)
    client.ignore(
        *ignored,
        *tools.unused_tool_params(params),
        *openai_request.non_functions(toolset),
        *openai_request.dropped_fields(params, turns, form),
    )
    messages = openai_request.messages(openai_request.system_first(turns), form)
    body |= {"model": model.name, "messages": messages, **openai_request.response_format(params)}
    body |= openai_request.common_fields(client) | openai_request.tool_fields(toolset)
    return UpstreamCall(
        f"{model.resource}/chat/completions",
        body,
        "v1beta1",
        ignored=client.ignored,
        tool_names=openai_request.tool_names(toolset, turns),
        reasoning_tags=_writes_tags(params, model),
    )


def _writes_tags(params: JSON, model: Model) -> bool:
    """Return whether the answer may begin with reasoning between tags.

    A parameter of the chat template may switch the reasoning off.
    """
    switches = member(params, "chat_template_kwargs")
    if switches.get("enable_thinking") is False or switches.get("thinking") is False:
        return False
    return model.reasoning_tags or model.profile.reasoning_tags


def _message_format(model: Model) -> MessageFormat:
    return MessageFormat(
        write_media=_media_part,
        takes_media=lambda media: model.profile.takes_images and media.kind == "image",
        write_reasoning=openai_request.reasoning_field if model.profile.wants_reasoning_back else None,
    )


def _media_part(media: Media) -> JSON:
    """Return a file in the form in which the client sent it, without fields of other dialects."""
    match media.kind:
        case "image":
            return openai_request.image_part(media)
        case "file":
            openai_request.no_media(media)
    kind = media.raw["type"]
    return {"type": kind, kind: media.raw[kind]}


CHAT: Final = ChatAdapter(request, thinking_tags.response, thinking_tags.stream, supports_n=True)
