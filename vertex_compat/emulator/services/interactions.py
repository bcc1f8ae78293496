"""`interactions`: what runs in the background. One step with each look: queued, in progress, the end.

A model whose name contains `emulator-interaction-failed` fails in the end.
"""

import itertools
import threading

from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response

FIELDS = {
    "model",
    "agent",
    "input",
    "background",
    "store",
    "labels",
    "system_instruction",
    "generation_config",
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
        if not body.get("background") or not body.get("store"):
            raise google_errors.invalid_argument("A background interaction has to be stored.")
        steps = body.get("input")
        if not isinstance(steps, list) or not steps or any(step.get("type") not in STEPS for step in steps):
            raise google_errors.invalid_argument("input has to be a list of steps.")
        with self._lock:
            id_ = f"v1_emulated{next(self._numbers)}"
            self._interactions[location, id_] = {**body, "id": id_, "status": "queued"}
            return pretty_json_response({"id": id_, "status": "queued"})

    def get(self, location: str, id_: str) -> Response:
        """Advance an interaction and return it."""
        with self._lock:
            found = self._found(location, id_)
            if found["status"] == "queued":
                found["status"] = "in_progress"
            elif found["status"] == "in_progress":
                self._finish(found)
            return pretty_json_response(found)

    def cancel(self, location: str, id_: str) -> Response:
        """Cancel an interaction that runs."""
        with self._lock:
            found = self._found(location, id_)
            if found["status"] not in RUNNING:
                raise google_errors.invalid_argument("The interaction has ended.")
            found["status"] = "cancelled"
            return pretty_json_response(found)

    def _finish(self, found: JSON) -> None:
        if "emulator-interaction-failed" in found.get("model", ""):
            found |= {"status": "failed", "errors": [{"code": "INTERNAL", "message": "It did not work."}]}
            return
        said = found["input"][-1]["content"][0]["text"]
        found["status"] = "completed"
        found["steps"] = [
            {"type": "thought", "summary": [{"type": "text", "text": "Hm."}]},
            {"type": "model_output", "content": [{"type": "text", "text": f"Researched: {said}"}]},
        ]
        found["usage"] = {"total_input_tokens": 7, "total_output_tokens": 3, "total_thought_tokens": 2}

    def _found(self, location: str, id_: str) -> JSON:
        if (location, id_) not in self._interactions:
            raise google_errors.refused(404, f"Interaction {id_} not found.")
        return self._interactions[location, id_]
