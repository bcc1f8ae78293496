"""What is not a model: the bucket, the jobs, and the endpoints that jobs leave behind."""

import re
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request

from vertex_compat.emulator import dedicated, endpoints, google, lists
from vertex_compat.emulator.answers import JSON, Answer, pretty_answer
from vertex_compat.emulator.batch import BatchJobs
from vertex_compat.emulator.journal import parsed
from vertex_compat.emulator.metadata import PROJECT, PROJECT_NUMBER, Metadata
from vertex_compat.emulator.storage import Storage
from vertex_compat.emulator.tuning import TuningJobs

PLACE = "/<any(v1, v1beta1):version>/projects/<project>/locations/<location>"
ROUTES = Map(
    [
        Rule(
            f"{PLACE}/<any(batchPredictionJobs, tuningJobs):kind>", endpoint="jobs", methods=["GET", "POST"]
        ),
        Rule(
            f"{PLACE}/<any(batchPredictionJobs, tuningJobs):kind>/<number>", endpoint="job", methods=["GET"]
        ),
        Rule(
            f"{PLACE}/<any(batchPredictionJobs, tuningJobs):kind>/<number>:cancel",
            endpoint="cancel",
            methods=["POST"],
        ),
        Rule(f"{PLACE}/endpoints/<number>", endpoint="endpoint", methods=["GET"]),
        Rule(f"{PLACE}/endpoints", endpoint="endpoints", methods=["GET"]),
        Rule("/v1beta1/publishers/<publisher>/models", endpoint="garden", methods=["GET"]),
    ],
    merge_slashes=False,
)
LOCATION = re.compile(r"global|us|eu|[a-z]+-[a-z]+[0-9]{1,2}")


class Cloud:
    """A project's things."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self.storage = Storage()
        self.batch = BatchJobs(self.storage)
        self.tuning = TuningJobs(self.storage)

    def answer(self, request: Request) -> Answer | None:
        """Answer a request, if it is one of these."""
        try:
            endpoint, found = ROUTES.bind_to_environ(request.environ).match()
        except HTTPException:
            endpoint, found = "", {}
        if not endpoint and "/storage/v1/" not in request.path:
            return None
        self._metadata.check(request.headers.get("Authorization", ""))
        if not endpoint:
            return self.storage.answer(request)
        if endpoint == "garden":
            return lists.publisher_models(found["publisher"], request.args)
        if found["project"] not in {PROJECT, PROJECT_NUMBER} or not LOCATION.fullmatch(found["location"]):
            where = f"projects/{found['project']}/locations/{found['location']}"
            raise google.refused(403, f"Permission denied on resource {where} (or it may not exist).")
        if endpoint == "endpoint":
            return _endpoint(found)
        if endpoint == "endpoints":
            return lists.endpoints(found["location"], request.args)
        kind = self.batch if found["kind"] == "batchPredictionJobs" else self.tuning
        if endpoint == "jobs" and request.method == "POST":
            return kind.create(found["location"], _object(request))
        if endpoint == "jobs":
            return kind.jobs.list(found["location"])
        method = kind.jobs.get if endpoint == "job" else kind.jobs.cancel
        return method(found["location"], found["number"])


def _endpoint(found: Any) -> Answer:
    place = f"projects/{PROJECT_NUMBER}/locations/{found['location']}"
    number = found["number"]
    if number.startswith(endpoints.MISSING):
        raise google.refused(404, f"Endpoint `{place}/endpoints/{number}` not found.")
    deployed = [{"id": "1", "model": f"{place}/models/{number}"}]
    shown = {"name": f"{place}/endpoints/{number}", "deployedModels": deployed}
    return pretty_answer(shown | dedicated.shown(found["location"], number))


def _object(request: Request) -> JSON:
    body = parsed(request.get_data())
    if not isinstance(body, dict):
        raise google.invalid("Invalid JSON payload received. Unexpected token.")
    return body
