"""`GET /openapi.json`: the description of this API in OpenAPI 3.1.

https://spec.openapis.org/oas/v3.1.1. The structs that validate request bodies also describe them. The
document is made at the first request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from inspect import cleandoc
from typing import Any, Final

import msgspec

from vertex_compat import __version__
from vertex_compat.operations.audio import speech_schema, transcriptions_schema
from vertex_compat.operations.batches import batches_schema
from vertex_compat.operations.chat import chat_schema, stored_completions
from vertex_compat.operations.completions import completions_schema
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.conversations import conversations_schema
from vertex_compat.operations.embeddings import embeddings_schema
from vertex_compat.operations.fine_tuning import fine_tuning_schema
from vertex_compat.operations.generate_content import generate_content_schema
from vertex_compat.operations.images import images_schema
from vertex_compat.operations.messages import messages_schema
from vertex_compat.operations.moderations import moderations_schema
from vertex_compat.operations.ocr import ocr_schema
from vertex_compat.operations.rerank import rerank_schema
from vertex_compat.operations.responses import responses_schema
from vertex_compat.operations.vector_stores import vector_stores_schema
from vertex_compat.operations.videos import videos_schema
from vertex_compat.types import JSON

Row = tuple[str, str]
Operations = Mapping[Row, Callable[[RequestContext], Response]]

_REF: Final = "#/components/schemas/{name}"
_SSE: Final = "text/event-stream"
_ANY: Final[JSON] = {"schema": {}}
_FILE: Final[JSON] = {"type": "string", "contentMediaType": "application/octet-stream"}

_STATUSES: Final = {
    "400": "The request is wrong; the error names the parameter.",
    "401": "The API key is missing or wrong.",
    "403": "Not allowed with this key or in this project.",
    "404": "There is no such path, model, file or job.",
    "405": "The path takes another method.",
    "409": "The request contradicts the present state.",
    "413": "The body is larger than the limit.",
    "429": "Too many requests for this instance or the model. `Retry-After` says when to try again.",
    "500": "This function failed.",
    "502": "Vertex AI failed, or its response was not valid.",
    "503": "Vertex AI is overloaded or cannot be reached.",
    "504": "There was no response in time.",
    "529": "Vertex AI is overloaded, in Anthropic's API.",
}


class _About(msgspec.Struct, frozen=True):
    """Request and response of an operation, where they are more than a plain object.

    `form` has the files of a form; `object` and `type` are fields of the response with these constant values.
    `types` are media types of the response besides JSON, or instead of it if not `json`. `takes_json` is the
    JSON body of an operation that takes a form as well. `ranges`: a part of the response can be requested.
    """

    takes: type[msgspec.Struct] | None = None
    takes_json: type[msgspec.Struct] | None = None
    form: Mapping[str, JSON] | None = None
    query: tuple[str, ...] = ()
    object: str | None = None
    type: str | None = None
    types: tuple[str, ...] = ()
    json: bool = True
    ranges: bool = False
    errors: str = "Error"


_RANGE: Final[JSON] = {
    "name": "Range",
    "in": "header",
    "description": "One range of bytes, such as `bytes=0-1023`. Any other value is ignored.",
    "schema": {"type": "string"},
}

_PAGE: Final = ("limit", "after")
_LIST: Final = _About(query=_PAGE, object="list")

_ABOUT: Final[Mapping[Row, _About]] = {
    ("POST", "/chat/completions"): _About(chat_schema.Chat, object="chat.completion", types=(_SSE,)),
    ("POST", "/completions"): _About(completions_schema.Completion, object="text_completion", types=(_SSE,)),
    ("POST", "/messages"): _About(
        messages_schema.CreateMessage, types=(_SSE,), errors="AnthropicError", type="message"
    ),
    ("POST", "/messages/count_tokens"): _About(messages_schema.CountTokens, errors="AnthropicError"),
    ("POST", "/responses/input_tokens"): _About(
        responses_schema.CreateResponse, object="response.input_tokens"
    ),
    ("POST", "/v1beta/models/<path:model>:countTokens"): _About(errors="GoogleError"),
    ("POST", "/messages/batches"): _About(
        batches_schema.CreateMessageBatch, errors="AnthropicError", type="message_batch"
    ),
    ("GET", "/messages/batches"): _About(query=("limit", "after_id", "before_id"), errors="AnthropicError"),
    ("GET", "/messages/batches/<batch>"): _About(errors="AnthropicError", type="message_batch"),
    ("DELETE", "/messages/batches/<batch>"): _About(errors="AnthropicError", type="message_batch_deleted"),
    ("POST", "/messages/batches/<batch>/cancel"): _About(errors="AnthropicError", type="message_batch"),
    ("GET", "/messages/batches/<batch>/results"): _About(
        types=("application/x-jsonl",), json=False, errors="AnthropicError"
    ),
    ("POST", "/responses"): _About(responses_schema.CreateResponse, object="response", types=(_SSE,)),
    ("POST", "/responses/compact"): _About(responses_schema.CreateResponse, object="response.compaction"),
    ("GET", "/chat/completions"): _About(query=(*_PAGE, "order", "model"), object="list"),
    ("GET", "/chat/completions/<id>"): _About(object="chat.completion"),
    ("POST", "/chat/completions/<id>"): _About(stored_completions.UpdateCompletion, object="chat.completion"),
    ("DELETE", "/chat/completions/<id>"): _About(object="chat.completion.deleted"),
    ("GET", "/chat/completions/<id>/messages"): _About(query=(*_PAGE, "order"), object="list"),
    ("GET", "/responses/<id>"): _About(query=("stream", "starting_after"), object="response", types=(_SSE,)),
    ("DELETE", "/responses/<id>"): _About(object="response"),
    ("POST", "/responses/<id>/cancel"): _About(object="response"),
    ("GET", "/responses/<id>/input_items"): _About(query=(*_PAGE, "order"), object="list"),
    ("POST", "/conversations"): _About(conversations_schema.CreateConversation, object="conversation"),
    ("GET", "/conversations/<conversation>"): _About(object="conversation"),
    ("POST", "/conversations/<conversation>"): _About(
        conversations_schema.UpdateConversation, object="conversation"
    ),
    ("DELETE", "/conversations/<conversation>"): _About(object="conversation.deleted"),
    ("POST", "/conversations/<conversation>/items"): _About(conversations_schema.CreateItems, object="list"),
    ("GET", "/conversations/<conversation>/items"): _About(query=(*_PAGE, "order"), object="list"),
    ("DELETE", "/conversations/<conversation>/items/<item>"): _About(object="conversation"),
    ("POST", "/embeddings"): _About(embeddings_schema.Embeddings, object="list"),
    ("POST", "/images/generations"): _About(images_schema.Images, types=(_SSE,)),
    ("POST", "/images/edits"): _About(
        images_schema.Images,
        images_schema.JSONEdit,
        form={"image": _FILE, "image[]": {"type": "array", "items": _FILE}, "mask": _FILE, "markup": _FILE},
        types=(_SSE,),
    ),
    ("POST", "/audio/speech"): _About(speech_schema.Speech, types=("audio/*", _SSE), json=False),
    ("POST", "/audio/transcriptions"): _About(
        transcriptions_schema.Transcription, form={"file": _FILE}, types=("text/plain", _SSE)
    ),
    ("POST", "/audio/translations"): _About(
        transcriptions_schema.Transcription, form={"file": _FILE}, types=("text/plain", _SSE)
    ),
    ("POST", "/moderations"): _About(moderations_schema.Moderation),
    ("POST", "/rerank"): _About(rerank_schema.Rerank, object="list"),
    ("POST", "/v2/rerank"): _About(rerank_schema.Rerank, object="list"),
    ("POST", "/ocr"): _About(ocr_schema.OCR),
    ("POST", "/vector_stores"): _About(vector_stores_schema.CreateStore, object="vector_store"),
    ("GET", "/vector_stores"): _About(query=(*_PAGE, "before", "order"), object="list"),
    ("GET", "/vector_stores/<store>"): _About(object="vector_store"),
    ("POST", "/vector_stores/<store>"): _About(vector_stores_schema.UpdateStore, object="vector_store"),
    ("DELETE", "/vector_stores/<store>"): _About(object="vector_store.deleted"),
    ("POST", "/vector_stores/<store>/search"): _About(
        vector_stores_schema.Search, object="vector_store.search_results.page"
    ),
    ("POST", "/vector_stores/<store>/files"): _About(
        vector_stores_schema.AttachFile, object="vector_store.file"
    ),
    ("GET", "/vector_stores/<store>/files"): _About(
        query=(*_PAGE, "before", "order", "filter"), object="list"
    ),
    ("GET", "/vector_stores/<store>/files/<path:file>"): _About(object="vector_store.file"),
    ("GET", "/vector_stores/<store>/files/<path:file>/content"): _About(
        object="vector_store.file_content.page"
    ),
    ("POST", "/vector_stores/<store>/files/<path:file>"): _About(
        vector_stores_schema.UpdateFile, object="vector_store.file"
    ),
    ("DELETE", "/vector_stores/<store>/files/<path:file>"): _About(object="vector_store.file.deleted"),
    ("POST", "/vector_stores/<store>/file_batches"): _About(
        vector_stores_schema.AttachFiles, object="vector_store.files_batch"
    ),
    ("GET", "/vector_stores/<store>/file_batches/<batch>"): _About(object="vector_store.files_batch"),
    ("GET", "/vector_stores/<store>/file_batches/<batch>/files"): _About(
        query=(*_PAGE, "before", "order", "filter"), object="list"
    ),
    ("POST", "/vector_stores/<store>/file_batches/<batch>/cancel"): _About(object="vector_store.files_batch"),
    ("POST", "/videos"): _About(videos_schema.Video, object="video"),
    ("POST", "/videos/extensions"): _About(videos_schema.Extension, object="video"),
    ("GET", "/videos"): _About(query=(*_PAGE, "order"), object="list"),
    ("GET", "/videos/<video>"): _About(object="video"),
    ("DELETE", "/videos/<video>"): _About(object="video.deleted"),
    ("GET", "/videos/<video>/content"): _About(
        query=("variant",), types=("video/mp4",), json=False, ranges=True
    ),
    ("POST", "/files"): _About(form={"file": _FILE, "purpose": {"type": "string"}}, object="file"),
    ("GET", "/files"): _About(query=(*_PAGE, "order", "purpose"), object="list"),
    ("GET", "/files/<path:file>"): _About(object="file"),
    ("DELETE", "/files/<path:file>"): _About(object="file"),
    ("GET", "/files/<path:file>/content"): _About(
        types=("application/octet-stream",), json=False, ranges=True
    ),
    ("POST", "/batches"): _About(batches_schema.Create, object="batch"),
    ("GET", "/batches"): _LIST,
    ("GET", "/batches/<batch>"): _About(object="batch"),
    ("POST", "/batches/<batch>/cancel"): _About(object="batch"),
    ("POST", "/fine_tuning/jobs"): _About(fine_tuning_schema.Create, object="fine_tuning.job"),
    ("GET", "/fine_tuning/jobs"): _LIST,
    ("GET", "/fine_tuning/jobs/<job>"): _About(object="fine_tuning.job"),
    ("POST", "/fine_tuning/jobs/<job>/cancel"): _About(object="fine_tuning.job"),
    ("GET", "/fine_tuning/jobs/<job>/events"): _LIST,
    ("GET", "/fine_tuning/jobs/<job>/checkpoints"): _LIST,
    ("POST", "/v1beta/models/<path:model>:generateContent"): _About(
        generate_content_schema.GenerateContent, errors="GoogleError"
    ),
    ("POST", "/v1beta/models/<path:model>:streamGenerateContent"): _About(
        generate_content_schema.GenerateContent, types=("*/*",), json=False, errors="GoogleError"
    ),
    ("POST", "/v1beta/models/<path:model>:embedContent"): _About(
        generate_content_schema.EmbedContent, errors="GoogleError"
    ),
    ("POST", "/v1beta/models/<path:model>:batchEmbedContents"): _About(
        generate_content_schema.BatchEmbedContents, errors="GoogleError"
    ),
    ("POST", "/v1beta/models/<path:model>:predict"): _About(
        generate_content_schema.Predict, errors="GoogleError"
    ),
    ("GET", "/v1beta/models"): _About(errors="GoogleError"),
    ("GET", "/v1beta/models/<path:model>"): _About(errors="GoogleError"),
    ("GET", "/models"): _About(object="list"),
    ("GET", "/models/<path:model>"): _About(object="model"),
    **{
        (method, path): _About(types=("*/*",), json=False, errors="GoogleError")
        for path in ("/vertex-ai/<path:path>", "/projects/<path:path>", "/v1beta1/projects/<path:path>")
        for method in ("GET", "POST", "PATCH", "DELETE")
    },
}


def describe(operations: Operations, public: Iterable[str]) -> Response:
    """Return the description of `operations`; those at the paths in `public` need no key."""
    return Response(_document(tuple(operations.items()), frozenset(public)))


@cache
def _document(
    operations: tuple[tuple[Row, Callable[[RequestContext], Response]], ...], public: frozenset[str]
) -> JSON:
    bodies = (body for about in _ABOUT.values() for body in (about.takes, about.takes_json))
    structs = dict.fromkeys(filter(None, bodies))
    schemas, components = msgspec.json.schema_components(structs, ref_template=_REF)
    schema_names = dict(zip(structs, schemas, strict=True))
    paths: dict[str, JSON] = {}
    for (method, path), operation in operations:
        template = re.sub(r"<(?:path:)?(\w+)>", r"{\1}", path)
        methods = paths.setdefault(template, {})
        methods[method.lower()] = _operation(method, path, operation, schema_names)
        if path in public:
            methods[method.lower()]["security"] = []
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vertex_compat",
            "version": __version__,
            "description": (
                "The APIs of OpenAI, Anthropic and Google in front of the models of Vertex AI. "
                "Each path may begin with `/v1`. HEAD answers each GET path with the headers alone."
            ),
        },
        "servers": [{"url": "."}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, **_ERRORS},
            "responses": {
                name: response
                for form in _ERRORS
                for name, response in _error_responses(form, {"$ref": _REF.format(name=form)}).items()
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    method: str,
    path: str,
    operation: Callable[[RequestContext], Response],
    schemas: Mapping[type[msgspec.Struct], Any],
) -> JSON:
    about = _ABOUT.get((method, path), _About())
    description: JSON = {
        "operationId": _id(method, path),
        "summary": _summary(operation, path),
        "parameters": [
            *_parameters(path),
            *map(_query_parameter, about.query),
            *([_RANGE] if about.ranges else []),
        ],
        "responses": _responses(about),
    }
    return description | _body(about, schemas) if method == "POST" else description


_ERROR: Final[JSON] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"enum": ["invalid_request_error", "rate_limit_error", "server_error"]},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


_GOOGLE_ERROR: Final[JSON] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "status"],
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "status": {"type": "string"},
            },
        }
    },
}
"""https://cloud.google.com/apis/design/errors#http_mapping"""

