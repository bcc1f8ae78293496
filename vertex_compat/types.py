"""The values that modules hand to each other.

Of the package it imports only `model_profile`.

A chat request passes through them in this order::

    OpenAI's body ──(publisher.chat.request)──▶ UpstreamCall ──▶ Vertex AI
    Vertex AI's events ──(publisher.chat.stream / .response)──▶ Delta, Usage ──▶ OpenAI's chunks

Publishers produce `Delta` and `Usage`. `operations.chat` adds what is the same for every publisher: ids,
times, the role, the position of the finish reason and the last usage chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, Literal, NamedTuple, Required, TypeAlias, TypedDict, TypeVar, cast

import msgspec

from vertex_compat.model_profile import ModelProfile

T = TypeVar("T")

JSON: TypeAlias = dict[str, Any]
"""A JSON object as it was received, unknown keys included."""

RawBody: TypeAlias = dict[str, msgspec.Raw]
"""A JSON object whose values are as they were received, not decoded."""


class Model(msgspec.Struct, frozen=True):
    """The Vertex AI model that a client's model name stands for."""

    requested_name: str
    """The name that the client sent."""
    publisher: str
    """Key in the table `PUBLISHERS`."""
    name: str
    """The model's name in a body that names its model."""
    resource: str
    """Path after `…/locations/{location}/`: `publishers/google/models/gemini-3.8-flash`, `endpoints/123`."""
    locations: tuple[str, ...]
    """Locations to call it in, best first."""
    location_pinned: bool = False
    """True if the operator has chosen the locations; else they are those where the model is offered."""
    project: str | None = None
    """Google Cloud project; None is the function's own."""
    impersonate_account: str | None = None
    """Service account to act as; None is the function's own."""
    named_project: str | None = None
    """Project of a full resource name. It must be the function's own project; it never selects one."""
    endpoint_host: str | None = None
    """Host name that alone serves a dedicated endpoint, where it is known."""
    served_name: str | None = None
    """Model name that a container checks in the body's `model`."""
    reasoning_tags: bool = False
    """True if the model writes its reasoning into the content, between `<think>` and `</think>`."""
    invoke: bool = False
    """True if the endpoint forwards every path of its container, below `invoke/`, and has no other method."""
    model_armor: str | None = None
    """Model Armor template with which prompts and responses are checked."""
    defaults: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Parameters that apply where the client sends none."""
    enforced: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Google's `safety_settings` and `labels` that replace the client's."""
    has_fallback: bool = False
    """True if another model answers when this one fails."""
    refused_features: frozenset[str] = frozenset()
    """Optional features that Vertex AI has refused: see `UpstreamCall.optional_features`."""
    profile: ModelProfile = ModelProfile()
    """The facts about the model: its capabilities, limits and price."""

    @property
    def target(self) -> tuple[object, ...]:
        """The fields that distinguish targets of calls: without the client's name and parameters."""
        return (
            self.publisher,
            self.resource,
            self.locations,
            self.project,
            self.impersonate_account,
            self.endpoint_host,
            self.served_name,
            self.model_armor,
        )


class ResourceTarget(msgspec.Struct, frozen=True):
    """Target of a call that is not to a model: a bucket, a job. Fields as in `Model`."""

    resource: str
    locations: tuple[str, ...]
    location_pinned: bool = True
    project: str | None = None
    impersonate_account: str | None = None
    named_project: str | None = None


Service: TypeAlias = Literal[
    "aiplatform",
    "discoveryengine",
    "iamcredentials",
    "language",
    "model_garden",
    "modelarmor",
    "speech",
    "storage",
    "texttospeech",
]
"""The Google APIs that are called. Model Garden is Vertex AI's API without the project in its paths."""


class JSONAnswer(msgspec.Struct, frozen=True):
    """The place of the requested JSON in a model's answer."""

    tool: str | None = None
    """Its arguments are the JSON if the model calls it, also if only text was requested."""
    schema: JSON = {}
    """Schema of an object, as it was sent."""
    wrapped: bool = False
    """True if the client's value is a property of the object."""
    names: Mapping[str, str] = {}
    """Names of properties as they were sent → as the client wrote them."""
    source: Literal["tool", "text", "constrained"] = "tool"
    """The JSON was requested as a call, as text by an instruction, or as text held to the schema."""


