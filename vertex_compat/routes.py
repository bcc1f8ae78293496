"""Method and path → operation: one table.

The prefix `/v1` and a slash at the end are optional.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Final, Literal, TypeAlias, cast

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule

from vertex_compat import errors
from vertex_compat.error_formats import ANTHROPIC, GOOGLE, OPENAI, ErrorFormat
from vertex_compat.operations.context import RequestContext, Response

Operation = Callable[[RequestContext], Response]

ClientApi: TypeAlias = Literal["openai", "anthropic", "google"]


class _LazyModule:
    """A module of `operations` that is imported at the first call of one of its operations."""

    def __init__(self, name: str) -> None:
        self._name = f"vertex_compat.operations.{name}"

    def __getattr__(self, name: str) -> Operation:
        def operation(context: RequestContext) -> Response:
            return cast(Response, getattr(import_module(self._name), name)(context))

        operation.__module__, operation.__name__ = self._name, name
        return operation


anthropic_models = _LazyModule("messages.anthropic_models")
batches = _LazyModule("batches.batches")
chat = _LazyModule("chat.chat")
compact = _LazyModule("responses.compact")
completions = _LazyModule("completions.completions")
conversations = _LazyModule("conversations.conversations")
embed_content = _LazyModule("generate_content.embed_content")
embeddings = _LazyModule("embeddings.embeddings")
files = _LazyModule("files.files")
fine_tuning = _LazyModule("fine_tuning.fine_tuning")
gemini_models = _LazyModule("generate_content.gemini_models")
generate_content = _LazyModule("generate_content.generate_content")
images = _LazyModule("images.images")
input_tokens = _LazyModule("responses.input_tokens")
message_batches = _LazyModule("batches.message_batches")
messages = _LazyModule("messages.messages")
models = _LazyModule("service.models")
moderations = _LazyModule("moderations.moderations")
ocr = _LazyModule("ocr.ocr")
passthrough = _LazyModule("service.passthrough")
predict = _LazyModule("generate_content.predict")
rerank = _LazyModule("rerank.rerank")
responses = _LazyModule("responses.responses")
root = _LazyModule("service.root")
speech = _LazyModule("audio.speech")
store_files = _LazyModule("vector_stores.store_files")
stored_completions = _LazyModule("chat.stored_completions")
stored_responses = _LazyModule("responses.stored_responses")
transcriptions = _LazyModule("audio.transcriptions")
vector_stores = _LazyModule("vector_stores.vector_stores")
video_creation = _LazyModule("videos.video_creation")
videos = _LazyModule("videos.videos")
voices = _LazyModule("audio.voices")


def _list_models(context: RequestContext) -> Response:
    """List the models in the form of the client's API."""
    match client_api("/models", context.header):
        case "anthropic":
            return anthropic_models.list_models(context)
        case "google":
            return gemini_models.list_models(context)
    return models.list_models(context)


def _retrieve_model(context: RequestContext) -> Response:
    """Describe a model in the form of the client's API."""
    match client_api("/models", context.header):
        case "anthropic":
            return anthropic_models.retrieve(context)
        case "google":
            return gemini_models.retrieve(context)
    return models.retrieve(context)


def _describe_root(context: RequestContext) -> Response:
    """Describe the deployment: name, version and operations."""
    from vertex_compat.operations.service import root as module  # noqa: PLC0415  (rarely requested)

    return module.describe(context, (f"{method} {path}" for method, path in TABLE))


