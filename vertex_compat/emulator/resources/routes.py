"""Routes of the project's resources: Cloud Storage, jobs, endpoints, videos, RAG Engine, Model Garden."""

import re
from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request

from vertex_compat.emulator.google_models.videos import VideoOperations
from vertex_compat.emulator.journal import parse_json
from vertex_compat.emulator.partner_models import dedicated_hosts, deployed_endpoints
from vertex_compat.emulator.project import PROJECT, PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response
from vertex_compat.emulator.resources import listings
from vertex_compat.emulator.resources.batch_jobs import BatchJobs
from vertex_compat.emulator.resources.cached_contents import CachedContents
from vertex_compat.emulator.resources.metadata_server import MetadataServer
from vertex_compat.emulator.resources.storage import Storage
from vertex_compat.emulator.resources.tuning_jobs import TuningJobs
from vertex_compat.emulator.services.interactions import Interactions
from vertex_compat.emulator.services.rag_engine import RagEngine

LOCATION_PATH = "/<any(v1, v1beta1):version>/projects/<project>/locations/<location>"
JOBS_PATH = f"{LOCATION_PATH}/<any(batchPredictionJobs, tuningJobs):kind>"
CORPORA_PATH = f"{LOCATION_PATH}/ragCorpora"
CACHES_PATH = f"{LOCATION_PATH}/cachedContents"
INTERACTIONS_PATH = f"{LOCATION_PATH}/interactions"
VIDEOS_PATH = f"{LOCATION_PATH}/publishers/google/models/<model>"
LOCATION = re.compile(r"global|us|eu|[a-z]+-[a-z]+[0-9]{1,2}")


class ProjectResources:
    """The project's storage, jobs, endpoints, videos and RAG corpora."""

    def __init__(self, metadata: MetadataServer) -> None:
        self._metadata = metadata
        self.storage = Storage()
        self.batch = BatchJobs(self.storage)
        self.tuning = TuningJobs(self.storage)
        self.videos = VideoOperations(self.storage)
        self.rag = RagEngine(self.storage)
        self.caches = CachedContents()
        self.interactions = Interactions()

    def answer(self, request: Request) -> Response | None:
        """Answer a request, or return None if no route matches."""
        if "/storage/v1/" in request.path:
            self._metadata.check(request.headers.get("Authorization", ""))
            return self.storage.answer(request)
        try:
            handle, found = ROUTES.bind_to_environ(request.environ).match()
        except HTTPException:
            return None
        self._metadata.check(request.headers.get("Authorization", ""))
        if "project" in found:
            _check_project(found)
        response: Response = handle(self, request, found)
        return response


def _check_project(found: Any) -> None:
    if found["project"] not in {PROJECT, PROJECT_NUMBER} or not LOCATION.fullmatch(found["location"]):
        where = f"projects/{found['project']}/locations/{found['location']}"
        raise google_errors.refused(403, f"Permission denied on resource {where} (or it may not exist).")


def _object(request: Request) -> JSON:
    body = parse_json(request.get_data())
    if not isinstance(body, dict):
        raise google_errors.invalid_argument("Invalid JSON payload received. Unexpected token.")
    return body


# Jobs and endpoints


def _jobs_of(resources: ProjectResources, found: Any) -> BatchJobs | TuningJobs:
    return resources.batch if found["kind"] == "batchPredictionJobs" else resources.tuning


def _create_job(resources: ProjectResources, request: Request, found: Any) -> Response:
    return _jobs_of(resources, found).create(found["location"], _object(request))


def _list_jobs(resources: ProjectResources, _: Request, found: Any) -> Response:
    return _jobs_of(resources, found).jobs.list(found["location"])


def _get_job(resources: ProjectResources, _: Request, found: Any) -> Response:
    return _jobs_of(resources, found).jobs.get(found["location"], found["number"])


def _cancel_job(resources: ProjectResources, _: Request, found: Any) -> Response:
    return _jobs_of(resources, found).jobs.cancel(found["location"], found["number"])


def _get_endpoint(_: ProjectResources, __: Request, found: Any) -> Response:
    parent = f"projects/{PROJECT_NUMBER}/locations/{found['location']}"
    number = found["number"]
    if number.startswith(deployed_endpoints.MISSING):
        raise google_errors.refused(404, f"Endpoint `{parent}/endpoints/{number}` not found.")
    deployed = [{"id": "1", "model": f"{parent}/models/{number}"}]
    shown = {"name": f"{parent}/endpoints/{number}", "deployedModels": deployed}
    return pretty_json_response(shown | dedicated_hosts.shown(found["location"], number))


def _list_endpoints(_: ProjectResources, request: Request, found: Any) -> Response:
    return listings.endpoints(found["location"], request.args)


def _list_models(_: ProjectResources, request: Request, found: Any) -> Response:
    return listings.publisher_models(found["publisher"], request.args)