class UpstreamCall(msgspec.Struct, frozen=True):
    """Description of a call to Google, and of how to read its response.

    Nothing is sent by making one. On `aiplatform`, `discoveryengine` and `speech`, `path` follows
    `/{version}/projects/{project}/locations/{location}/`, unless it begins with `projects/`; on every other
    service it follows `/{version}/`.
    """

    path: str
    body: Mapping[str, Any]
    version: str = "v1"
    method: str = "POST"
    service: Service = "aiplatform"
    content: bytes | None = None
    """Sent instead of `body`."""
    headers: Mapping[str, str] = {}
    ignored: tuple[str, ...] = ()
    """Names of the client's parameters that are not sent as they came, for `x-vertex-compat-ignored`."""
    tool_names: Mapping[str, str] = {}
    """Name of a tool as it was sent → as the client wrote it."""
    custom_tools: tuple[str, ...] = ()
    """Names of functions that stand for custom tools of the client, where the call outlives the request."""
    argument_names: Mapping[str, Mapping[str, str]] = {}
    """Name of a tool as it was sent → names of its arguments' properties → as the client wrote them."""
    json_answer: JSONAnswer | None = None
    """The place of the requested JSON; None if the text is the answer."""
    optional_features: tuple[str, ...] = ()
    """Features of the call that Vertex AI may refuse with a 400.

    `ChatAdapter.request` makes a call without them for a model that has them in `refused_features`. Names
    that begin with `policy.` are denied only with FAILED_PRECONDITION, by an organization policy. Names that
    begin with `messages.` or `recording.` depend on the request and are not remembered.
    """
    audio_format: str | None = None
    """OpenAI's name of the audio format that the client requests."""
    partial_images: int = 0
    """The most drafts of each image that the client gets: `partial_images` of deltas."""
    reasoning_tags: bool = False
    """As in `Model`."""
    endpoint_host: str | None = None
    """As in `Model`."""
    polls: int = 0
    """Number of polls of an operation, this one included; a pause comes before each."""


class ClientRequest:
    """The parameters of one client request while a publisher translates them.

    `ignore` notes a parameter that is not sent as the client sent it; `ignored` lists these names, each once.
    """

    __slots__ = ("_ignored", "body", "model")

    def __init__(self, body: JSON, model: Model) -> None:
        self.body = body
        self.model = model
        self._ignored: dict[str, None] = {}

    def ignore(self, *names: str) -> None:
        """Note the names of parameters that are not sent as they came."""
        self._ignored |= dict.fromkeys(names)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The noted names in the order in which they were noted, for `UpstreamCall.ignored`."""
        return tuple(self._ignored)


class CodeExecution(NamedTuple):
    """Code that the publisher ran (`code`), or its output (`output`)."""

    code: str | None = None
    output: str | None = None
    failed: bool = False


class FunctionDelta(TypedDict, total=False):
    """Part of a call of a function: its name, or a piece of its arguments."""

    name: str
    arguments: str


class CustomDelta(TypedDict, total=False):
    """Part of a call of a custom tool: its name, or its input."""

    name: str
    input: str


class ToolCallDelta(TypedDict, total=False):
    """Part of a call; the first one has id, type and name, and Gemini's signature."""

    index: Required[int]
    id: str
    type: Literal["custom", "function"]
    function: FunctionDelta
    custom: CustomDelta
    extra_content: JSON


class FunctionCallDelta(FunctionDelta, total=False):
    """Part of a call in the form of OpenAI's older API."""

    extra_content: JSON


class DeltaFields(TypedDict, total=False):
    """The fields of one delta: OpenAI's, publishers' own, and those of other media."""

    content: str
    refusal: str
    tool_calls: list[ToolCallDelta]
    function_call: FunctionCallDelta
    audio: JSON
    annotations: list[JSON]
    reasoning_content: str
    thinking_blocks: list[JSON]
    extra_content: JSON
    citations: list[JSON]
    references: list[JSON]
    safety_ratings: list[JSON]
    url_context_metadata: JSON
    vertex_ai_grounding_metadata: list[JSON]
    images: list[JSON]
    partial_images: list[JSON]
    image: GeneratedImage
    partial_image: GeneratedImage
    samples: bytes
    """Samples of 16 bits, of speech; `rate` is their number a second."""
    rate: int
    segments: list[JSON]
    billed_seconds: float


