"""Counting the input tokens of Claude.

https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude-count-tokens. One method counts
for all models: the model is in the body, without its version, and only some regions have the method.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vertex_compat.json_values import count
from vertex_compat.publishers.anthropic.chat import chat
from vertex_compat.types import JSON, Model, RawBody, TokenCounter, UpstreamCall

RESOURCE: Final = "publishers/anthropic/models/count-tokens"

REGIONS: Final = (
    "us-east5",
    "europe-west1",
    "us-central1",
    "europe-west4",
    "asia-southeast1",
    "asia-east1",
)

REGIONS_OF: Final = {
    "global": REGIONS,
    "us": ("us-east5", "us-central1"),
    "eu": ("europe-west1", "europe-west4"),
}
"""Location that is not a region → regions that may count for it."""

FIELDS: Final = frozenset(
    {
        "anthropic_beta",
        "anthropic_version",
        "context_management",
        "mcp_servers",
        "messages",
        "output_config",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)
"""Fields of a message request that are counted; the method refuses others."""


def request(body: JSON, model: Model) -> UpstreamCall:
    """Return the call that counts the tokens of a chat body."""
    call = chat.request(body, model)
    fields = {name: value for name, value in call.body.items() if name in FIELDS}
    return UpstreamCall(f"{RESOURCE}:rawPredict", {"model": _name(model), **fields}, headers=call.headers)


def relay(body: RawBody, model: Model) -> UpstreamCall:
    """Return the call that counts the tokens of a body of Anthropic's API."""
    fields = {name: value for name, value in body.items() if name in FIELDS}
    fields["model"] = msgspec.Raw(msgspec.json.encode(_name(model)))
    fields.setdefault("anthropic_version", msgspec.Raw(msgspec.json.encode(chat.VERSION)))
    return UpstreamCall(f"{RESOURCE}:rawPredict", {}, content=msgspec.json.encode(fields))


def _name(model: Model) -> str:
    return model.name.partition("@")[0]


def response(body: JSON) -> int:
    """Return the number of tokens."""
    return count(body.get("input_tokens"))


def locate(model: Model) -> Model:
    """Return the model with the regions that count for its locations, and the method's resource."""
    regions = dict.fromkeys(
        region for location in model.locations for region in REGIONS_OF.get(location, (location,))
    )
    counting_regions = tuple(region for region in regions if region in REGIONS)
    return msgspec.structs.replace(model, resource=RESOURCE, locations=counting_regions or model.locations)


TOKEN_COUNTS: Final = TokenCounter(request, relay, response, locate)
