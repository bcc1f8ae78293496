"""`/fine_tuning/jobs`: Gemini tuned by Vertex AI's tuning jobs.

A job's id holds its location and number. The job's description holds what Vertex AI has no field for, so
nothing else is stored. Its owner is one of its labels. Jobs run in this deployment's project and location,
where the tuned model is called afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.ids import new_token
from vertex_compat.json_values import items, mapping, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.chat import chat
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.files import file_ids, files, jsonl
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.operations.fine_tuning import fine_tuning_schema
from vertex_compat.operations.request import body, paging
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.services import storage, tuning_jobs
from vertex_compat.types import JSON, Model, ResourceTarget

if TYPE_CHECKING:
    from vertex_compat.operations.fine_tuning import answer_types as wire

FOLDER: Final = "tuning/"

DEFAULT_REGION: Final = "us-central1"
"""Location of jobs where no region is set: `global` has no tuning."""

EXAMPLE_RULES: Final = {"requires_signatures": False, "signs_all_parts": False}
"""Rules of requests that do not hold for examples, whose answers no model has signed."""

_ID_PREFIX: Final = "ftjob-"
_LOCATION_AND_NUMBER: Final = re.compile(r"([a-z0-9-]{1,40})/([0-9]{1,30})")
_JOB_NAME: Final = re.compile(r"projects/[^/]+/locations/([^/]+)/tuningJobs/([^/]+)")
_IN_DESCRIPTION: Final = ("training_file", "validation_file", "metadata", "seed", "suffix")
_IGNORED: Final = ("batch_size", "integrations", "seed")


def create(context: RequestContext) -> Response:
    """Convert the files where necessary, then start the job."""
    params = body.drop_nulls(body.decode(context.body, fine_tuning_schema.Create))
    model = context.router.candidates(params["model"])[0]
    if model.publisher != "google" or not model.resource.startswith("publishers/"):
        raise errors.BadRequest(
            f"{params['model']!r} cannot be tuned here: only Gemini can.",
            param="model",
            code="model_not_supported",
        )
    values = _hyperparameters(params)
    datasets = {
        name: _dataset(context, params[name], name, model)
        for name in ("training_file", "validation_file")
        if name in params
    }
    description = {name: params[name] for name in _IN_DESCRIPTION if name in params}
    call = tuning_jobs.create(
        model.name,
        datasets,
        tuning_jobs.hyperparameters(values),
        owner=context.owner,
        display_name=params.get("suffix", model.name),
        description=msgspec.json.encode(description).decode(),
    )
    job = model_calls.get_json(call, _target(context), context, retries=0)
    has_batch_size = values.get("batch_size", "auto") != "auto"
    ignored = [name for name in _IGNORED if name in params or (name == "batch_size" and has_batch_size)]
    return Response(_job_object(job, context), model_calls.ignored_header(ignored))


def _hyperparameters(params: JSON) -> JSON:
    """Return the hyperparameters of the method, else the deprecated ones at the top level."""
    of_method = ((params.get("method") or {}).get("supervised") or {}).get("hyperparameters")
    return body.drop_nulls(of_method or params.get("hyperparameters") or {})


def _dataset(context: RequestContext, reference: str, param: str, model: Model) -> str:
    """Return the URI of a dataset in Vertex AI's form: the file itself, or a converted copy.

    A file in another bucket is read by Vertex AI only, so it has to be in that form.
    """
    target = storage.parse_uri(reference)
    if target and (context.settings.bucket is None or target.bucket != context.settings.bucket.name):
        context.resources.check_uri(reference, param)
        return reference
    bucket = Bucket(context)
    source = bucket.resolve(reference)
    lines = jsonl.lines(files.read(bucket, context, source))
    first = next(lines, None)
    if first is None:
        raise _invalid_file("The file has no examples.", param)
    if "contents" in _example(first, param):
        for numbered_line in chain([first], lines):
            _check_example(_example(numbered_line, param), numbered_line[0], param, model, context)
        return source.uri
    copy = f"{FOLDER}{new_token()}.jsonl"
    with bucket.upload(copy) as upload:
        for number, line in chain([first], lines):
            upload.write(_convert(_example((number, line), param), number, param, model, context))
        upload.finish()
    return bucket.target(copy).uri


def _example(numbered_line: tuple[int, bytes], param: str) -> JSON:
    number, line = numbered_line
    try:
        value: Any = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _invalid_file(f"Line {number} is not a JSON object.", param)
    return value


def _convert(example: JSON, number: int, param: str, model: Model, context: RequestContext) -> bytes:
    """Return a conversation in Vertex AI's form, translated like a chat request."""
    adapter = PUBLISHERS[model.publisher].chat
    model = msgspec.structs.replace(model, profile=msgspec.structs.replace(model.profile, **EXAMPLE_RULES))
    request = {name: example[name] for name in ("messages", "tools", "functions") if name in example}
    try:
        body.validate(example, fine_tuning_schema.Example)
        params = chat.parse(msgspec.json.encode({"model": model.requested_name, **request}))
        params = file_ids.resolve(params, context)
        call = adapter.request(params, model) if adapter else None
        if call:
            context.resources.check_body(call.body, model, lambda: context.transport.project(model))
    except errors.ApiError as error:
        raise _invalid_file(f"Line {number}: {error.message}", param) from None
    if any(message.get("weight") == 0 for message in params["messages"]):
        reason = f"Line {number}: Vertex AI trains on every answer, so no message can have weight 0."
        raise _invalid_file(reason, param)
    answer = params["messages"][-1]
    if answer["role"] != "assistant" or not (answer.get("content") or answer.get("tool_calls")):
        reason = f"Line {number}: the last message must be the assistant's, with content or tool_calls."
        raise _invalid_file(reason, param)
    call_body = call.body if call else {}
    converted = {
        name: call_body[name] for name in ("systemInstruction", "contents", "tools") if name in call_body
    }
    while converted["contents"][-1]["role"] != "model":  # what a request needs after its last answer
        converted["contents"].pop()
    return msgspec.json.encode(converted) + b"\n"


