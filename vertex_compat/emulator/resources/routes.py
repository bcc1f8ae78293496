"""Routes of the project's resources, such as Cloud Storage, jobs, endpoints and RAG Engine."""

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
from vertex_compat.emulator.services.speech_to_text import SpeechToText

LOCATION_PATH = "/<any(v1, v1beta1):version>/projects/<project>/locations/<location>"
JOBS_PATH = f"{LOCATION_PATH}/<any(batchPredictionJobs, tuningJobs):kind>"
CORPORA_PATH = f"{LOCATION_PATH}/ragCorpora"
CACHES_PATH = f"{LOCATION_PATH}/cachedContents"
INTERACTIONS_PATH = f"{LOCATION_PATH}/interactions"
SPEECH_PATH = "/v2/projects/<project>/locations/<location>"
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
        self.speech = SpeechToText(self.storage)

    def answer(self, request: Request) -> Response | None:
        """Answer a request, or return None if no route matches."""
        if "/storage/v1/" in request.path:
            self._metadata.check(request.headers.get("Authorization", ""))
            return self.storage.answer(request)
        try:
            handle, path_args = ROUTES.bind_to_environ(request.environ).match()
        except HTTPException:
            return None
        self._metadata.check(request.headers.get("Authorization", ""))
        if "project" in path_args:
            _check_project(path_args)
        response: Response = handle(self, request, path_args)
        return response


def _check_project(path_args: Any) -> None:
    if path_args["project"] not in {PROJECT, PROJECT_NUMBER} or not LOCATION.fullmatch(path_args["location"]):
        resource = f"projects/{path_args['project']}/locations/{path_args['location']}"
        raise google_errors.refused(403, f"Permission denied on resource {resource} (or it may not exist).")


def _object(request: Request) -> JSON:
    body = parse_json(request.get_data())
    if not isinstance(body, dict):
        raise google_errors.invalid_argument("Invalid JSON payload received. Unexpected token.")
    return body


# Jobs and endpoints


def _jobs_of(resources: ProjectResources, path_args: Any) -> BatchJobs | TuningJobs:
    return resources.batch if path_args["kind"] == "batchPredictionJobs" else resources.tuning


def _create_job(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return _jobs_of(resources, path_args).create(path_args["location"], _object(request))


def _list_jobs(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return _jobs_of(resources, path_args).jobs.list(path_args["location"])


def _get_job(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return _jobs_of(resources, path_args).jobs.get(path_args["location"], path_args["number"])


def _cancel_job(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return _jobs_of(resources, path_args).jobs.cancel(path_args["location"], path_args["number"])


def _get_endpoint(_: ProjectResources, __: Request, path_args: Any) -> Response:
    parent = f"projects/{PROJECT_NUMBER}/locations/{path_args['location']}"
    number = path_args["number"]
    if number.startswith(deployed_endpoints.MISSING):
        raise google_errors.refused(404, f"Endpoint `{parent}/endpoints/{number}` not path_args.")
    deployed = [{"id": "1", "model": f"{parent}/models/{number}"}]
    resource = {"name": f"{parent}/endpoints/{number}", "deployedModels": deployed}
    return pretty_json_response(resource | dedicated_hosts.endpoint_fields(path_args["location"], number))


def _list_endpoints(_: ProjectResources, request: Request, path_args: Any) -> Response:
    return listings.endpoints(path_args["location"], request.args)


def _list_models(_: ProjectResources, request: Request, path_args: Any) -> Response:
    return listings.publisher_models(path_args["publisher"], request.args)


def _get_model(_: ProjectResources, __: Request, path_args: Any) -> Response:
    name = f"publishers/{path_args['publisher']}/models/{path_args['model']}"
    if path_args["model"].startswith("missing"):
        raise google_errors.refused(404, f"Publisher Model `{name}` was not path_args.")
    return pretty_json_response({"name": name, "versionId": "default", "launchStage": "GA"})


def _create_cache(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.caches.create(path_args["location"], _object(request))


def _list_caches(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return resources.caches.list_caches(path_args["location"])


def _cache(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    body = _object(request) if request.method == "PATCH" else {}
    return resources.caches.handle(request.method, path_args["location"], path_args["number"], body)


# Interactions


def _create_interaction(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.interactions.create(path_args["location"], _object(request))


def _get_interaction(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return resources.interactions.get(path_args["location"], path_args["id"])


def _delete_interaction(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return resources.interactions.delete(path_args["location"], path_args["id"])


def _cancel_interaction(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return resources.interactions.cancel(path_args["location"], path_args["id"])


# Videos


def _start_transcription(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.speech.start(path_args["location"], _object(request))


def _get_transcription(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return resources.speech.get(path_args["location"], path_args["number"])


def _start_video(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.videos.start(path_args["location"], path_args["model"], _object(request))


def _fetch_video(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.videos.fetch(path_args["location"], path_args["model"], _object(request))


# RAG Engine


def _create_corpus(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.rag.create(path_args["location"], _object(request))


def _list_corpora(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.rag.list_corpora(path_args["location"], request.args)


def _corpus(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    match request.method:
        case "PATCH":
            return resources.rag.update(path_args["location"], path_args["corpus"], _object(request))
        case "DELETE":
            return resources.rag.delete(path_args["location"], path_args["corpus"], request.args)
        case _:
            return resources.rag.get(path_args["location"], path_args["corpus"])


def _import_files(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.rag.import_files(path_args["location"], path_args["corpus"], _object(request))


def _list_files(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.rag.list_files(path_args["location"], path_args["corpus"], request.args)


def _file(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    if request.method == "DELETE":
        return resources.rag.delete_file(path_args["location"], path_args["corpus"], path_args["file"])
    return resources.rag.file(path_args["location"], path_args["corpus"], path_args["file"])


def _operation(resources: ProjectResources, _: Request, path_args: Any) -> Response:
    return resources.rag.operation(path_args["location"], path_args["corpus"], path_args["operation"])


def _retrieve(resources: ProjectResources, request: Request, path_args: Any) -> Response:
    return resources.rag.retrieve(path_args["location"], _object(request))


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
    (("POST",), f"{SPEECH_PATH}/recognizers/_:batchRecognize", _start_transcription),
    (("GET",), f"{SPEECH_PATH}/operations/<number>", _get_transcription),
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
