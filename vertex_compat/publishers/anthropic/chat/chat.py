"""Claude: the Messages API behind `rawPredict` and `streamRawPredict`.

https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/partner-models/claude. The model is in
the URL and not in the body, the API's version in the body and not in a header.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from vertex_compat import json_values, vertex
from vertex_compat.publishers import chat_messages, parameters, tools
from vertex_compat.publishers.anthropic.chat import (
    auto_cache,
    betas,
    messages,
    response,
    structured_output,
    thinking,
)
from vertex_compat.publishers.anthropic.chat import tools as claude_tools
from vertex_compat.publishers.anthropic.chat.context import CallContext
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.publishers.anthropic import request_types as wire

VERSION: Final = "vertex-2023-10-16"
"""Later versions refuse `temperature` for every model."""

_Optional: TypeAlias = Literal[
    "cache_control", "compaction", "container", "fallbacks", "inference_geo", "mcp_servers", "speed"
]

OPTIONAL: Final[Mapping[_Optional, str | None]] = {
    "cache_control": None,
    "compaction": "compact-2026-09-04",
    "container": None,
    "fallbacks": "server-side-fallback-2026-07-01",
    "inference_geo": None,
    "mcp_servers": "mcp-client-2025-11-20",
    "speed": "fast-mode-2026-02-01",
}
"""Parameters of Anthropic's that Vertex AI may refuse → the beta that they need. Sent as they are."""

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=tools.PARAMETERS
    | OPTIONAL.keys()
    | {
        "anthropic_beta",
        "auto_cache",
        "context_management",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "n",
        "output_config",
        "reasoning_effort",
        "response_format",
        "stop",
        "temperature",
        "thinking",
        "top_k",
        "top_p",
        "user",
        "web_search_options",
    },
    ignored=frozenset(
        {
            "frequency_penalty",
            "logit_bias",
            "logprobs",
            "moderation",
            "prediction",
            "presence_penalty",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "seed",
            "service_tier",
            "store",
            "top_logprobs",
            "verbosity",
        }
    ),
    refused=frozenset({"audio", "modalities"}),
)

COMPACTION_BETA: Final = "compact-2026-01-12"
CONTEXT_MANAGEMENT_BETA: Final = "context-management-2025-06-27"
TASK_BUDGET_BETA: Final = "task-budgets-2026-03-13"

DEFAULT_MAX_TOKENS: Final = 64_000
"""For a model whose limit is not known: all since 2025 have it."""

MIN_TOP_P_WITH_THINKING: Final = 0.95


def request(body: JSON, model: Model) -> UpstreamCall:
    """Return the call to Claude for OpenAI's body; raises `BadRequest`."""
    context = CallContext(body, model)
    _, ignored = PARAMETERS.apply(body)
    context.ignore(*ignored, *tools.unused_tool_params(body))
    limit = parameters.clamped_max_tokens(context) or context.profile.max_output_tokens or DEFAULT_MAX_TOKENS
    turns = _read_turns(body["messages"], context)
    toolset = tools.read(body)
    system, conversation = messages.write(turns, context)
    blocks_missing = messages.lacks_thinking(conversation)
    forced = toolset.mode == "required"
    thinking_config, effort = thinking.plan(context, limit, forced=forced, blocks_missing=blocks_missing)
    kind = thinking_config["type"] if thinking_config else "disabled"
    tool_names = messages.called_names(turns)
    has_citations = messages.has_citations(conversation)
    built = claude_tools.build(
        toolset, tool_names, context, forcible=_can_force(context, kind), has_citations=has_citations
    )
    messages.rename_arguments(conversation, built.argument_names)
    output = _output_config(effort, built, context)
    prefill = not context.profile.must_end_with_user and kind == "disabled" and "format" not in output
    messages.ensure_user_last(conversation, prefill=prefill)
    options = _prompt_options(system, built, context.instructions)
    options |= _options(context, thinking_config, output)
    names = options.get("anthropic_beta", [])
    upstream_body = _call(limit, conversation, options)
    return UpstreamCall(
        vertex.raw_predict(model, stream="stream" in options),
        auto_cache.with_breakpoints(upstream_body) if auto_cache.is_requested(body) else upstream_body,
        headers={"anthropic-beta": ",".join(names)} if names else {},
        ignored=context.ignored,
        optional_features=tuple(context.features),
        tool_names=built.names,
        argument_names=built.argument_names,
        json_answer=built.answer,
    )


def _read_turns(client_messages: list[JSON], context: CallContext) -> list[chat_messages.Turn]:
    turns = chat_messages.read(client_messages)
    if any(turn.images for turn in turns):  # Claude's own turns have no images
        context.ignore("messages.images")
    context.ignore(*chat_messages.unread_reasoning(client_messages, reads_blocks=True))
    return turns


