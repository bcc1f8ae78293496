"""`/fine_tuning/jobs`: Gemini tuned by Vertex's tuning jobs.

A job is all there is: its id says where it runs, and what Vertex has no field for stands in its description.
Jobs run in the function's own project and location, where the tuned model then chats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import msgspec

from vertex_compat import errors, ids, vertex
from vertex_compat.operations import model_calls
from vertex_compat.operations.chat import chat
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.files import files, jsonl
from vertex_compat.operations.files.bucket import Bucket, token
from vertex_compat.operations.fine_tuning import fine_tuning_schema
from vertex_compat.operations.request import body, paging
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.services import tuning_jobs
from vertex_compat.types import JSON, Model, ResourceTarget

FOLDER: Final = "tuning/"

REGION: Final = "us-central1"
"""Where jobs run, where no region is set: there is no tuning in `global`."""

_JOB: Final = "ftjob-"
_PLACE: Final = re.compile(r"([a-z0-9-]{1,40})/([0-9]{1,30})")
_NAME: Final = re.compile(r"projects/[^/]+/locations/([^/]+)/tuningJobs/([^/]+)")
_KEPT: Final = ("training_file", "validation_file", "metadata", "seed", "suffix")
_IGNORED: Final = ("batch_size", "integrations", "seed")


def create(context: RequestContext) -> Response:
    """Convert the files where they need it, then start the job."""
    given = body.drop_nulls(body.decode(context.body, fine_tuning_schema.Create))
    model = context.router.candidates(given["model"])[0]
    if model.publisher != "google" or not model.resource.startswith("publishers/"):
        raise errors.BadRequest(
            f"{given['model']!r} cannot be tuned here: only Gemini can.",
            param="model",
            code="model_not_supported",
        )
    parameters = _hyperparameters(given)
    uris = [
        _dataset(context, given[name], name, model)
        for name in ("training_file", "validation_file")
        if name in given
    ]
    kept = {name: given[name] for name in _KEPT if name in given}
    call = tuning_jobs.create(
        model.name,
        uris[0],
        uris[1] if len(uris) > 1 else None,
        tuning_jobs.hyperparameters(parameters),
        tunedModelDisplayName=given.get("suffix", model.name),
        description=msgspec.json.encode(kept).decode(),
    )
    job = model_calls.get_json(call, _site(context), context, retries=0)
    sized = parameters.get("batch_size", "auto") != "auto"
    ignored = [name for name in _IGNORED if name in given or (name == "batch_size" and sized)]
    return Response(_shown(job), model_calls.ignored_header(ignored))


def _hyperparameters(given: JSON) -> JSON:
    """Those of the method, else those beside it, where OpenAI had them first."""
    inner = ((given.get("method") or {}).get("supervised") or {}).get("hyperparameters")
    return body.drop_nulls(inner or given.get("hyperparameters") or {})


def _dataset(context: RequestContext, reference: str, param: str, model: Model) -> str:
    """The URI of a file that Vertex can read: of the given one, or of a copy in Vertex's form.

    A file that is not in our own bucket is Vertex's to read, not ours.
    """
    settings = context.settings.bucket
    if reference.startswith("gs://") and not (
        settings and reference.startswith(f"gs://{settings.name}/{settings.prefix}")
    ):
        return reference
    bucket = Bucket(context)
    name = bucket.find(reference)
    lines = jsonl.lines(files.read(bucket, context, name))
    first = next(lines, None)
    if first is None:
        raise _wrong("The file has no examples.", param)
    if "contents" in _example(first, param):
        return bucket.at(name).uri
    copy = f"{FOLDER}{token()}.jsonl"
    with bucket.upload(copy) as upload:
        for number, line in chain([first], lines):
            upload.write(_converted(_example((number, line), param), number, param, model))
        upload.finish()
    return bucket.at(copy).uri


def _example(numbered: tuple[int, bytes], param: str) -> JSON:
    number, line = numbered
    try:
        value: Any = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _wrong(f"Line {number} is not a JSON object.", param)
    return value


def _converted(example: JSON, number: int, param: str, model: Model) -> bytes:
    """A conversation in Vertex's form, by the publisher's own translation."""
    operation = PUBLISHERS[model.publisher].chat
    asked = {name: example[name] for name in ("messages", "tools", "functions") if name in example}
    try:
        body.validate(example, fine_tuning_schema.Example)
        given = chat.parse(msgspec.json.encode({"model": model.requested_name, **asked}))
        call = operation.request(given, model) if operation else None
    except errors.ApiError as error:
        raise _wrong(f"Line {number}: {error.message}", param) from None
    if any(message.get("weight") == 0 for message in given["messages"]):
        raise _wrong(
            f"Line {number}: Vertex AI trains on every answer, so no message can have weight 0.", param
        )
    if given["messages"][-1]["role"] != "assistant":
        raise _wrong(f"Line {number}: the last message has to be the assistant's.", param)
    sent = call.body if call else {}
    kept = {name: sent[name] for name in ("systemInstruction", "contents", "tools") if name in sent}
    return msgspec.json.encode(kept) + b"\n"


def _wrong(said: str, param: str) -> errors.BadRequest:
    return errors.BadRequest(said, param=param, code=f"invalid_{param}")


def retrieve(context: RequestContext) -> Response:
    """A job as it stands."""
    return Response(_shown(_job(context)))


def cancel(context: RequestContext) -> Response:
    """Ask a job to end."""
    location, number = _place(context)
    job = _job(context)
    if (now := tuning_jobs.status(job)) in tuning_jobs.ENDED:
        raise errors.Conflict(
            f"Cannot cancel a fine-tuning job with status '{now}'.", param="fine_tuning_job_id"
        )
    model_calls.get_json(tuning_jobs.cancel(number), _site(context, location), context)
    return Response(_shown(_job(context)))


def list_jobs(context: RequestContext) -> Response:
    """The jobs, the newest first."""
    size = paging.limit(context.query(), 20, 100)
    jobs = sorted(_jobs(context), key=lambda job: str(job["createTime"]), reverse=True)
    return Response(paging.page(paging.after(map(_shown, jobs), context.query()), size))


def _jobs(context: RequestContext) -> Iterator[JSON]:
    page = ""
    while True:
        found = model_calls.get_json(tuning_jobs.listing(page), _site(context), context)
        yield from found.get("tuningJobs", [])
        if not (page := found.get("nextPageToken", "")):
            return


def events(context: RequestContext) -> Response:
    """What has happened to a job."""
    listed = paging.after(tuning_jobs.events(_job(context)), context.query())
    return Response(paging.page(listed, paging.limit(context.query(), 20, 100)))


def checkpoints(context: RequestContext) -> Response:
    """The checkpoints of a job that has succeeded."""
    listed = paging.after(tuning_jobs.checkpoints(_job(context), context.path_args["job"]), context.query())
    return Response(paging.page(listed, paging.limit(context.query(), 10, 100)))


def _site(context: RequestContext, location: str | None = None) -> ResourceTarget:
    return context.router.project_site("tuningJobs", location, REGION)


def _place(context: RequestContext) -> tuple[str, str]:
    """Where the job of an id runs, and Vertex's id of it; raises `NotFound`."""
    found = _PLACE.fullmatch(ids.decode(_JOB, context.path_args["job"]) or "")
    if not found or not vertex.is_location(found[1]):
        raise _no_such_job(context.path_args["job"])
    return found[1], found[2]