TABLE: Final[dict[tuple[str, str], Operation]] = {
    ("GET", "/"): _describe_root,
    ("GET", "/health"): root.health,
    ("GET", "/openapi.json"): lambda _: _openapi_spec(),
    ("POST", "/chat/completions"): chat.complete,
    ("GET", "/chat/completions"): stored_completions.list_completions,
    ("GET", "/chat/completions/<id>"): stored_completions.retrieve,
    ("POST", "/chat/completions/<id>"): stored_completions.update,
    ("DELETE", "/chat/completions/<id>"): stored_completions.delete,
    ("GET", "/chat/completions/<id>/messages"): stored_completions.list_messages,
    ("POST", "/completions"): completions.complete,
    ("POST", "/embeddings"): embeddings.create,
    ("POST", "/images/generations"): images.generate,
    ("POST", "/images/edits"): images.edit,
    ("POST", "/images/variations"): images.vary,
    ("POST", "/audio/speech"): speech.create,
    ("GET", "/audio/voices"): voices.list_voices,
    ("GET", "/audio/models"): voices.list_models,
    ("POST", "/audio/transcriptions"): transcriptions.transcribe,
    ("POST", "/audio/translations"): transcriptions.translate,
    ("POST", "/moderations"): moderations.create,
    ("POST", "/rerank"): rerank.create,
    ("POST", "/v2/rerank"): rerank.create,
    ("POST", "/ocr"): ocr.create,
    ("POST", "/videos"): video_creation.create,
    ("POST", "/videos/extensions"): video_creation.extend,
    ("POST", "/videos/edits"): videos.edit,
    ("POST", "/videos/characters"): videos.create_character,
    ("GET", "/videos/characters/<character>"): videos.retrieve_character,
    ("GET", "/videos"): videos.list_videos,
    ("GET", "/videos/<video>"): videos.retrieve,
    ("DELETE", "/videos/<video>"): videos.delete,
    ("GET", "/videos/<video>/content"): videos.content,
    ("POST", "/videos/<video>/remix"): videos.remix,
    ("POST", "/vector_stores"): vector_stores.create,
    ("GET", "/vector_stores"): vector_stores.list_stores,
    ("GET", "/vector_stores/<store>"): vector_stores.retrieve,
    ("POST", "/vector_stores/<store>"): vector_stores.update,
    ("DELETE", "/vector_stores/<store>"): vector_stores.delete,
    ("POST", "/vector_stores/<store>/search"): vector_stores.search,
    ("POST", "/vector_stores/<store>/files"): store_files.create,
    ("GET", "/vector_stores/<store>/files"): store_files.list_files,
    ("GET", "/vector_stores/<store>/files/<path:file>/content"): store_files.content,
    ("GET", "/vector_stores/<store>/files/<path:file>"): store_files.retrieve,
    ("POST", "/vector_stores/<store>/files/<path:file>"): store_files.update,
    ("DELETE", "/vector_stores/<store>/files/<path:file>"): store_files.delete,
    ("POST", "/vector_stores/<store>/file_batches"): store_files.create_batch,
    ("GET", "/vector_stores/<store>/file_batches/<batch>"): store_files.retrieve_batch,
    ("GET", "/vector_stores/<store>/file_batches/<batch>/files"): store_files.list_batch_files,
    ("POST", "/vector_stores/<store>/file_batches/<batch>/cancel"): store_files.cancel_batch,
    ("POST", "/messages"): messages.create,
    ("POST", "/messages/count_tokens"): messages.count_tokens,
    ("POST", "/messages/batches"): message_batches.create,
    ("GET", "/messages/batches"): message_batches.list_batches,
    ("GET", "/messages/batches/<batch>"): message_batches.retrieve,
    ("DELETE", "/messages/batches/<batch>"): message_batches.delete,
    ("POST", "/messages/batches/<batch>/cancel"): message_batches.cancel,
    ("GET", "/messages/batches/<batch>/results"): message_batches.list_results,
    ("POST", "/responses"): responses.create,
    ("POST", "/responses/compact"): compact.compact,
    ("POST", "/responses/input_tokens"): input_tokens.count,
    ("GET", "/responses/<id>"): stored_responses.retrieve,
    ("DELETE", "/responses/<id>"): stored_responses.delete,
    ("POST", "/responses/<id>/cancel"): stored_responses.cancel,
    ("GET", "/responses/<id>/input_items"): stored_responses.input_items,
    ("POST", "/conversations"): conversations.create,
    ("GET", "/conversations/<conversation>"): conversations.retrieve,
    ("POST", "/conversations/<conversation>"): conversations.update,
    ("DELETE", "/conversations/<conversation>"): conversations.delete,
    ("POST", "/conversations/<conversation>/items"): conversations.create_items,
    ("GET", "/conversations/<conversation>/items"): conversations.list_items,
    ("GET", "/conversations/<conversation>/items/<item>"): conversations.retrieve_item,
    ("DELETE", "/conversations/<conversation>/items/<item>"): conversations.delete_item,
    ("POST", "/files"): files.create,
    ("GET", "/files"): files.list_files,
    ("GET", "/files/<path:file>"): files.retrieve,
    ("DELETE", "/files/<path:file>"): files.delete,
    ("GET", "/files/<path:file>/content"): files.content,
    ("POST", "/batches"): batches.create,
    ("GET", "/batches"): batches.list_batches,
    ("GET", "/batches/<batch>"): batches.retrieve,
    ("POST", "/batches/<batch>/cancel"): batches.cancel,
    ("POST", "/fine_tuning/jobs"): fine_tuning.create,
    ("GET", "/fine_tuning/jobs"): fine_tuning.list_jobs,
    ("GET", "/fine_tuning/jobs/<job>"): fine_tuning.retrieve,
    ("POST", "/fine_tuning/jobs/<job>/cancel"): fine_tuning.cancel,
    ("GET", "/fine_tuning/jobs/<job>/events"): fine_tuning.events,
    ("GET", "/fine_tuning/jobs/<job>/checkpoints"): fine_tuning.checkpoints,
    ("GET", "/vertex-ai/<path:path>"): passthrough.forward,
    ("POST", "/vertex-ai/<path:path>"): passthrough.forward,
    ("PATCH", "/vertex-ai/<path:path>"): passthrough.forward,
    ("DELETE", "/vertex-ai/<path:path>"): passthrough.forward,
    ("GET", "/projects/<path:path>"): passthrough.forward_v1,
    ("POST", "/projects/<path:path>"): passthrough.forward_v1,
    ("PATCH", "/projects/<path:path>"): passthrough.forward_v1,
    ("DELETE", "/projects/<path:path>"): passthrough.forward_v1,
    ("GET", "/v1beta1/projects/<path:path>"): passthrough.forward_v1beta1,
    ("POST", "/v1beta1/projects/<path:path>"): passthrough.forward_v1beta1,
    ("PATCH", "/v1beta1/projects/<path:path>"): passthrough.forward_v1beta1,
    ("DELETE", "/v1beta1/projects/<path:path>"): passthrough.forward_v1beta1,
    ("POST", "/v1beta/models/<path:model>:generateContent"): generate_content.generate,
    ("POST", "/v1beta/models/<path:model>:streamGenerateContent"): generate_content.stream,
    ("POST", "/v1beta/models/<path:model>:countTokens"): generate_content.count_tokens,
    ("POST", "/v1beta/models/<path:model>:embedContent"): embed_content.embed,
    ("POST", "/v1beta/models/<path:model>:batchEmbedContents"): embed_content.embed_batch,
    ("POST", "/v1beta/models/<path:model>:predict"): predict.predict,
    ("GET", "/v1beta/models"): gemini_models.list_models,
    ("GET", "/v1beta/models/<path:model>"): gemini_models.retrieve,
    ("GET", "/models"): _list_models,
    ("GET", "/models/<path:model>"): _retrieve_model,
}

