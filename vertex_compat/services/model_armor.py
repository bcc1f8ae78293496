"""Model Armor: checks of prompts and responses against a template.

https://cloud.google.com/security-command-center/docs/reference/model-armor/rest. The caller needs the role
Model Armor User (`roles/modelarmor.user`) in the template's project.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from vertex_compat.json_values import enum, items, mapping, text
from vertex_compat.types import JSON, ResourceTarget, UpstreamCall

if TYPE_CHECKING:
    from vertex_compat.services import request_types as wire

MATCH: Final = "MATCH_FOUND"

STATES: Final = ("FILTER_MATCH_STATE_UNSPECIFIED", "NO_MATCH_FOUND", MATCH)
INVOCATION_RESULTS: Final = ("INVOCATION_RESULT_UNSPECIFIED", "SUCCESS", "PARTIAL", "FAILURE")
"""The enums by their numbers, which ProtoJSON allows in place of names."""


class Verdict(NamedTuple):
    """The result of a check: the filters that matched, and whether every filter was executed."""

    matches: tuple[str, ...]
    complete: bool


def target(template: str) -> ResourceTarget:
    """Return where the calls with a template go."""
    _, _, _, location, *_ = template.split("/")
    return ResourceTarget("modelarmor", (location,))


def check_prompt(template: str, prompt: str) -> UpstreamCall:
    """Check what the user sends to a model."""
    body: wire.SanitizeUserPromptRequest = {"userPromptData": {"text": prompt}}
    return UpstreamCall(f"{template}:sanitizeUserPrompt", body, service="modelarmor")


def check_response(template: str, response: str, prompt: str) -> UpstreamCall:
    """Check what a model answers to a prompt."""
    body: wire.SanitizeModelResponseRequest = {"modelResponseData": {"text": response}}
    if prompt:
        body["userPrompt"] = prompt
    return UpstreamCall(f"{template}:sanitizeModelResponse", body, service="modelarmor")


def gemini_config(template: str) -> JSON:
    """Return Gemini's own setting, with which Vertex AI makes both checks."""
    return {"promptTemplateName": template, "responseTemplateName": template}


def verdict(body: JSON) -> Verdict:
    """Return the result of a check.

    One that does not say whether a filter matched is not complete.
    """
    result = mapping(body.get("sanitizationResult"))
    state = enum(result.get("filterMatchState"), STATES)
    matches = tuple(_matches(mapping(result.get("filterResults"))))
    if state == MATCH and not matches:
        matches = ("unnamed filter",)
    executed = enum(result.get("invocationResult"), INVOCATION_RESULTS) == "SUCCESS"
    return Verdict(matches, executed and state in {MATCH, "NO_MATCH_FOUND"})


def _matches(filters: JSON) -> Iterator[str]:
    """Yield the filters that matched, with their findings: `rai: dangerous`, `pi_and_jailbreak`."""
    for name, filter_result in filters.items():
        for result in map(mapping, mapping(filter_result).values()):
            inner = mapping(result.get("inspectResult")) or mapping(result.get("deidentifyResult")) or result
            if enum(inner.get("matchState"), STATES) != MATCH:
                continue
            details = [
                kind
                for kind, type_result in mapping(inner.get("raiFilterTypeResults")).items()
                if enum(mapping(type_result).get("matchState"), STATES) == MATCH
            ]
            details += [text(finding.get("infoType")) for finding in items(inner.get("findings"))]
            yield f"{name}: {', '.join(dict.fromkeys(details))}" if details else name
