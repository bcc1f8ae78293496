"""Anthropic's events as clients read them: a strict parser, and its SDK's accumulator."""

import json

import pydantic
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent

EVENT = pydantic.TypeAdapter(RawMessageStreamEvent)


def events_of(stream):
    """The events of a stream, read strictly: one line for the type, one for the data."""
    events = []
    for event in stream.decode().removesuffix("\n\n").split("\n\n"):
        kind, data = event.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert kind == f"event: {events[-1]['type']}"
    return events


def accumulated(events):
    """The message that Anthropic's SDK makes of the events; it skips those of no message."""
    snapshot, buffers = None, {}
    for event in events:
        if event["type"] == "ping":
            continue
        snapshot = accumulate_event(
            event=EVENT.validate_python(event), current_snapshot=snapshot, json_bufs=buffers
        )
    return snapshot.to_dict(mode="json")
