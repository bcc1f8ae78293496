"""What a client may say in Google's own words: in `google`, in `extra_body.google`, or at the top.

The first two are those of Google's own OpenAI endpoint, the last is LiteLLM's. Names may be in snake or in
camel case.
"""

from __future__ import annotations

import re
from typing import Any, Final

from vertex_compat import errors
from vertex_compat.types import JSON

REQUEST: Final = {
    "cached_content": str,
    "labels": dict,
    "model_armor_config": dict,
    "safety_settings": list,
}
"""What is a field of the request, and its type."""

CONFIG: Final = {
    "audio_timestamp": bool,
    "enable_affective_dialog": bool,
    "image_config": dict,
    "media_resolution": str,
    "model_config": dict,
    "routing_config": dict,
    "speech_config": dict,
}
"""What is a field of `generationConfig`, and its type."""

_SHAPED: Final = {"retrieval_config": dict, "thinking_config": dict, "tools": list}
_KNOWN: Final = REQUEST | CONFIG | _SHAPED

AT_THE_TOP: Final = frozenset(REQUEST.keys() | CONFIG.keys() | {"thinking_config"})
PARAMETERS: Final = AT_THE_TOP | {"extra_body", "google"}
"""The names of what is read here."""


def read(body: JSON, ignored: list[str]) -> JSON:
    """What is said, its names in snake case. What Vertex has no field for is added to `ignored`."""
    said: JSON = {}
    for name in AT_THE_TOP & body.keys():
        said[name] = _checked(name, body[name], name)
    extra = body.get("extra_body", {})
    ignored += [f"extra_body.{name}" for name in extra if name != "google"]
    for place, given in (("extra_body.google", extra.get("google")), ("google", body.get("google"))):
        for name, value in _checked("google", given, place).items() if given else ():
            if (known := _snake(name)) not in _KNOWN:
                ignored.append(f"{place}.{name}")
            elif value is not None:
                said[known] = _checked(known, value, f"{place}.{name}")
    return said


def place(said: JSON, sent: JSON, config: JSON) -> None:
    """Put what is said into its fields of a request and of its `generationConfig`."""
    for name, value in said.items():
        fields = sent if name in REQUEST else config
        field, told = camel_name(name), value if name == "labels" else camel(value)
        if name in REQUEST or name in CONFIG:
            fields[field] = fields.get(field, {}) | told if isinstance(told, dict) else told


def _checked(name: str, value: Any, place: str) -> Any:
    kind = _KNOWN.get(name, dict)
    if not isinstance(value, kind):
        raise errors.BadRequest(
            f"Invalid value for '{place}': expected `{kind.__name__}`.", param=place, code="invalid_type"
        )
    return value


def camel(value: Any) -> Any:
    """A message of Google's with its field names in camel case, at any depth."""
    if isinstance(value, dict):
        return {camel_name(name): camel(held) for name, held in value.items()}
    return [camel(one) for one in value] if isinstance(value, list) else value


def camel_name(name: str) -> str:
    """`thinking_config` → `thinkingConfig`."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)
