"""Items of what a publisher did for its model: searches, code that it ran, images.

OpenAI's SDK, types/responses/response_output_item.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vertex_compat.json_values import items, mapping, text
from vertex_compat.types import JSON, CodeExecution

if TYPE_CHECKING:
    from vertex_compat.operations.responses.output import answer_types as wire

STEPS: Final = {
    "file_search_call": ("in_progress", "searching", "completed"),
    "web_search_call": ("in_progress", "searching", "completed"),
}
"""Type of an item → the events of its work, `response.TYPE.STEP`."""

_DATA_URL: Final = "data:image/"


def web_search_call(id_: str, grounding: JSON) -> wire.ResponseFunctionWebSearch | None:
    """Return the item of a Google search; None if nothing was searched."""
    queries = grounding.get("webSearchQueries")
    if not queries:
        return None
    pages = [mapping(chunk.get("web")) for chunk in items(grounding.get("groundingChunks"))]
    sources: list[wire.ActionSearchSource] = [
        {"type": "url", "url": page["uri"]} for page in pages if "uri" in page
    ]
    action: wire.ActionSearch = {
        "type": "search",
        "query": queries[0],
        "queries": queries,
        "sources": sources,
    }
    return {"id": id_, "type": "web_search_call", "action": action, "status": "in_progress"}


def image_generation_call(id_: str) -> wire.ImageGenerationCall:
    """Return the item of an image that has not come yet."""
    return {
        "id": id_,
        "type": "image_generation_call",
        "result": None,
        "status": "in_progress",
    }


def image_data(image: JSON) -> tuple[str, str] | None:
    """Return the file format and the base64 of an image in the form of chat; None for a link."""
    url = text(mapping(image.get("image_url")).get("url"))
    if not url.startswith(_DATA_URL):
        return None
    form, _, data = url.removeprefix(_DATA_URL).partition(";base64,")
    return form, data


def set_result(call: wire.ImageGenerationCall, image: JSON) -> None:
    """Put an image in the form of chat into its item.

    `extra_content` is the image's signature, which Gemini needs back.
    """
    form, data = image_data(image) or ("", "")
    call["result"], call["output_format"] = data, form
    if extra := image.get("extra_content"):
        call["extra_content"] = extra


def code_interpreter_call(id_: str, container: str) -> wire.ResponseCodeInterpreterToolCall:
    """Return the item of code that has not come yet.

    Google has no containers: `container` names none.
    """
    return {
        "id": id_,
        "type": "code_interpreter_call",
        "code": "",
        "container_id": container,
        "outputs": None,
        "status": "in_progress",
    }


def add_output(call: wire.ResponseCodeInterpreterToolCall, execution: CodeExecution) -> None:
    """Add what code has written to the item of its call."""
    _add_output(call, {"type": "logs", "logs": execution.output or ""})
    if execution.failed:
        call["status"] = "failed"


def add_image(call: wire.ResponseCodeInterpreterToolCall, image: JSON) -> None:
    """Add an image that code has drawn, in the form of chat, to the item of its call."""
    _add_output(call, {"type": "image", "url": text(mapping(image.get("image_url")).get("url"))})


def _add_output(
    call: wire.ResponseCodeInterpreterToolCall, output: wire.OutputLogs | wire.OutputImage
) -> None:
    call["outputs"] = [*(call["outputs"] or ()), output]
