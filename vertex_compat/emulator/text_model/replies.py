"""The text model behind every wire format: its replies, token counts and tool calls.

It is independent of the wire formats. The same prompt always gets the same reply, streamed or not.
"""

import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from vertex_compat.emulator.faults import NO_FAULT, Fault
from vertex_compat.emulator.protocol.responses import JSON, compact_json
from vertex_compat.emulator.text_model.schema_values import example_value

Ending = Literal["stop", "length", "stop_sequence", "calls", "refusal"]

# Several scripts, and emoji of many code points, so that events end within what looks like one character.
SENTENCES = (
    "An emulator has no opinion about that. 这个问题很有意思。可惜我只会重复。 "
    "Voilà une réponse déterministe. 👩‍👩‍👧‍👦👩‍🚀👨‍👩‍👧👨‍👩‍👦 Größere Antworten gibt es woanders. 🎉"
)
QUOTED_CHARACTERS = 400
TOKEN = re.compile(r"\s*(?:[!-~]{1,5}|[^\s!-~]{1,2})|\s+")  # non-ASCII text has more tokens
PIECE_SIZES = (1, 3, 2, 5, 4)  # tokens per event, cyclic
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
    """A request in any wire format, reduced to what the model looks at."""

    text: str  # of the last user turn
    tokens: int  # of everything sent
    results: tuple[str, ...] = ()  # tool results in the last turn
    tools: tuple[Tool, ...] = ()
    forced: bool = False  # a tool must be called
    parallel: bool = True
    preface: bool = False  # text before a call
    limit: int | None = None
    stops: tuple[str, ...] = ()
    as_json: bool = False
    schema: Any = None
    thinks: bool = False
    continues: str = ""  # the client's prefix of the answer
    fault: Fault = NO_FAULT


@dataclass(frozen=True, slots=True)
class Reply:
    """The model's reply, in the pieces in which it is streamed."""

    thoughts: tuple[str, ...]
    pieces: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    ending: Ending
    stop: str | None = None  # the stop sequence that was met

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    @property
    def thought(self) -> str:
        """The whole thinking text."""
        return "".join(self.thoughts)

    @property
    def thought_tokens(self) -> int:
        """Tokens of the thinking text."""
        return count_tokens(self.thought)

    @property
    def tokens(self) -> int:
        """Tokens of text and calls, without thinking."""
        calls = sum(count_tokens(compact_json(call.arguments)) + CALL_OVERHEAD_TOKENS for call in self.calls)
        return count_tokens(self.text) + calls


def tokenize(text: str) -> list[str]:
    """Split text into tokens; joined they are the text again."""
    return TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text."""
    return len(tokenize(text))


def count_json_tokens(value: Any) -> int:
    """Return the number of tokens of a JSON value: its strings and names, not its punctuation."""
    match value:
        case dict():
            return sum(count_tokens(name) // 4 + count_json_tokens(value_) for name, value_ in value.items())
        case list():
            return sum(count_json_tokens(value_) for value_ in value)
        case str() if len(value) > 20_000 and " " not in value:
            return 258  # media in base64: what Gemini counts for an image
        case str():
            return count_tokens(value)
        case _:
            return 1


def generate(prompt: Prompt, candidate: int = 0) -> Reply:
    """Reply to a prompt; candidates after the first begin with their number."""
    thoughts = tokenize(_thought(prompt)) if prompt.thinks else []
    if prompt.limit is not None and thoughts and len(thoughts) >= prompt.limit:
        return Reply(_pieces(thoughts[: prompt.limit]), (), (), "length")
    thought = _pieces(thoughts)
    if prompt.fault.name == "many":
        return Reply(thought, ("x ",) * prompt.fault.count, (), "stop")
    if prompt.fault.name == "big":
        return Reply(thought, ("x" * (prompt.fault.count << 20),), (), "stop")
    if prompt.fault.name == "refusal":
        return Reply(thought, _pieces(tokenize("I was about to say. "))[:2], (), "refusal")
    calls = () if prompt.results else _calls(prompt)
    if calls:
        preface = tokenize("Let me look that up. 🔎") if prompt.preface else []
        return Reply(thought, _pieces(preface), calls, "calls")
    return _limit(prompt, thought, _text(prompt, candidate))


def _limit(prompt: Prompt, thought: tuple[str, ...], text: str) -> Reply:
    """Return the text as a reply, cut at a stop sequence or the token limit."""
    met = min(((text.find(stop), stop) for stop in prompt.stops if stop in text), default=None)
    tokens = tokenize(text[: met[0]] if met else text)
    remaining = None if prompt.limit is None else max(prompt.limit - count_tokens("".join(thought)), 0)
    if remaining is not None and len(tokens) > remaining:
        return Reply(thought, _pieces(tokens[:remaining]), (), "length")
    if met:
        return Reply(thought, _pieces(tokens), (), "stop_sequence", met[1])
    return Reply(thought, _pieces(tokens), (), "stop")


def _pieces(tokens: list[str]) -> tuple[str, ...]:
    remaining, sizes = iter(tokens), itertools.cycle(PIECE_SIZES)
    groups = iter(lambda: "".join(itertools.islice(remaining, next(sizes))), "")
    return tuple(groups)


def _quote(text: str) -> str:
    return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "…"


def _thought(prompt: Prompt) -> str:
    return f"The last words were “{_quote(prompt.text)[:80]}”. 用户在测试。 I shall repeat them. 🤔"


def _text(prompt: Prompt, candidate: int) -> str:
    start = f"({candidate + 1}) " if candidate else ""
    if prompt.as_json:
        answer = (
            example_value(prompt.schema)
            if prompt.schema
            else {"said": _quote(prompt.text), "answer": "好的 🎉"}
        )
        return json.dumps(answer, ensure_ascii=False)
    if prompt.results:
        return f"{start}The tools answered: {_quote('; '.join(prompt.results))}. 谢谢 🛠️"
    answer = f"{start}You said: {_quote(prompt.text)}\n{SENTENCES}"
    return f"{prompt.continues}{answer}" if prompt.continues else answer


def _calls(prompt: Prompt) -> tuple[ToolCall, ...]:
    words = prompt.text.lower()
    mentioned = [tool for tool in prompt.tools if tool.name.lower() in words]
    if not prompt.tools or not (prompt.forced or mentioned or "tool" in words):
        return ()
    chosen_tools = mentioned or list(prompt.tools[:2])
    call_count = 2 if prompt.parallel and "parallel" in words else 1
    picked = list(itertools.islice(itertools.cycle(chosen_tools), call_count))
    return tuple(ToolCall(tool.name, _arguments(tool, index)) for index, tool in enumerate(picked))


def _arguments(tool: Tool, index: int) -> JSON:
    arguments = example_value(tool.schema, index, only_required=True) if tool.schema else {}
    return arguments if isinstance(arguments, dict) else {}


def texts(parts: Iterable[str]) -> str:
    """Join the texts of one turn."""
    return "\n".join(part for part in parts if part)
