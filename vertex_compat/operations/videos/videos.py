"""`/videos`, as OpenAI's clients call it.

A job's state is read from Vertex AI at each request.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.json_values import text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.files import byte_ranges
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.operations.guardrails.guard import check_params
from vertex_compat.operations.request import body, multipart, paging
from vertex_compat.operations.videos import video_jobs, videos_schema
from vertex_compat.operations.videos.video_jobs import VideoJob
from vertex_compat.publishers import PUBLISHERS, media_types
from vertex_compat.types import JSON, Model, ResourceTarget, VideoAdapter, VideoOperation

VIDEOS: Final = model_calls.Operation(
    lambda publisher: publisher.videos, "make videos", frozenset({"videos"})
)

PROMPTS: Final = ("prompt", "negative_prompt")
"""Parameters with texts of the client."""

DEFAULT_SIZE: Final = "720x1280"
"""OpenAI's default."""

MAX_LISTED: Final = 100
POLL_AFTER: Final = {"openai-poll-after-ms": "5000"}
"""A video takes a minute or so."""

_VARIANT: Final = "variant"


def create(context: RequestContext) -> Response:
    """Start a video."""
    params = _params(context)

    def attempt(model: Model, adapter: VideoAdapter) -> Response:
        check_params(params, PROMPTS, model, context)
        merged = _with_defaults(params, model)
        token = new_token() if context.settings.bucket else ""
        if token:
            merged["storage_uri"] = Bucket(context).target(f"{video_jobs.FOLDER}{token}").uri
        call = adapter.start({name: value for name, value in merged.items() if name != "model"}, model)
        if context.dry_run:
            return model_calls.describe(call, model, context)
        (opened,) = model_calls.open_calls([call], model, context)
        operation = model_calls.parse_object(b"".join(model_calls.iter_response(opened, context)))
        operation_name = text(operation.get("name"))
        adapter.location(operation_name)
        context.log.units = adapter.units(merged, model)
        job = VideoJob(
            owner=context.owner,
            operation=operation_name,
            model=params["model"],
            seconds=merged["seconds"],
            size=merged["size"],
            created=int(time.time()),
            token=token,
        )
        video_jobs.remember(job, merged["prompt"], context)
        headers = model_calls.ignored_header(call.ignored) | model_calls.target_header(model, opened)
        video = _video(video_jobs.id_of(job, context), job, merged["prompt"], None)
        return Response(video, headers | POLL_AFTER)

    return model_calls.with_fallback(
        context,
        params["model"],
        VIDEOS,
        attempt,
        lambda model, adapter: adapter.units(_with_defaults(params, model), model),
    )


def _with_defaults(params: JSON, model: Model) -> JSON:
    seconds = model.profile.default_video_seconds
    merged = {"seconds": seconds, "size": DEFAULT_SIZE, **model.defaults, **params}
    return merged | {"seconds": str(merged["seconds"])}


def _params(context: RequestContext) -> JSON:
    """Return the fields of a form or of JSON, with the image to start from as `image`."""
    upload: multipart.UploadedFile | None = None
    if context.content_type.lower().startswith("multipart/form-data"):
        form = multipart.read(context)
        fields = dict(form.fields)
        reference = {
            name: fields.pop(f"input_reference[{name}]")
            for name in ("file_id", "image_url")
            if f"input_reference[{name}]" in fields
        }
        upload = form.file("input_reference")
        params = multipart.Form(fields, form.files).decode(videos_schema.Video, ("input_reference",))
        params |= {"input_reference": reference} if reference else {}
    else:
        params = body.drop_nulls(body.decode(context.body, videos_schema.Video))
    params.setdefault("model", "sora-2")
    reference = params.pop("input_reference", None)
    if upload or reference:
        params["image"] = _uploaded_image(upload) if upload else _image_of(reference, context)
    return params


def _uploaded_image(upload: multipart.UploadedFile) -> JSON:
    mime = media_types.of_bytes(upload.data) or media_types.normalize(upload.content_type) or ""
    return _image(mime, base64.b64encode(upload.data).decode())


def _image_of(reference: JSON, context: RequestContext) -> JSON:
    """Return the image of a file id, a data: URL or an https:// URL."""
    if file_id := reference.get("file_id"):
        bucket = Bucket(context)
        target = bucket.resolve(file_id)
        mime = media_types.of_name(target.name) or text(bucket.metadata(target).get("contentType"))
        return _image(mime, uri=target.uri)
    url = reference.get("image_url") or ""
    if url[:5].lower() == "data:":
        head, _, data = url.partition(",")
        return _image(head[5:].partition(";")[0].lower(), data)
    if url[:8].lower() == "https://" and context.fetch_url:
        file = context.fetch_url(url, "input_reference.image_url")
        return _image(file.mime, base64.b64encode(file.data).decode())
    raise errors.BadRequest(
        "'input_reference' must be a file of the form, or an object with 'file_id' or with 'image_url', a "
        "data: or https:// URL.",
        param="input_reference",
        code="invalid_value",
    )


