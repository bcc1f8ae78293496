"""`interactions`: whole or streamed, or in the background, one step for each request.

In the background they are queued, in progress, and at their end.

A model whose name contains `emulator-interaction-failed` fails in the end.
"""

import itertools
import threading

from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.responses import (
    JSON,
    SSE_TYPE,
    Response,
    pretty_json_response,
    sse_event,
)

FIELDS = {
    "model",
    "agent",
    "input",
    "background",
    "store",
    "labels",
    "system_instruction",
    "generation_config",
    "previous_interaction_id",
    "stream",
}
CONFIG = {"max_output_tokens", "temperature", "top_p", "seed", "stop_sequences", "thinking_level"}
STEPS = {"user_input", "model_output"}
RUNNING = {"queued", "in_progress"}


class Interactions:
    """All interactions of the project."""

    def __init__(self) -> None:
        self._interactions: dict[tuple[str, str], JSON] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def create(self, location: str, body: JSON) -> Response:
        """Check a request and queue the interaction."""
        for name in body.keys() - FIELDS:
            raise google_errors.invalid_argument(f"Unknown parameter: '{name}'.")
        for name in body.get("generation_config", {}).keys() - CONFIG:
            raise google_errors.invalid_argument(f"Unknown parameter: 'generation_config.{name}'.")
        if ("model" in body) == ("agent" in body):
            raise google_errors.invalid_argument("Exactly one of model and agent is required.")
        if body.get("background") and not body.get("store", True):
            raise google_errors.invalid_argument("A background interaction has to be stored.")
        steps = _steps(body)
        if not steps or any(step.get("type") not in STEPS for step in steps):
            raise google_errors.invalid_argument("input has to be a text or a list of steps.")
        with self._lock:
            if previous := body.get("previous_interaction_id"):
                self._interaction(location, previous)
            id_ = f"v1_emulated{next(self._numbers)}"
            created = {**body, "input": steps, "id": id_, "status": "queued"}
            if body.get("store", True):
                self._interactions[location, id_] = created
            if body.get("background"):
                return pretty_json_response({"id": id_, "status": "queued"})
            self._finish(created)
            return _event_stream(created) if body.get("stream") else pretty_json_response(created)

    def get(self, location: str, id_: str) -> Response:
        """Advance an interaction and return it."""
        with self._lock:
            interaction = self._interaction(location, id_)
            if interaction["status"] == "queued":
                interaction["status"] = "in_progress"
            elif interaction["status"] == "in_progress":
                self._finish(interaction)
            return pretty_json_response(interaction)

    def cancel(self, location: str, id_: str) -> Response:
        """Cancel an interaction that runs."""
        with self._lock:
            interaction = self._interaction(location, id_)
            if interaction["status"] not in RUNNING:
                raise google_errors.invalid_argument("The interaction has ended.")
            interaction["status"] = "cancelled"
            return pretty_json_response(interaction)

    def delete(self, location: str, id_: str) -> Response:
        """Delete an interaction."""
        with self._lock:
            self._interaction(location, id_)
            del self._interactions[location, id_]
            return pretty_json_response({})

    def _finish(self, interaction: JSON) -> None:
        if "emulator-interaction-failed" in interaction.get("model", ""):
            error = {"code": "INTERNAL", "message": "It did not work."}
            interaction |= {"status": "failed", "errors": [error]}
            return
        text = interaction["input"][-1]["content"][0]["text"]
        interaction["status"] = "completed"
        interaction["steps"] = [
            {"type": "thought", "summary": [{"type": "text", "text": "Hm."}]},
            {"type": "model_output", "content": [{"type": "text", "text": f"Researched: {text}"}]},
        ]
        interaction["usage"] = {"total_input_tokens": 7, "total_output_tokens": 3, "total_thought_tokens": 2}

    def _interaction(self, location: str, id_: str) -> JSON:
        if (location, id_) not in self._interactions:
            raise google_errors.refused(404, f"Interaction {id_} not found.")
        return self._interactions[location, id_]


def _steps(body: JSON) -> list[JSON]:
    """Return the steps of an input; a text stands for one."""
    input_ = body.get("input")
    if isinstance(input_, str):
        return [{"type": "user_input", "content": [{"type": "text", "text": input_}]}]
    return input_ if isinstance(input_, list) else []


def _event_stream(interaction: JSON) -> Response:
    """Return the events of an interaction that has ended."""
    opening = {"id": interaction["id"], "status": "in_progress"}
    events: list[JSON] = [{"event_type": "interaction.created", "interaction": opening}]
    for index, step in enumerate(interaction["steps"]):
        events.append({"event_type": "step.start", "index": index, "step": {"type": step["type"]}})
        for content in step.get("content", []):
            events += [
                {"event_type": "step.delta", "index": index, "delta": {"type": "text", "text": word}}
                for word in content["text"].split(" ")
            ]
        events.append({"event_type": "step.stop", "index": index})
    completed = {"id": interaction["id"], "status": interaction["status"], "usage": interaction["usage"]}
    events.append({"event_type": "interaction.completed", "interaction": completed})
    return Response(200, [sse_event(event) for event in events], {"Content-Type": SSE_TYPE}, streamed=True)
