"""Google's own parameters: in `google`, in `extra_body.google`, or at the top of the body.

The first two are those of Google's own OpenAI endpoint, the last is LiteLLM's. Names may be in snake or in
camel case.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from vertex_compat import errors
from vertex_compat.types import JSON, ClientRequest

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

REQUEST: Final = {
    "cached_content": str,
    "generation_output_config": dict,
    "labels": dict,
    "model_armor_config": dict,
    "safety_settings": list,
}
"""Fields of the request, with their types."""

CONFIG: Final = {
    "audio_timestamp": bool,
    "audio_transcription_config": dict,
    "enable_affective_dialog": bool,
    "image_config": dict,
    "media_resolution": str,
    "model_config": dict,
    "routing_config": dict,
    "speech_config": dict,
}
"""Fields of `generationConfig`, with their types."""

_HANDLED: Final = {"retrieval_config": dict, "thinking_config": dict, "tool_config": dict, "tools": list}
_ALL: Final = REQUEST | CONFIG | _HANDLED

TOP_LEVEL: Final = frozenset(REQUEST.keys() | CONFIG.keys() | {"thinking_config", "tool_config"})
PARAMETERS: Final = TOP_LEVEL | {"extra_body", "google"}
"""The parameters that are read here."""

WIRE_NAMES: Final = {"generation_output_config": "outputConfig"}
"""Fields whose name in the REST API is not the one of Google's SDKs."""


def read(request: ClientRequest) -> JSON:
    """Return the options in snake case; names that Vertex does not have are ignored."""
    body = request.body
    options: JSON = {name: _check(name, body[name], name) for name in TOP_LEVEL & body.keys()}
    extra = body.get("extra_body", {})
    request.ignore(*(f"extra_body.{name}" for name in extra if name != "google"))
    for param, native in (("extra_body.google", extra.get("google")), ("google", body.get("google"))):
        for name, value in _check("google", native, param).items() if native else ():
            if (option := snake_case(name)) not in _ALL:
                request.ignore(f"{param}.{name}")
            elif value is not None:
                options[option] = _check(option, value, f"{param}.{name}")
    return options


def merge_into(options: JSON, body: wire.GenerateContentRequest, config: wire.GenerationConfig) -> None:
    """Put the options into the fields of a request `body` and of its `generationConfig`."""
    for name, value in options.items():
        fields = cast("JSON", body if name in REQUEST else config)
        field = WIRE_NAMES.get(name) or camel_case(name)
        field_value = value if name == "labels" else to_camel_case(value)
        if name in REQUEST or name in CONFIG:
            is_object = isinstance(field_value, dict)
            fields[field] = fields.get(field, {}) | field_value if is_object else field_value


def _check(name: str, value: Any, param: str) -> Any:
    kind = _ALL.get(name, dict)
    if not isinstance(value, kind):
        raise errors.BadRequest(
            f"Invalid value for '{param}': expected `{kind.__name__}`.", param=param, code="invalid_type"
        )
    return value


def to_camel_case(value: Any) -> Any:
    """Return a message of Google's with its field names in camel case, at any depth."""
    if isinstance(value, dict):
        return {camel_case(name): to_camel_case(inner) for name, inner in value.items()}
    return [to_camel_case(item) for item in value] if isinstance(value, list) else value


def camel_case(name: str) -> str:
    """Return `thinking_config` as `thinkingConfig`."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def snake_case(name: str) -> str:
    """Return `thinkingConfig` as `thinking_config`."""
    return re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name)