def _options(
    context: CallContext,
    thinking_config: wire.ThinkingConfig | None,
    output: wire.OutputConfig,
) -> wire.RequestOptions:
    """Return the optional fields, except for those of the prompt and the tools."""
    kind = thinking_config["type"] if thinking_config else "disabled"
    options = _sampling(context, has_thinking=kind != "disabled") | _other(context)
    if thinking_config:
        options["thinking"] = thinking_config
    if output:
        options["output_config"] = output
    if names := _betas(context):
        options["anthropic_beta"] = names
    return options


def _call(limit: int, conversation: list[wire.Message], options: wire.RequestOptions) -> wire.MessagesRequest:
    return {
        "anthropic_version": VERSION,
        "max_tokens": limit,
        "messages": conversation,
        **options,
    }


def _prompt_options(
    system: list[wire.TextBlock], built: claude_tools.ToolFields, instructions: Iterable[str]
) -> wire.RequestOptions:
    """Return `system` with further instructions, `tools` and `tool_choice`, without empty ones."""
    options: wire.RequestOptions = {}
    added: list[wire.TextBlock] = [{"type": "text", "text": text} for text in instructions]
    if system or added:
        options["system"] = system + added
    if built.tools:
        options["tools"] = built.tools
    if built.choice:
        options["tool_choice"] = built.choice
    return options


def _betas(context: CallContext) -> list[str]:
    """Return the client's betas and those that the call needs."""
    requested = betas.from_body(context.body)
    selected, optional = betas.select([*requested, *context.betas], context.model.refused_features)
    context.features.extend(optional)
    if not set(requested) <= set(selected):
        context.ignore("anthropic_beta")
    return selected


def _can_force(context: CallContext, kind: str) -> bool:
    """Return whether `tool_choice` may force a call together with the type of thinking."""
    profile = context.profile
    if kind == "adaptive" and not profile.supports_forced_tools_with_thinking:
        return False
    return profile.supports_forced_tools and kind != "enabled"


def _output_config(
    effort: str | None, built: claude_tools.ToolFields, context: CallContext
) -> wire.OutputConfig:
    """Return the client's `output_config` with the effort and the format that were chosen."""
    output: JSON = {**json_values.mapping(context.body.get("output_config"))}
    output.pop("effort", None)
    if "format" in output and ("response_format" in context.body or not structured_output.may_use(context)):
        del output["format"]
        context.ignore("output_config.format")
    if "task_budget" in output:
        context.betas.append(TASK_BUDGET_BETA)
    config = cast("wire.OutputConfig", output)
    if effort:
        config["effort"] = effort
    if built.output_format:
        config["format"] = built.output_format
    return config


def _sampling(context: CallContext, *, has_thinking: bool) -> wire.RequestOptions:
    """Return those of `temperature`, `top_p` and `top_k` that the model takes."""
    requested: JSON = {
        key: context.body[key] for key in ("temperature", "top_p", "top_k") if key in context.body
    }
    sampling = context.profile.sampling
    accepted = dict(requested) if sampling != "none" else {}
    if has_thinking:
        accepted = {key: value for key, value in accepted.items() if _may_be_sent_with_thinking(key, value)}
    if accepted.get("temperature", 0) > 1:
        accepted["temperature"] = 1
    if sampling == "one" and {"temperature", "top_p"} <= accepted.keys():
        del accepted["top_p"]
    context.ignore(*(key for key in requested if requested[key] != accepted.get(key)))
    return cast("wire.RequestOptions", accepted)


def _may_be_sent_with_thinking(key: str, value: float) -> bool:
    return (key == "temperature" and value == 1) or (key == "top_p" and value >= MIN_TOP_P_WITH_THINKING)


def _other(context: CallContext) -> wire.RequestOptions:
    """Return the fields for the remaining parameters."""
    other: wire.RequestOptions = {}
    stops = parameters.stop(context.body)
    if not_blank := [stop for stop in stops if stop.strip()]:  # blank ones are refused
        other["stop_sequences"] = not_blank
    if not_blank != stops:
        context.ignore("stop")
    metadata = json_values.mapping(context.body.get("metadata"))
    if user := context.body.get("user") or metadata.get("user_id"):
        other["metadata"] = {"user_id": user}
    if metadata.keys() - {"user_id"}:
        context.ignore("metadata")
    if "context_management" in context.body:
        other["context_management"] = context.body["context_management"]
        edits = json_values.items(json_values.mapping(context.body["context_management"]).get("edits"))
        compacts = any(json_values.text(edit.get("type")).startswith("compact") for edit in edits)
        context.betas.extend([CONTEXT_MANAGEMENT_BETA, *([COMPACTION_BETA] if compacts else [])])
    for name, beta in OPTIONAL.items():
        if name not in context.body:
            continue
        if context.use(name):
            other[name] = context.body[name]
            context.betas.extend([beta] if beta else [])
        else:
            context.ignore(name)
    if context.body.get("stream"):
        other["stream"] = True
    return other


CHAT: Final = ChatAdapter(
    request,
    response.response,
    response.stream,
    accepts_urls=False,
    whole=response.whole,
    header_params={"anthropic-beta": "anthropic_beta"},
    searches_web=True,
)