def _job(context: RequestContext) -> JSON:
    location, number = _place(context)
    try:
        return model_calls.get_json(tuning_jobs.get(number), _site(context, location), context)
    except errors.NotFound:
        raise _no_such_job(context.path_args["job"]) from None


def _no_such_job(identity: str) -> errors.NotFound:
    return errors.NotFound(
        f"Could not find fine tune: {identity[:300]}", param="fine_tuning_job_id", code="fine_tune_not_found"
    )


def _shown(job: JSON) -> JSON:
    """OpenAI's fine-tuning job."""
    named = _NAME.fullmatch(job.get("name", ""))
    if not named:
        raise errors.UpstreamFault("Vertex AI spoke of a job and did not say which.")
    kept = _kept(job.get("description", ""))
    return {
        "id": ids.encode(_JOB, "/".join(named.groups())),
        "object": "fine_tuning.job",
        "organization_id": "",
        "result_files": [],
        "seed": 0,
        "integrations": [],
        "estimated_finish": None,
        "metadata": None,
        **tuning_jobs.progress(job),
        **{name: value for name, value in kept.items() if name in _KEPT and name != "suffix"},
    }


def _kept(description: str) -> JSON:
    """What `create` has put into the description; nothing, if the job was made elsewhere."""
    try:
        value: Any = msgspec.json.decode(description)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
