"""Claude: the Messages API behind `rawPredict` and `streamRawPredict`.

https://docs.anthropic.com/en/api/claude-on-vertex-ai. The model stands in the URL and not in the body, the
API's version in the body and not in a header.
"""

from __future__ import annotations

from typing import Any, Final

from vertex_compat import errors, vertex
from vertex_compat.publishers import chat_messages, parameters, tools
from vertex_compat.publishers.anthropic import messages, models, response, thinking
from vertex_compat.publishers.anthropic.models import Family
from vertex_compat.publishers.anthropic.tools import offer
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall

VERSION: Final = "vertex-2023-10-16"
"""Later ones refuse `temperature` of every model."""

PARAMETERS: Final = ParameterTable(
    renamed={"context_management": "context_management"},
    handled=tools.PARAMETERS
    | {
        "anthropic_beta",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "n",
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
            "metadata",
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

BETAS: Final = frozenset(
    {
        "compact-2026-01-12",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "inline-tools-2026-09-15",
        "interleaved-thinking-2025-05-14",
        "per-turn-control-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "tool-search-tool-2025-10-19",
        "web-search-2025-03-05",
    }
)
"""What Vertex knows of them; one that it does not know it refuses, with the whole request."""

BETA_OF_TOOL: Final = {
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "tool_search_tool_bm25_20251119": "tool-search-tool-2025-10-19",
    "tool_search_tool_regex_20251119": "tool-search-tool-2025-10-19",
    "web_search_20250305": "web-search-2025-03-05",
}
"""Type of a server tool → the beta that it needs on Vertex."""

MIN_TOP_P: Final = 0.95
"""With thinking."""


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → Claude's."""
    family = models.family(model.name)
    call, ignored = PARAMETERS.apply(body)
    limit = parameters.max_tokens(body) or family.longest
    turns = chat_messages.read(body["messages"])
    given = tools.read(body)
    ignored += tools.unused_tool_params(body)
    system, said = messages.write(turns)
    budgets = given.mode != "required" and not messages.lack_thoughts(said)
    thought = thinking.plan(body, family, limit, ignored, budgets=budgets)
    form = thought.get("thinking", {}).get("type", "disabled")
    forces = family.forces and form != "enabled"
    offered = offer(body, given, messages.called(turns), family, ignored, forces=forces)
    messages.close(said, prefill=family.prefill and form == "disabled")
    system += [{"type": "text", "text": text} for text in offered.instructions]
    call |= {"anthropic_version": VERSION, "max_tokens": limit, "messages": said, **thought, **offered.fields}
    if output := thought.get("output_config", {}) | offered.fields.get("output_config", {}):
        call["output_config"] = output
    if system:
        call["system"] = system
    call |= _sampling(body, family, ignored, thinks=form != "disabled") | _rest(body, ignored)
    if betas := _betas(body, call.get("tools", []), ignored):
        call["anthropic_beta"] = betas
    return UpstreamCall(
        vertex.raw_predict(model, stream="stream" in call),
        call,
        ignored=tuple(dict.fromkeys(ignored)),
        tool_names=offered.names,
        structured_output_tool=offered.answer,
    )


def _sampling(body: JSON, family: Family, ignored: list[str], *, thinks: bool) -> JSON:
    """`temperature`, `top_p` and `top_k` as the model takes them; what it does not is added to `ignored`."""
    given: JSON = {key: body[key] for key in ("temperature", "top_p", "top_k") if key in body}
    taken = dict(given)
    if family.sampling == "none":
        taken = {}
    elif thinks:
        taken = {
            key: value
            for key, value in given.items()
            if (key == "temperature" and value == 1) or (key == "top_p" and value >= MIN_TOP_P)
        }
    if taken.get("temperature", 0) > 1:
        taken["temperature"] = 1
    if family.sampling == "one" and {"temperature", "top_p"} <= taken.keys():
        del taken["top_p"]
    ignored += [key for key in given if given[key] != taken.get(key)]
    return taken


def _rest(body: JSON, ignored: list[str]) -> JSON:
    rest: JSON = {}
    stops = parameters.stop(body)
    if taken := [one for one in stops if one.strip()]:  # blank ones are refused
        rest["stop_sequences"] = taken
    if taken != stops:
        ignored.append("stop")
    if user := body.get("user"):
        rest["metadata"] = {"user_id": user}
    if body.get("stream"):
        rest["stream"] = True
    return rest


def _betas(body: JSON, offered: list[JSON], ignored: list[str]) -> list[str]:
    """The client's betas and those that the tools need."""
    asked: Any = body.get("anthropic_beta") or []
    if isinstance(asked, str):
        asked = [one.strip() for one in asked.split(",") if one.strip()]
    if not isinstance(asked, list) or not all(isinstance(one, str) for one in asked):
        raise errors.BadRequest("'anthropic_beta' must be a list of names.", param="anthropic_beta")
    known = [one for one in asked if one in BETAS]
    if known != asked:
        ignored.append("anthropic_beta")
    needed = [BETA_OF_TOOL[tool["type"]] for tool in offered if tool.get("type") in BETA_OF_TOOL]
    return list(dict.fromkeys(known + needed))


CHAT: Final = ChatAdapter(request, response.response, response.stream, accepts_urls=False)
