"""The events of a stored response: `GET /responses/{id}?stream=true`.

The deltas that were streamed are not stored, so each item comes in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from vertex_compat.types import JSON


def events(response: JSON, starting_after: int) -> Iterator[bytes]:
    """Yield the events above the sequence number `starting_after`, and always the last one."""
    all_events = list(_events(response))
    last = len(all_events) - 1
    for number, (kind, fields) in enumerate(all_events):
        if number > starting_after or number == last:
            event = {"type": kind, "sequence_number": max(number, starting_after + 1), **fields}
            yield b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(event))


def _events(response: JSON) -> Iterator[tuple[str, JSON]]:
    opening = {**response, "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"response": opening}
    yield "response.in_progress", {"response": opening}
    for index, item in enumerate(response["output"]):
        opened = {**item, "status": "in_progress"} | ({"content": []} if item["type"] == "message" else {})
        yield "response.output_item.added", {"output_index": index, "item": opened}
        if item["type"] == "message":
            yield from _content(item, index)
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{response['status']}", {"response": response}


def _content(item: JSON, output_index: int) -> Iterator[tuple[str, JSON]]:
    for index, part in enumerate(item["content"]):
        position: dict[str, Any] = {
            "item_id": item["id"],
            "output_index": output_index,
            "content_index": index,
        }
        kind, key = ("refusal", "refusal") if part["type"] == "refusal" else ("output_text", "text")
        logprobs = {"logprobs": part.get("logprobs", [])} if kind == "output_text" else {}
        yield "response.content_part.added", {**position, "part": {**part, key: ""}}
        yield f"response.{kind}.delta", {**position, "delta": part[key], **logprobs}
        yield f"response.{kind}.done", {**position, key: part[key], **logprobs}
        yield "response.content_part.done", {**position, "part": part}