def without_field(fields: DeltaFields, name: str) -> DeltaFields:
    """Return the fields of a delta but one."""
    return cast("DeltaFields", {key: value for key, value in fields.items() if key != name})


class Delta(msgspec.Struct, frozen=True, gc=False):
    """Part of one choice: the `delta` object of OpenAI's chunk, without the role.

    Strings and lists continue those of the previous deltas. Tool calls continue by their `index`; only the
    first part of a call has its id, type and name. `finish_reason` is OpenAI's; a delta may have text and a
    finish reason together.
    """

    choice: int
    fields: DeltaFields
    finish_reason: str | None = None
    logprobs: JSON | None = None
    continuation: UpstreamCall | None = None
    """The call that continues the answer. `finish_reason` counts only where that call cannot be made."""
    checkpoint: Callable[[], UpstreamCall | None] | None = None
    """Returns the call that continues from here if the stream breaks, None if more has come since then."""
    stop_sequence: str | None = None
    """The stop sequence that ended the answer, where the publisher names it."""
    code_execution: CodeExecution | None = None
    """Code that the publisher ran, or its output; the `content` of `fields` is the same as text."""


class Usage(NamedTuple):
    """Token counts in OpenAI's meaning: `prompt` includes cached, `completion` reasoning tokens.

    Counts cover the whole response, so a later `Usage` replaces an earlier one. `extra` holds counts under a
    publisher's own names.
    """

    prompt: int
    completion: int
    prompt_details: Mapping[str, int] = MappingProxyType({})
    completion_details: Mapping[str, int] = MappingProxyType({})
    extra: Mapping[str, int] = MappingProxyType({})
    service_tier: str | None = None
    """`flex` or `priority`, where the publisher says that it served the request so."""


class Units(NamedTuple):
    """Quantities of a request that are paid by other units than tokens; `Price` has the rates."""

    characters: int = 0
    images: int = 0
    image_inputs: int = 0
    seconds: float = 0
    pages: int = 0
    items: int = 0
    variant: str = ""
    """The kind of voice, or the resolution: a key of `Price.variants` if it has a price of its own."""

    def counts(self) -> dict[str, float]:
        """Return the quantities that are not 0."""
        return {name: count for name, count in zip(self._fields[:-1], self[:-1], strict=True) if count}


def no_units(_: JSON, __: Model) -> Units | None:
    """Return None: the request is paid by tokens."""
    return None


StreamPart: TypeAlias = Delta | Usage

_ONLY_CONTENT = frozenset({"content"})


def only_text(part: StreamPart) -> str | None:
    """Return the text of a part that is nothing else, as most are; None for any other part."""
    if (
        isinstance(part, Delta)
        and part.fields.keys() == _ONLY_CONTENT
        and not (part.finish_reason or part.logprobs or part.code_execution)
    ):
        return part.fields["content"] or None
    return None


class TextEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of a stream with nothing but more text of one choice, as most events are.

    `append` reads an event that differs from this one only in its text, as the translator would. It returns
    False, and has read nothing, if that event has to be translated (an empty text may say more).
    """

    choice: int
    text: str
    append: Callable[[str], object]

    @property
    def delta(self) -> Delta:
        """The event as a part of the response."""
        return Delta(self.choice, {"content": self.text})


StreamTranslator: TypeAlias = "Callable[[JSON], TextEvent | Iterable[StreamPart]]"
"""Takes the events of a stream one by one and returns the parts that each brings."""


def parts_of(translated: TextEvent | Iterable[StreamPart]) -> Iterable[StreamPart]:
    """Return the parts that a translator returned."""
    return (translated.delta,) if isinstance(translated, TextEvent) else translated


class ChatAdapter(msgspec.Struct, frozen=True):
    """Chat with the models of a publisher.

    `request` translates the client's body, `response` a whole response. `stream` returns the translator of
    one streamed response.
    """

    request: Callable[[JSON, Model], UpstreamCall]
    response: Callable[[JSON, UpstreamCall], Iterable[StreamPart]]
    stream: Callable[[UpstreamCall], StreamTranslator]
    supports_n: bool = False
    """True if one call can return `n` choices, if the model can; else `n` calls are made in parallel."""
    accepts_urls: bool = True
    """True if https:// URLs of files can be sent; else the files themselves are."""
    needs_media_types: bool = False
    """True if each URL is sent with the media type of its file."""
    whole: Callable[[UpstreamCall], Callable[[JSON], Iterable[StreamPart]]] | None = None
    """Returns the translator of whole responses that may be continued; it gets one after the other."""
    header_params: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Header of the client's request → parameter of `request` that has its comma-separated values."""
    searches_web: bool = False
    """True if models accept `web_search_options`."""
    runs_code: bool = False
    """True if the publisher runs code that its models write: tools of type `code_interpreter`."""

    def takes_n(self, model: Model) -> bool:
        """Return whether one call to this model can return `n` choices."""
        return self.supports_n and model.profile.takes_several_candidates


class UnaryAdapter(msgspec.Struct, Generic[T], frozen=True):
    """An operation whose responses are not streamed.

    `request` translates a body into calls, which are made in parallel; `response` reads the response to one
    of them. The results of all calls, in their order, are the result of the operation. `units` returns what
    is charged for a request that is not paid by tokens; it may be an estimate.
    """

    request: Callable[[JSON, Model], Sequence[UpstreamCall]]
    response: Callable[[JSON, UpstreamCall], T]
    units: Callable[[JSON, Model], Units | None] = no_units


def _same_model(model: Model) -> Model:
    return model


class TokenCounter(msgspec.Struct, frozen=True):
    """Input token counts by a publisher.

    `request` makes the call for a chat body, `relay` for a body of the publisher's own API. `response` reads
    the number of tokens. `locate` returns the model with the locations that can count for it.
    """

    request: Callable[[JSON, Model], UpstreamCall]
    relay: Callable[[RawBody, Model], UpstreamCall]
    response: Callable[[JSON], int]
    locate: Callable[[Model], Model] = _same_model


Relay: TypeAlias = Callable[[RawBody, Model, str], UpstreamCall]
"""Makes the call for a request of the publisher's own API, which is passed on and not translated.

The string is what the client sent beside the body: the header `anthropic-beta`, or the method in the path.
"""


class Embedding(NamedTuple):
    """An embedding, and the number of tokens of its input, or of seconds of its video."""

    values: list[float]
    tokens: int = 0
    seconds: float = 0


class GeneratedImage(NamedTuple):
    """A generated image in base64, and the rewritten prompt, where the publisher returns it."""

    data: str
    mime: str
    prompt: str | None = None

    @property
    def format(self) -> str:
        """OpenAI's name of the file format: `png`, `jpeg`."""
        return self.mime.removeprefix("image/")


class GeneratedImages(NamedTuple):
    """The images that one call returned; at least one."""

    images: Sequence[GeneratedImage]
    usage: Usage | None = None


class ImageAdapter(msgspec.Struct, frozen=True):
    """Images of a publisher: `whole` makes all images of a request, `stream` makes one.

    The deltas of `stream` have `image` or, for drafts that come before it, `partial_image`: both are a
    `GeneratedImage`.
    """

    whole: UnaryAdapter[GeneratedImages]
    stream: ChatAdapter


class OCRResult(NamedTuple):
    """The text of a document in Mistral's form, and token counts if they are charged for."""

    response: Mapping[str, Any]
    usage: Usage | None = None


class Audio(NamedTuple):
    """Speech: a file, or 16-bit mono samples if `rate` gives the samples a second."""

    data: bytes
    mime: str
    usage: Usage | None = None
    rate: int | None = None


class RankedDocument(NamedTuple):
    """A document's index in the client's list, and its relevance to the query, from 0 to 1."""

    document_index: int
    score: float


def _samples_only(_: Model) -> tuple[str, ...]:
    return ()


