"""The tool `file_search`: a search of vector stores before the model is called.

What fits is added to that message, with marks by which the model's text cites it, so every model that chats
has the tool. After the results of other tools nothing new is searched: the passages were in an earlier turn.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from vertex_compat import errors
from vertex_compat.json_values import mapping, text
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.request import body
from vertex_compat.operations.responses.request import ResponsesRequest
from vertex_compat.operations.responses.tools import OfferedTool
from vertex_compat.operations.vector_stores import filters, vector_stores_schema
from vertex_compat.operations.vector_stores.records import Records
from vertex_compat.operations.vector_stores.search import Passage, ignored_options, search
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.operations.responses.output import answer_types as wire

INTRODUCTION: Final = (
    "These passages of files were found for the message. After what you take from a passage, write its mark, "
    "such as 【1】. If none fits, say what is missing."
)

RESULTS: Final = "file_search_call.results"
"""Name in `include` with which the passages are in the response."""

MAX_QUERY: Final = 2000
"""Characters of a message that are searched for."""

_MARK: Final = re.compile("【([0-9]{1,3})】")
_OPTIONS: Final = ("filters", "max_num_results", "ranking_options")


class FileSearch(NamedTuple):
    """A completed search: its item in the response, and its results."""

    item: wire.ResponseFileSearchToolCall
    passages: Sequence[Passage]

    def citations(self, text: str) -> Iterator[JSON]:
        """Yield the annotations of a text, by its marks."""
        for mark in _MARK.finditer(text):
            if 0 < (number := int(mark[1])) <= len(self.passages):
                passage = self.passages[number - 1]
                yield {
                    "type": "file_citation",
                    "file_id": passage.file_id,
                    "filename": passage.file.filename,
                    "index": mark.start(),
                }


def run(request: ResponsesRequest, context: RequestContext) -> tuple[ResponsesRequest, FileSearch | None]:
    """Search for the last message if the tool is offered; return the request with the results."""
    tool = request.toolset.file_search
    query = _query(request.chat["messages"])
    if tool is None or not query or context.dry_run:
        return request, None
    options = _options(tool)
    records = Records(context)
    try:
        stores = [records.store(id_) for id_ in options["vector_store_ids"]]
        for store in stores:
            store.check_active()
    except errors.ClientFault as error:
        error.param = f"{tool.param}.vector_store_ids"
        raise
    passages = search(stores, [query], options, records, context)
    results = [_result(passage) for passage in passages]
    item: wire.ResponseFileSearchToolCall = {
        "id": f"fs_{secrets.token_hex(16)}",
        "type": "file_search_call",
        "status": "completed",
        "queries": [query],
        "results": results if RESULTS in request.params.get("include", ()) else None,
    }
    chat = request.chat | {"messages": _with_passages(request.chat["messages"], passages)}
    ignored = (*request.ignored, *_ignored(tool.definition, options))
    return request._replace(chat=chat, ignored=ignored), FileSearch(item, passages)


def _ignored(definition: JSON, options: JSON) -> list[str]:
    """Return the names of the tool's fields that a search does not have."""
    unknown = [name for name in body.drop_nulls(definition) if name not in {"type", *options}]
    return [f"tools.file_search.{name}" for name in (*unknown, *ignored_options(options))]


def _options(tool: OfferedTool) -> JSON:
    """Return the options of the search; raises `BadRequest`."""
    definition = body.drop_nulls(tool.definition)
    ids = definition.get("vector_store_ids")
    if not isinstance(ids, list) or not ids or not all(isinstance(id_, str) for id_ in ids):
        param = f"{tool.param}.vector_store_ids"
        raise errors.BadRequest(
            f"'{param}' must be a list of vector stores.", param=param, code="invalid_value"
        )
    options: JSON = {name: definition[name] for name in _OPTIONS if name in definition}
    try:
        body.validate({"query": "", **options}, vector_stores_schema.Search)
        if "filters" in options:
            filters.check(options["filters"])
    except errors.BadRequest as error:
        error.param = f"{tool.param}.{error.param}"
        raise
    return options | {"vector_store_ids": ids}


def _query(messages: Sequence[JSON]) -> str:
    """Return the text of the last message if it is the user's."""
    if not messages or messages[-1].get("role") != "user":
        return ""
    content = messages[-1].get("content")
    if isinstance(content, str):
        return content.strip()[:MAX_QUERY]
    parts = content if isinstance(content, list) else []
    return "\n".join(filter(None, (text(mapping(part).get("text")) for part in parts))).strip()[:MAX_QUERY]


def _with_passages(messages: Sequence[JSON], passages: Sequence[Passage]) -> list[JSON]:
    """Return the messages with the passages at the end of the last one."""
    texts = [
        f"【{number}】 {passage.file.filename}\n{passage.text}" for number, passage in enumerate(passages, 1)
    ]
    added = {"type": "text", "text": "\n\n".join([INTRODUCTION, *(texts or ["(Nothing was found.)"])])}
    content = messages[-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [*messages[:-1], {**messages[-1], "content": [*parts, added]}]


def _result(passage: Passage) -> wire.FileSearchResult:
    return {
        "file_id": passage.file_id,
        "filename": passage.file.filename,
        "score": passage.score,
        "text": passage.text,
        "attributes": passage.file.attributes,
    }
