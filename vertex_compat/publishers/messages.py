"""OpenAI's messages, read: what every publisher has to find out about a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vertex_compat import errors
from vertex_compat.wire import JSON

SYSTEM_ROLES = frozenset({"system", "developer"})


class Turn(NamedTuple):
    """Consecutive messages of one side, `user` or `assistant`, as the texts in them."""

    role: str
    texts: list[str]


def split(messages: list[JSON]) -> tuple[list[str], list[Turn]]:
    """The system texts, and the turns: roles alternate, and nothing is empty.

    Raises `BadRequest` for what is not text.
    """
    system: list[str] = []
    turns: list[Turn] = []
    for number, message in enumerate(messages):
        found = [text for text in texts(message, f"messages[{number}]") if text]
        role = message["role"]
        if role in SYSTEM_ROLES:
            system += found
        elif found and turns and turns[-1].role == role:
            turns[-1].texts.extend(found)
        elif found:
            turns.append(Turn(role, found))
    return system, turns


def texts(message: JSON, place: str) -> Iterator[str]:
    """The texts of one message, in order."""
    if message["role"] in {"tool", "function"} or message.get("tool_calls") or message.get("function_call"):
        raise errors.BadRequest("Tools are not supported yet.", param=place, code="unsupported_value")
    content = message.get("content")
    if content is None or isinstance(content, str):
        yield content or message.get("refusal") or ""
        return
    for number, part in enumerate(content):
        match part["type"]:
            case "text" | "input_text":
                yield part["text"]
            case "refusal":
                yield part["refusal"]
            case other:
                raise errors.BadRequest(
                    f"Content of type {other!r} is not supported yet.",
                    param=f"{place}.content[{number}]",
                    code="unsupported_value",
                )
