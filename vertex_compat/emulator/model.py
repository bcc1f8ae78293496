"""The pretend model behind every wire: what it says, what it counts, when it calls a tool.

It knows nothing of wires. The same prompt always gets the same reply, streamed or not.
"""

import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from vertex_compat.emulator.answers import JSON, compact
from vertex_compat.emulator.faults import NONE, Fault
from vertex_compat.emulator.instances import instance

Ending = Literal["stop", "length", "stop_sequence", "calls", "refusal"]

# Several scripts, and emoji of many code points, so that the borders between events fall within what looks
# like one character.
SENTENCES = (
    "An emulator has no opinion about that. 这个问题很有意思。可惜我只会重复。 "
    "Voilà une réponse déterministe. 👩‍👩‍👧‍👦👩‍🚀👨‍👩‍👧👨‍👩‍👦 Größere Antworten gibt es woanders. 🎉"
)
QUOTED_CHARACTERS = 400
TOKEN = re.compile(r"\s*(?:[!-~]{1,5}|[^\s!-~]{1,2})|\s+")  # other scripts cost more
PIECE_SIZES = (1, 3, 2, 5, 4)  # tokens in the events of a stream, over and over
CALL_OVERHEAD_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    schema: Any = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model calls."""

    name: str
    arguments: JSON


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a request of any wire comes down to."""

    text: str  # of the last user turn
    tokens: int  # of everything sent
    results: tuple[str, ...] = ()  # tool results in the last turn
    tools: tuple[Tool, ...] = ()
    forced: bool = False  # a tool must be called
    parallel: bool = True
    preface: bool = False  # say something before a call
    limit: int | None = None
    stops: tuple[str, ...] = ()
    as_json: bool = False
    schema: Any = None
    thinks: bool = False
    continues: str = ""  # the beginning of the answer, given by the client
    fault: Fault = NONE


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says, in the pieces in which it streams."""

    thoughts: tuple[str, ...]
    pieces: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    ending: Ending
    stop: str | None = None  # the stop sequence that was met

    @property
    def text(self) -> str:
        """All that it says."""
        return "".join(self.pieces)

    @property
    def thought(self) -> str:
        """All that it thinks."""
        return "".join(self.thoughts)

    @property
    def thought_tokens(self) -> int:
        """Tokens spent on thinking."""
        return count(self.thought)

    @property
    def tokens(self) -> int:
        """Tokens spent on text and calls, without thinking."""
        calls = sum(count(compact(call.arguments)) + CALL_OVERHEAD_TOKENS for call in self.calls)
        return count(self.text) + calls


def split(text: str) -> list[str]:
    """Cut text into the pretend model's tokens; joined they are the text again."""
    return TOKEN.findall(text)


def count(text: str) -> int:
    """Count the tokens of a text."""
    return len(split(text))


def count_json(value: Any) -> int:
    """Count the tokens of whatever a request holds: its strings and names, not its punctuation."""
    match value:
        case dict():
            return sum(count(name) // 4 + count_json(held) for name, held in value.items())
        case list():
            return sum(count_json(held) for held in value)
        case str() if len(value) > 20_000 and " " not in value:
            return 258  # media in base64: what Gemini counts for an image
        case str():
            return count(value)
        case _:
            return 1


def reply(prompt: Prompt, candidate: int = 0) -> Reply:
    """Answer a prompt; candidates after the first begin differently."""
    thoughts = split(_thought(prompt)) if prompt.thinks else []
    if prompt.limit is not None and thoughts and len(thoughts) >= prompt.limit:
        return Reply(_pieces(thoughts[: prompt.limit]), (), (), "length")
    thought = _pieces(thoughts)
    if prompt.fault.name == "many":
        return Reply(thought, ("x ",) * prompt.fault.count, (), "stop")
    if prompt.fault.name == "big":
        return Reply(thought, ("x" * (prompt.fault.count << 20),), (), "stop")
    if prompt.fault.name == "refusal":
        return Reply(thought, _pieces(split("I was about to say. "))[:2], (), "refusal")
    calls = () if prompt.results else _calls(prompt)
    if calls:
        preface = split("Let me look that up. 🔎") if prompt.preface else []
        return Reply(thought, _pieces(preface), calls, "calls")
    return _said(prompt, thought, _text(prompt, candidate))


def _said(prompt: Prompt, thought: tuple[str, ...], text: str) -> Reply:
    """Say the text as far as stop sequences and the limit allow."""
    met = min(((text.find(stop), stop) for stop in prompt.stops if stop in text), default=None)
    tokens = split(text[: met[0]] if met else text)
    room = None if prompt.limit is None else max(prompt.limit - count("".join(thought)), 0)
    if room is not None and len(tokens) > room:
        return Reply(thought, _pieces(tokens[:room]), (), "length")
    if met:
        return Reply(thought, _pieces(tokens), (), "stop_sequence", met[1])
    return Reply(thought, _pieces(tokens), (), "stop")


def _pieces(tokens: list[str]) -> tuple[str, ...]:
    left, sizes = iter(tokens), itertools.cycle(PIECE_SIZES)
    groups = iter(lambda: "".join(itertools.islice(left, next(sizes))), "")
    return tuple(groups)


def _quoted(text: str) -> str:
    return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "…"


def _thought(prompt: Prompt) -> str:
    return f"The last words were “{_quoted(prompt.text)[:80]}”. 用户在测试。 I shall repeat them. 🤔"


def _text(prompt: Prompt, candidate: int) -> str:
    start = f"({candidate + 1}) " if candidate else ""
    if prompt.as_json:
        given = (
            instance(prompt.schema) if prompt.schema else {"said": _quoted(prompt.text), "answer": "好的 🎉"}
        )
        return json.dumps(given, ensure_ascii=False)
    if prompt.results:
        return f"{start}The tools answered: {_quoted('; '.join(prompt.results))}. 谢谢 🛠️"
    said = f"{start}You said: {_quoted(prompt.text)}\n{SENTENCES}"
    return f"{prompt.continues}{said}" if prompt.continues else said


def _calls(prompt: Prompt) -> tuple[ToolCall, ...]:
    words = prompt.text.lower()
    named = [tool for tool in prompt.tools if tool.name.lower() in words]
    if not prompt.tools or not (prompt.forced or named or "tool" in words):
        return ()
    chosen = named or list(prompt.tools[:2])
    wanted = 2 if prompt.parallel and "parallel" in words else 1
    picked = list(itertools.islice(itertools.cycle(chosen), wanted))
    return tuple(ToolCall(tool.name, _arguments(tool, place)) for place, tool in enumerate(picked))


def _arguments(tool: Tool, place: int) -> JSON:
    made = instance(tool.schema, place, only_required=True) if tool.schema else {}
    return made if isinstance(made, dict) else {}


def texts(parts: Iterable[str]) -> str:
    """Join the texts of one turn."""
    return "\n".join(part for part in parts if part)
