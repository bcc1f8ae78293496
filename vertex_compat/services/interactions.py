"""Vertex AI's Interactions API, which runs Gemini and research agents in the background.

https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/capabilities/interactions/overview.
Paths and fields, in snake_case, are those of the Google Gen AI SDK 3.4 (`client.interactions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal

from vertex_compat import errors
from vertex_compat.json_values import count, items, member, text
from vertex_compat.services.batch_jobs import OWNER_LABEL
from vertex_compat.types import JSON, Delta, Model, StreamPart, UpstreamCall, Usage

if TYPE_CHECKING:
    from vertex_compat.services import request_types as wire

STATUS: Final = {
    "queued": "queued",
    "in_progress": "in_progress",
    "requires_continuation": "in_progress",
    "completed": "completed",
    "requires_action": "completed",
    "incomplete": "incomplete",
    "budget_exceeded": "incomplete",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""Status of an interaction → status of OpenAI's response."""

RUNNING: Final = frozenset({"queued", "in_progress"})

_STEPS: Final[dict[str, Literal["user_input", "model_output"]]] = {
    "user": "user_input",
    "assistant": "model_output",
}


def check_model(model: Model) -> None:
    """Raise `Forbidden` for a model with operator's settings that an interaction would evade."""
    if model.model_armor:
        raise errors.Forbidden(
            f"{model.requested_name!r} is checked by Model Armor, which does not check interactions.",
            param="model",
        )
    if model.enforced:
        raise errors.Forbidden(
            f"{model.requested_name!r} has enforced settings, which interactions do not have.", param="model"
        )


def create(runs: wire.Runner, messages: list[JSON], options: JSON, owner: str) -> UpstreamCall:
    """Start an interaction. `runs` names the model or the agent; `messages` have texts only."""
    system = [message["content"] for message in messages if message["role"] not in _STEPS]
    steps: list[wire.InteractionStep] = [
        {"type": _STEPS[message["role"]], "content": [{"type": "text", "text": message["content"]}]}
        for message in messages
        if message["role"] in _STEPS
    ]
    body: wire.Interaction = {
        "input": steps,
        "background": True,
        "store": True,
        "labels": {OWNER_LABEL: owner},
    }
    if "model" in runs:
        body["model"] = runs["model"]
    if "agent" in runs:
        body["agent"] = runs["agent"]
    if system:
        body["system_instruction"] = "\n\n".join(system)
    if options:
        body["generation_config"] = options
    return UpstreamCall("interactions", body, "v1beta1")


def get(id_: str) -> UpstreamCall:
    """Get an interaction."""
    return UpstreamCall(f"interactions/{id_}", {}, "v1beta1", "GET")


def cancel(id_: str) -> UpstreamCall:
    """Cancel an interaction that is still running."""
    return UpstreamCall(f"interactions/{id_}/cancel", {}, "v1beta1")


def interaction_id(interaction: JSON) -> str:
    """Return the id of an interaction, the last segment of a full name."""
    return text(interaction.get("id") or interaction.get("name")).rpartition("/")[2]


def status(interaction: JSON) -> str:
    """Return the status of OpenAI's response."""
    return STATUS.get(text(interaction.get("status")), "failed")


def error(interaction: JSON) -> str:
    """Return the reason why an interaction failed."""
    reasons = [text(error.get("message")) for error in items(interaction.get("errors"))]
    return " ".join(filter(None, reasons)) or "Vertex AI gave no reason."


def parts(interaction: JSON) -> Iterator[StreamPart]:
    """Yield the thoughts, texts and counts of an interaction that has ended."""
    for step in items(interaction.get("steps")):
        kind = text(step.get("type"))
        field = {"thought": "summary", "model_output": "content"}.get(kind, "")
        for content in items(step.get(field)):
            if delta := text(content.get("text")):
                yield Delta(0, {"reasoning_content": delta} if kind == "thought" else {"content": delta})
    reason = "length" if status(interaction) == "incomplete" else "stop"
    yield Delta(0, {}, reason)
    yield usage(member(interaction, "usage"))


def usage(counts: JSON) -> Usage:
    """Return the token counts of an interaction; its own thoughts are part of the output."""
    thoughts = count(counts.get("total_thought_tokens"))
    return Usage(
        count(counts.get("total_input_tokens")) + count(counts.get("total_tool_use_tokens")),
        count(counts.get("total_output_tokens")) + thoughts,
        {"cached_tokens": count(counts.get("total_cached_tokens"))},
        {"reasoning_tokens": thoughts},
    )