def _get_model(_: ProjectResources, __: Request, found: Any) -> Response:
    name = f"publishers/{found['publisher']}/models/{found['model']}"
    if found["model"].startswith("missing"):
        raise google_errors.refused(404, f"Publisher Model `{name}` was not found.")
    return pretty_json_response({"name": name, "versionId": "default", "launchStage": "GA"})


def _create_cache(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.caches.create(found["location"], _object(request))


def _list_caches(resources: ProjectResources, _: Request, found: Any) -> Response:
    return resources.caches.list_caches(found["location"])


def _cache(resources: ProjectResources, request: Request, found: Any) -> Response:
    body = _object(request) if request.method == "PATCH" else {}
    return resources.caches.one(request.method, found["location"], found["number"], body)


# Interactions


def _create_interaction(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.interactions.create(found["location"], _object(request))


def _get_interaction(resources: ProjectResources, _: Request, found: Any) -> Response:
    return resources.interactions.get(found["location"], found["id"])


def _delete_interaction(resources: ProjectResources, _: Request, found: Any) -> Response:
    return resources.interactions.delete(found["location"], found["id"])


def _cancel_interaction(resources: ProjectResources, _: Request, found: Any) -> Response:
    return resources.interactions.cancel(found["location"], found["id"])


# Videos


def _start_video(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.videos.start(found["location"], found["model"], _object(request))


def _fetch_video(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.videos.fetch(found["location"], found["model"], _object(request))


# RAG Engine


def _create_corpus(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.rag.create(found["location"], _object(request))


def _list_corpora(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.rag.list_corpora(found["location"], request.args)


def _corpus(resources: ProjectResources, request: Request, found: Any) -> Response:
    match request.method:
        case "PATCH":
            return resources.rag.update(found["location"], found["corpus"], _object(request))
        case "DELETE":
            return resources.rag.delete(found["location"], found["corpus"], request.args)
        case _:
            return resources.rag.get(found["location"], found["corpus"])


def _import_files(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.rag.import_files(found["location"], found["corpus"], _object(request))


def _list_files(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.rag.list_files(found["location"], found["corpus"], request.args)


def _file(resources: ProjectResources, request: Request, found: Any) -> Response:
    if request.method == "DELETE":
        return resources.rag.delete_file(found["location"], found["corpus"], found["file"])
    return resources.rag.file(found["location"], found["corpus"], found["file"])


def _operation(resources: ProjectResources, _: Request, found: Any) -> Response:
    return resources.rag.operation(found["location"], found["corpus"], found["operation"])


def _retrieve(resources: ProjectResources, request: Request, found: Any) -> Response:
    return resources.rag.retrieve(found["location"], _object(request))


Handler = Callable[[ProjectResources, Request, Any], Response]
_TABLE: tuple[tuple[tuple[str, ...], str, Handler], ...] = (
    (("POST",), JOBS_PATH, _create_job),
    (("GET",), JOBS_PATH, _list_jobs),
    (("GET",), f"{JOBS_PATH}/<number>", _get_job),
    (("POST",), f"{JOBS_PATH}/<number>:cancel", _cancel_job),
    (("GET",), f"{LOCATION_PATH}/endpoints/<number>", _get_endpoint),
    (("GET",), f"{LOCATION_PATH}/endpoints", _list_endpoints),
    (("GET",), "/v1beta1/publishers/<publisher>/models", _list_models),
    (("GET",), "/v1beta1/publishers/<publisher>/models/<model>", _get_model),
    (("POST",), INTERACTIONS_PATH, _create_interaction),
    (("GET",), f"{INTERACTIONS_PATH}/<id>", _get_interaction),
    (("DELETE",), f"{INTERACTIONS_PATH}/<id>", _delete_interaction),
    (("POST",), f"{INTERACTIONS_PATH}/<id>/cancel", _cancel_interaction),
    (("POST",), CACHES_PATH, _create_cache),
    (("GET",), CACHES_PATH, _list_caches),
    (("GET", "PATCH", "DELETE"), f"{CACHES_PATH}/<number>", _cache),
    (("POST",), f"{VIDEOS_PATH}:predictLongRunning", _start_video),
    (("POST",), f"{VIDEOS_PATH}:fetchPredictOperation", _fetch_video),
    (("POST",), CORPORA_PATH, _create_corpus),
    (("GET",), CORPORA_PATH, _list_corpora),
    (("GET", "PATCH", "DELETE"), f"{CORPORA_PATH}/<corpus>", _corpus),
    (("POST",), f"{CORPORA_PATH}/<corpus>/ragFiles:import", _import_files),
    (("GET",), f"{CORPORA_PATH}/<corpus>/ragFiles", _list_files),
    (("GET", "DELETE"), f"{CORPORA_PATH}/<corpus>/ragFiles/<file>", _file),
    (("GET",), f"{CORPORA_PATH}/<corpus>/operations/<operation>", _operation),
    (("POST",), f"{LOCATION_PATH}:retrieveContexts", _retrieve),
)
ROUTES = Map(
    [Rule(path, endpoint=handler, methods=list(methods)) for methods, path, handler in _TABLE],
    merge_slashes=False,
)