def _check_example(example: JSON, number: int, param: str, model: Model, context: RequestContext) -> None:
    """Check the resources that an example names.

    Vertex AI reads them with this deployment's rights.
    """
    try:
        context.resources.check_body(example, model, lambda: context.transport.project(model))
    except errors.Forbidden as error:
        raise _invalid_file(f"Line {number}: {error.message}", param) from None


def _invalid_file(reason: str, param: str) -> errors.BadRequest:
    return errors.BadRequest(reason, param=param, code=f"invalid_{param}")


def retrieve(context: RequestContext) -> Response:
    """Return a job in its current state."""
    return Response(_job_object(_get_job(context), context))


def cancel(context: RequestContext) -> Response:
    """Cancel a job."""
    location, number = _location_and_number(context)
    status = tuning_jobs.status(_get_job(context))
    if status in tuning_jobs.END_STATES:
        reason = f"Cannot cancel a fine-tuning job with status '{status}'."
        raise errors.Conflict(reason, param="fine_tuning_job_id")
    model_calls.get_json(tuning_jobs.cancel(number), _target(context, location), context)
    return Response(_job_object(_get_job(context), context))


def list_jobs(context: RequestContext) -> Response:
    """List the caller's jobs, newest first."""
    size = paging.limit(context.query(), 20, 100)
    jobs = sorted(_iter_jobs(context), key=lambda job: vertex.timestamp(job.get("createTime")), reverse=True)
    objects = (_job_object(job, context) for job in jobs)
    return Response(paging.page(paging.after(objects, context.query()), size))


def _iter_jobs(context: RequestContext) -> Iterator[JSON]:
    page_token = ""
    while True:
        page = model_calls.get_json(tuning_jobs.list_jobs(page_token), _target(context), context)
        for job in items(page.get("tuningJobs")):
            if tuning_jobs.owner(job) == context.owner:
                yield job
        if not (page_token := text(page.get("nextPageToken"))):
            return


def events(context: RequestContext) -> Response:
    """List the events of a job, latest first."""
    events = paging.after(tuning_jobs.events(_get_job(context)), context.query())
    return Response(paging.page(events, paging.limit(context.query(), 20, 100)))


def checkpoints(context: RequestContext) -> Response:
    """List the checkpoints of a job that has succeeded."""
    job = _get_job(context)
    checkpoints = paging.after(tuning_jobs.checkpoints(job, context.path_args["job"]), context.query())
    return Response(paging.page(checkpoints, paging.limit(context.query(), 10, 100)))


def _target(context: RequestContext, location: str | None = None) -> ResourceTarget:
    return context.router.project_site("tuningJobs", location, DEFAULT_REGION)


def _location_and_number(context: RequestContext) -> tuple[str, str]:
    """Return where the job in the path runs, and its number; raises `NotFound`, `Forbidden`."""
    name = context.ids.decode(_ID_PREFIX, context.path_args["job"]) or ""
    match = _LOCATION_AND_NUMBER.fullmatch(name)
    if not match or not vertex.is_location(match[1]):
        raise _no_such_job(context)
    context.router.check_location(match[1])
    return match[1], match[2]


def _get_job(context: RequestContext) -> JSON:
    """Return the job in the path; raises `NotFound` if it is another owner's."""
    location, number = _location_and_number(context)
    try:
        job = model_calls.get_json(tuning_jobs.get(number), _target(context, location), context)
    except errors.NotFound:
        raise _no_such_job(context) from None
    if tuning_jobs.owner(job) != context.owner:
        raise _no_such_job(context)
    return job


def _no_such_job(context: RequestContext) -> errors.NotFound:
    return errors.NotFound(
        f"Could not find fine tune: {context.path_args['job'][:300]}",
        param="fine_tuning_job_id",
        code="fine_tune_not_found",
    )


def _job_object(job: JSON, context: RequestContext) -> wire.FineTuningJob:
    """Return OpenAI's fine-tuning job."""
    match = _JOB_NAME.fullmatch(text(job.get("name")))
    if not match:
        raise errors.UpstreamFault("Vertex AI returned a job and did not name it.")
    return {
        "id": context.ids.encode(_ID_PREFIX, "/".join(match.groups())),
        "object": "fine_tuning.job",
        "organization_id": "",
        "result_files": [],
        "seed": 0,
        "integrations": [],
        "estimated_finish": None,
        "metadata": None,
        **tuning_jobs.progress(job),
        **_stored_params(text(job.get("description"))),
    }


def _stored_params(description: str) -> wire.StoredParams:
    """Return the parameters in a job's description; none if another client has written it."""
    try:
        value: Any = msgspec.json.decode(description)
    except (ValueError, RecursionError):
        return {}
    stored = mapping(value)
    params = {name: stored[name] for name in _IN_DESCRIPTION if name in stored and name != "suffix"}
    return cast("wire.StoredParams", params)
