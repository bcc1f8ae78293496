"""The values that cross a boundary between two rooms. This module imports nothing of ours.

A chat runs through them in this order::

    OpenAI's body ──(publisher.chat.request)──▶ UpstreamCall ──▶ Vertex
    Vertex's events ──(publisher.chat.stream / .response)──▶ Delta, Usage ──▶ OpenAI's chunks

A publisher speaks in `Delta` and `Usage`. Ids, times, the role, the place of the finish reason and the
last usage chunk are the same for all of them, so `operations.chat` makes those, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")

JSON: TypeAlias = dict[str, Any]
"""A JSON object as it came in, unknown keys and all."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a client's model name means on Vertex.

    `resource` is the path after `…/locations/{location}/`, e.g. `publishers/google/models/gemini-2.5-flash`,
    `endpoints/openapi` or `endpoints/123`. `name` is what a body that names its model holds. `locations`
    are where to call it, best first; `settled` says that the operator has chosen them, else they are where
    the model is offered. `project` and `account` (a service account to act as) are None for our own.
    `defaults` are parameters that hold where the client gives none. `named_project` is the one in a full
    name: it chooses nothing, but it has to be ours. `spare` says that another model answers if this fails.
    `dns` is the name of the host that alone serves a dedicated endpoint, where it is known, and `served_name`
    what a container that looks at the `model` in a body calls its model. `reasoning_tags` says that it leaves
    its thoughts in the content, between `<think>` and `</think>`.
    """

    asked: str
    publisher: str
    name: str
    resource: str
    locations: tuple[str, ...]
    settled: bool = False
    project: str | None = None
    account: str | None = None
    named_project: str | None = None
    dns: str | None = None
    served_name: str | None = None
    reasoning_tags: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict, compare=False)
    spare: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a call goes that is to no model, and as whom: to the project's bucket, to one of its jobs.

    The fields mean what they mean in a `Model`.
    """

    resource: str
    locations: tuple[str, ...]
    settled: bool = True
    project: str | None = None
    account: str | None = None
    named_project: str | None = None


Service: TypeAlias = Literal["aiplatform", "model_garden", "storage", "texttospeech"]
"""The Google APIs that are called. Model Garden is Vertex AI's, less the project in its paths."""


class UpstreamCall(msgspec.Struct, frozen=True):
    """A call to Google described, not made.

    On `aiplatform`, `path` follows `/{version}/projects/{project}/locations/{location}/`; on another service
    it follows `/{version}/`. Where `content` is given, it is sent instead of `body`. `ignored` names what the
    client sent and the publisher does not have, or does not take as it was given. What it takes to read the
    answer is said here too: `tool_names` gives back the client's names of tools that had to be renamed,
    the arguments of `answer_tool` are not a call but the answer itself, and `audio_format` is OpenAI's name
    of the form in which the client wants to hear it, and with `reasoning_tags` thoughts are looked for in the
    content. `dns` is the host of a dedicated endpoint, which no other host serves.
    """

    path: str
    body: JSON
    version: str = "v1"
    method: str = "POST"
    service: Service = "aiplatform"
    content: bytes | None = None
    headers: Mapping[str, str] = {}
    ignored: tuple[str, ...] = ()
    tool_names: Mapping[str, str] = {}
    answer_tool: str | None = None
    audio_format: str | None = None
    reasoning_tags: bool = False
    dns: str | None = None


class Delta(msgspec.Struct, frozen=True, gc=False):
    """A piece of one choice: the `delta` object of OpenAI's chunk, without the role.

    Strings go on where the last piece of that name ended, lists too; tool calls go on by their `index`, with
    id, type and name in the first piece of a call only. `finish_reason` is OpenAI's; a piece may bring text
    and the reason at once.
    """

    choice: int
    fields: JSON
    finish_reason: str | None = None
    logprobs: JSON | None = None


class Usage(NamedTuple):
    """Token counts, OpenAI's meaning: cached tokens inside `prompt`, reasoning inside `completion`.

    Counts are of the whole answer, so a later `Usage` of the same answer replaces an earlier one. `beside`
    are counts under a publisher's own names, which stand beside OpenAI's.
    """

    prompt: int
    completion: int
    prompt_details: Mapping[str, int] = MappingProxyType({})
    completion_details: Mapping[str, int] = MappingProxyType({})
    beside: Mapping[str, int] = MappingProxyType({})


Piece: TypeAlias = Delta | Usage

Feed: TypeAlias = "Callable[[JSON], Iterable[Piece]]"
"""Takes one event of a stream after the other and gives the pieces that it brings.

Where they are a tuple, there are no counts among them: nearly every event is one more text, and is passed on
without a look.
"""


@dataclass(frozen=True, slots=True)
class Chat:
    """How a publisher chats.

    `request` translates a body, `response` a whole answer to a call. `stream` makes the state machine of one
    answer, which is fed with Vertex's events one by one. `many` says whether one call can bring `n` choices;
    else `n` calls are made side by side. `links` says whether https:// links to files can be sent; else the
    files themselves are.
    """

    request: Callable[[JSON, Model], UpstreamCall]
    response: Callable[[JSON, UpstreamCall], Iterable[Piece]]
    stream: Callable[[UpstreamCall], Feed]
    many: bool = False
    links: bool = True


@dataclass(frozen=True, slots=True)
class Unary(Generic[T]):
    """An operation whose answers come whole.

    `request` translates a body into calls, which are made side by side; `response` reads the answer to one of
    them. What comes of all of them, in their order, is what was asked for.
    """

    request: Callable[[JSON, Model], Sequence[UpstreamCall]]
    response: Callable[[JSON, UpstreamCall], T]


class Vector(NamedTuple):
    """An embedding, and the tokens of what it stands for."""

    values: list[float]
    tokens: int = 0


class Picture(NamedTuple):
    """A generated image: base64, and the prompt that it was really made from, where that is told."""

    data: str
    mime: str
    prompt: str | None = None


class Pictures(NamedTuple):
    """What one call for images brought; at least one."""

    pictures: Sequence[Picture]
    usage: Usage | None = None


class Sound(NamedTuple):
    """Speech: a file, or 16-bit samples of one channel if `rate` says how many make a second."""

    data: bytes
    mime: str
    usage: Usage | None = None
    rate: int | None = None


@dataclass(frozen=True, slots=True)
class Publisher:
    """What a publisher can do. An empty slot is the answer «not supported».

    `completions` goes on where a prompt ends; where it is empty, `chat` is asked to. `kinds` tells the slots
    that a model fills by its name, where not every model fills all.
    """

    name: str
    chat: Chat | None = None
    completions: Chat | None = None
    embeddings: Unary[list[Vector]] | None = None
    images: Unary[Pictures] | None = None
    speech: Unary[Sound] | None = None
    transcriptions: Chat | None = None
    kinds: Callable[[str], frozenset[str]] | None = None