OPEN: Final = frozenset({"/health"})
"""Paths that need no key and no free thread, for health probes."""

PUBLIC: Final = frozenset({"/", "/openapi.json"})
"""Paths that need no key."""

_MODEL_IN_PATH: Final = re.compile(
    r"/(?:deployments|engines)/(?P<model>[^/]+(?:/[^/]+){0,5}?)"
    r"(?P<path>/(?:(?:chat/)?completions|embeddings|images/(?:generations|edits)"
    r"|audio/(?:speech|transcriptions|translations)))"
)
"""Azure's paths (without `/openai`) and OpenAI's old ones, which name the model."""

_ANTHROPIC_PATHS: Final = re.compile(r"/messages(?:/|$)")
_MODELS_PATHS: Final = re.compile(r"/models(?:/|$)")
_GEMINI_PATH: Final = re.compile(r"/(?:v1alpha/(?P<alpha>models(?:/.*)?)|v1/(?P<v1>models/[^:]+:[A-Za-z]+))")
_GOOGLE_PATHS: Final = re.compile(r"/(?:vertex-ai|projects|v1beta1?)/")


def client_api(path: str, header: Callable[[str], str]) -> ClientApi:
    """Return the client's API, by the path of its request, else by a header of that API."""
    short = resource(path)
    if _GOOGLE_PATHS.match(short):
        return "google"
    if _ANTHROPIC_PATHS.match(short) or header("anthropic-version"):
        return "anthropic"
    by_header = _MODELS_PATHS.match(short) and (header("x-goog-api-key") or header("x-goog-api-client"))
    return "google" if by_header else "openai"