_ANTHROPIC_ERROR: Final[JSON] = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        },
        "request_id": {"type": "string"},
    },
}
"""https://platform.claude.com/docs/en/api/errors"""

_ERRORS: Final = {"Error": _ERROR, "AnthropicError": _ANTHROPIC_ERROR, "GoogleError": _GOOGLE_ERROR}


def _id(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"[A-Za-z]+", path.replace("path:", ""))])


def _summary(operation: Callable[[RequestContext], Response], path: str) -> str:
    return cleandoc(operation.__doc__ or f"The operation at {path}.").partition("\n")[0]


def _parameters(path: str) -> list[JSON]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"<(?:path:)?(\w+)>", path)
    ]


def _query_parameter(name: str) -> JSON:
    kind = {"type": "integer", "minimum": 1, "maximum": 100} if name == "limit" else {"type": "string"}
    return {"name": name, "in": "query", "schema": kind}


def _body(about: _About, schemas: Mapping[type[msgspec.Struct], Any]) -> JSON:
    schema: JSON = schemas[about.takes] if about.takes else {"type": "object"}
    if about.form is None:
        return {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    files = {"type": "object", "properties": about.form}
    content: JSON = {"multipart/form-data": {"schema": {"allOf": [schema, files]}}}
    if about.takes_json:
        content["application/json"] = {"schema": schemas[about.takes_json]}
    return {"requestBody": {"content": content}}


def _responses(about: _About) -> JSON:
    constants = {"object": about.object, "type": about.type}
    properties = {name: {"const": value} for name, value in constants.items() if value}
    body: JSON = {"type": "object"}
    if properties:
        body |= {"required": list(properties), "properties": properties}
    content = {"application/json": {"schema": body}} if about.json else {}
    content |= dict.fromkeys(about.types, _ANY)
    ranges = _range_responses(content) if about.ranges else {}
    whole: JSON = {"description": "The response.", "content": content}
    errors = {status: {"$ref": f"#/components/responses/{about.errors}{status}"} for status in _STATUSES}
    return {"200": whole, **ranges, **errors}


def _range_responses(content: JSON) -> JSON:
    """Return the responses to requests with a `Range`, by their status."""
    headers = {"Content-Range": {"schema": {"type": "string"}}}
    error = {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}}
    return {
        "206": {"description": "The part that `Range` requests.", "headers": headers, "content": content},
        "416": {"description": "The range begins after the end.", "headers": headers, "content": error},
    }


def _error_responses(errors: str, schema: JSON) -> JSON:
    content = {"application/json": {"schema": schema}}
    return {
        f"{errors}{status}": {"description": reason, "content": content}
        for status, reason in _STATUSES.items()
    }