def _image(mime: str, data: str = "", uri: str = "") -> JSON:
    if not mime.startswith("image/"):
        raise errors.BadRequest(
            "'input_reference' must be an image; Veo does not start from a video.",
            param="input_reference",
            code="unsupported_value",
        )
    return {"mime": mime} | ({"uri": uri} if uri else {"data": data})


def retrieve(context: RequestContext) -> Response:
    """Return a video's state."""
    job = video_jobs.find(context)
    prompt = video_jobs.prompt_of(job, context)
    id_ = context.path_args["video"]
    return Response(_video(id_, job, prompt, _state(id_, job, context)), POLL_AFTER)


def _state(id_: str, job: VideoJob, context: RequestContext) -> VideoOperation:
    """Return the state of a video; raises `NotFound` if neither Vertex AI nor the bucket has it."""
    model = context.router.all_targets(job.model)[0]
    adapter = PUBLISHERS[model.publisher].videos
    if adapter is None:
        raise video_jobs.not_found(id_)
    target = ResourceTarget(
        model.resource,
        (adapter.location(job.operation),),
        project=model.project,
        impersonate_account=model.impersonate_account,
    )
    try:
        return adapter.read(model_calls.get_json(adapter.fetch(job.operation), target, context))
    except errors.NotFound:
        if uri := video_jobs.stored_video(job, context):
            return VideoOperation(done=True, uri=uri)
        raise video_jobs.not_found(id_) from None


def content(context: RequestContext) -> Response:
    """Return a finished video's bytes."""
    job = video_jobs.find(context)
    if (variant := context.query().get(_VARIANT, "video")) != "video":
        raise errors.BadRequest(
            f"Vertex AI makes no {variant[:40]!r} of videos.", param=_VARIANT, code="unsupported_value"
        )
    video_jobs.prompt_of(job, context)  # a deleted video is not found
    state = _state(context.path_args["video"], job, context)
    if not state.done or state.error:
        status = "failed" if state.error else "in_progress"
        raise errors.Conflict(f"The video is not there: its status is {status}.", param="video_id")
    if state.uri:
        bucket = Bucket(context)
        return bucket.file_response(bucket.resolve(state.uri), state.mime)
    try:
        data = base64.b64decode(state.data)
    except binascii.Error:
        raise errors.UpstreamFault("Vertex AI's video is not valid base64.") from None
    return byte_ranges.slice_of(data, state.mime, context)


def list_videos(context: RequestContext) -> Response:
    """List the caller's videos, newest first by default; needs a bucket."""
    query = context.query()
    size = paging.limit(query, 20, MAX_LISTED)
    jobs = list(video_jobs.iter_jobs(context))
    if paging.order(query) == "asc":
        jobs.reverse()
    if last := query.get("after"):
        numbers = [number for number, (id_, _, _) in enumerate(jobs) if id_ == last]
        if not numbers:
            raise errors.NotFound(f"No such id in the list: {last[:200]!r}.", param="after")
        jobs = jobs[numbers[0] + 1 :]
    return Response(paging.page(_video_objects(jobs[: size + 1], context), size))


def _video_objects(jobs: list[tuple[str, VideoJob, str | None]], context: RequestContext) -> Iterator[JSON]:
    def show(entry: tuple[str, VideoJob, str | None]) -> JSON:
        id_, job, prompt = entry
        try:
            return _video(id_, job, prompt, _state(id_, job, context))
        except errors.NotFound:
            expired = ("expired", "Vertex AI has deleted the video.")
            return _video(id_, job, prompt, VideoOperation(done=True, error=expired))

    if jobs:
        with ThreadPoolExecutor(min(len(jobs), model_calls.MAX_PARALLEL_CALLS)) as pool:
            yield from pool.map(show, islice(jobs, MAX_LISTED + 1))


def delete(context: RequestContext) -> Response:
    """Delete a video; one that is still being made is finished and left in the bucket."""
    video_jobs.forget(video_jobs.find(context), context)
    return Response({"id": context.path_args["video"], "object": "video.deleted", "deleted": True})


def remix(context: RequestContext) -> Response:
    """Refuse to change a video, which Veo cannot; raises `NotFound` for an unknown one."""
    video_jobs.prompt_of(video_jobs.find(context), context)
    raise errors.BadRequest(
        "Veo does not change finished videos. Make a new one with POST /videos: a prompt that says what is "
        "different, and an image of this video as `input_reference`.",
        param="video_id",
        code="unsupported_operation",
    )


def _video(id_: str, job: VideoJob, prompt: str | None, state: VideoOperation | None) -> JSON:
    status = "queued" if state is None else "in_progress"
    if state and state.done:
        status = "failed" if state.error else "completed"
    error = {"code": state.error[0], "message": state.error[1]} if state and state.error else None
    return {
        "id": id_,
        "object": "video",
        "model": job.model,
        "status": status,
        "progress": 100 if status == "completed" else 0,
        "created_at": job.created,
        "completed_at": None,
        "expires_at": None,
        "prompt": prompt,
        "seconds": job.seconds,
        "size": job.size,
        "remixed_from_video_id": None,
        "error": error,
    }