def error_format(path: str, header: Callable[[str], str]) -> ErrorFormat:
    """Return how the errors of a request are written: as in the client's API."""
    return {"openai": OPENAI, "anthropic": ANTHROPIC, "google": GOOGLE}[client_api(path, header)]


def _openapi_spec() -> Response:
    from vertex_compat.operations.service import openapi_spec  # noqa: PLC0415  (rarely requested)

    return openapi_spec.describe(
        {route: load(operation) for route, operation in TABLE.items()}, OPEN | PUBLIC
    )


def load(operation: Operation) -> Operation:
    """Return the function of an operation of the table, whose module is imported for it."""
    return cast(Operation, getattr(import_module(operation.__module__), operation.__name__, operation))


def takes_key_in_query(path: str) -> bool:
    """Return whether the API key may be the query parameter `key`, as in Google's APIs."""
    return _GOOGLE_PATHS.match(resource(path)) is not None


def resource(path: str) -> str:
    """Return the path without an optional `/v1`, `/openai` or `/openai/v1` and final slash."""
    return _normalize(path).rstrip("/") or "/"


def _normalize(path: str) -> str:
    """The path without its prefix; paths of the Gemini API get `/v1beta`, for every version."""
    path = path[7:] if path.startswith("/openai/") else path
    if gemini := _GEMINI_PATH.fullmatch(path):
        return f"/v1beta/{gemini['alpha'] or gemini['v1']}"
    return path[3:] if path.startswith("/v1/") or path == "/v1" else path


def operation_name(operation: Operation, path: str) -> str:
    """Return the name in `[keys.NAME] operations` of the operation that answers `path`."""
    _, *folders, module = getattr(operation, "func", operation).__module__.split(".")
    if folders and folders[-1] != "service":
        return folders[-1]
    return module if folders else resource(path).split("/")[1]


def find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """Return the operation and the variable parts of the path.

    Raises `NotFound`, `MethodNotAllowed`.
    """
    short = resource(path)
    if operation := TABLE.get((method, short)):
        return operation, {}
    match = _MODEL_IN_PATH.fullmatch(short)
    if match and (operation := TABLE.get((method, match["path"]))):
        from vertex_compat.operations.service import deployments  # noqa: PLC0415  (rarely requested)

        return deployments.with_model_in_path(operation), {"model": match["model"]}
    try:
        endpoint, arguments = _map().match(_normalize(path), method)
    except MethodNotAllowed as error:
        methods = ", ".join(sorted(error.valid_methods or ()))
        raise errors.MethodNotAllowed(
            f"Not allowed to {method} on {path[:200]}. Allowed: {methods}.", headers={"Allow": methods}
        ) from None
    except NotFound:
        raise errors.NotFound(f"Unknown request URL: {method} {path[:200]}.", code="unknown_url") from None
    return TABLE[endpoint], dict(arguments)


@cache
def _map() -> MapAdapter:
    """The matcher of paths with variable parts, made at its first use."""
    rules = [Rule(path, methods=[method], endpoint=(method, path)) for method, path in TABLE]
    return Map(rules, strict_slashes=False, merge_slashes=False).bind("")