class SpeechAdapter(msgspec.Struct, frozen=True):
    """Speech or music of a publisher: `whole` returns a file, or samples.

    `stream` returns samples as they come: the deltas have `samples` and `rate`. Several results of `whole`
    are one recording in pieces.
    """

    whole: UnaryAdapter[Audio]
    stream: ChatAdapter | None = None
    formats: Callable[[Model], tuple[str, ...]] = _samples_only
    """Returns OpenAI's names of the formats of a model's files, the usual one first; empty for samples."""


def _no_object(_: JSON, __: Model) -> bool:
    return False


class TranscriptionAdapter(msgspec.Struct, frozen=True):
    """Transcription by a publisher.

    The body of `chat` has the recording in `audio`: `mime`, `size`, and base64 `data` or the `uri` of an
    object. `storable` says that the recording in `data` can become an object. The deltas may have `segments`,
    and `billed_seconds`.
    """

    chat: ChatAdapter
    units: Callable[[JSON, Model], Units | None] = no_units
    """Returns what is charged for a request; it may be an estimate."""
    locate: Callable[[Model], Model] = _same_model
    """Returns the model with the locations that serve it."""
    needs_object: Callable[[JSON, Model], bool] = _no_object
    """Returns whether the recording has to become an object before `chat` gets it."""
    too_long: str = ""
    """Phrase of the error for a recording that only an object may have the length of."""


class VideoOperation(NamedTuple):
    """The state of a video.

    `error` is a code and a message; the video is at `uri` or is base64 `data`.
    """

    done: bool = False
    error: tuple[str, str] | None = None
    mime: str = "video/mp4"
    uri: str = ""
    data: str = ""


class VideoAdapter(msgspec.Struct, frozen=True):
    """Makes videos, which take minutes, in operations whose state is polled."""

    start: Callable[[JSON, Model], UpstreamCall]
    location: Callable[[str], str]
    """Returns the location of an operation; raises `UpstreamFault` for a name that is none."""
    fetch: Callable[[str], UpstreamCall]
    """Returns the call that shows an operation."""
    read: Callable[[JSON], VideoOperation]
    units: Callable[[JSON, Model], Units | None] = no_units
    """Returns what is charged for a request of `start`."""
    extension_seconds: int = 0
    """Seconds by which `start` continues a `video`."""


A = TypeVar("A")


class _LazyAdapter(Generic[A]):
    """One operation of a publisher: its adapter, imported at its first use.

    None if there is none.
    """

    def __set_name__(self, owner: type[Publisher], name: str) -> None:
        self._operation = name

    def __get__(self, publisher: Publisher, owner: type[Publisher]) -> A | None:
        name = publisher.adapters.get(self._operation)
        return publisher.load(name) if name else None


class Publisher:
    """The operations of a publisher. None means "not supported".

    `adapters` has the name of each operation's adapter, `load` returns the adapter with a name. So a
    process imports only what its requests need. `completions` continues a prompt; where it is None, `chat`
    is used. `messages` takes requests of Anthropic's Messages API, `generate_content` those of the Gemini
    API. `music` has the models of `speech` that sing and play.
    """

    def __init__(self, name: str, load: Callable[[str], Any], **adapters: str) -> None:
        self.name = name
        self.load = load
        self.adapters: Mapping[str, str] = adapters

    chat = _LazyAdapter["ChatAdapter"]()
    completions = _LazyAdapter["ChatAdapter"]()
    embeddings = _LazyAdapter["UnaryAdapter[list[Embedding]]"]()
    images = _LazyAdapter["ImageAdapter"]()
    speech = _LazyAdapter["SpeechAdapter"]()
    transcriptions = _LazyAdapter["TranscriptionAdapter"]()
    rerank = _LazyAdapter["UnaryAdapter[list[RankedDocument]]"]()
    ocr = _LazyAdapter["UnaryAdapter[OCRResult]"]()
    videos = _LazyAdapter["VideoAdapter"]()
    messages = _LazyAdapter["Relay"]()
    generate_content = _LazyAdapter["Relay"]()
    music = _LazyAdapter["SpeechAdapter"]()
    token_counts = _LazyAdapter["TokenCounter"]()
