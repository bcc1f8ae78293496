"""Starts of videos: `POST /videos`, and `POST /videos/extensions`, which continues a video.

https://platform.openai.com/docs/api-reference/videos
"""

from __future__ import annotations

import base64
import time
from typing import Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.json_values import text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.operations.guardrails.guard import check_params
from vertex_compat.operations.request import body, multipart
from vertex_compat.operations.videos import mp4, video_jobs, videos_schema
from vertex_compat.operations.videos.video_jobs import VideoJob
from vertex_compat.publishers import media_types
from vertex_compat.types import JSON, Model, Units, VideoAdapter

VIDEOS: Final = model_calls.Operation(
    lambda publisher: publisher.videos, "make videos", frozenset({"videos"})
)

PROMPTS: Final = ("prompt", "negative_prompt")
"""Parameters with texts of the client."""

DEFAULT_MODEL: Final = "sora-2"
DEFAULT_SIZE: Final = "720x1280"
"""OpenAI's defaults."""


class SourceVideo(NamedTuple):
    """A video to continue: its fields, the model that made it, its length and its size."""

    media: JSON
    model: str
    seconds: int
    size: str


class _Fields(NamedTuple):
    """The fields of a request, and the file that a form has in the place of a reference."""

    params: JSON
    upload: multipart.UploadedFile | None


def create(context: RequestContext) -> Response:
    """Start a video."""
    params, upload = _read(context, videos_schema.Video, "input_reference", ("file_id", "image_url"))
    reference = params.pop("input_reference", None)
    if upload or reference:
        params["image"] = _uploaded_image(upload) if upload else _image_of(reference, context)
    return _start({"model": DEFAULT_MODEL} | params, None, context)


def extend(context: RequestContext) -> Response:
    """Start a video that continues another one: the whole of both is the result."""
    params, upload = _read(context, videos_schema.Extension, "video", ("id",))
    source = _uploaded_video(upload) if upload else _finished_video(params.get("video"), context)
    return _start({"model": source.model} | params | {"video": source.media}, source, context)


def _start(params: JSON, source: SourceVideo | None, context: RequestContext) -> Response:
    def attempt(model: Model, adapter: VideoAdapter) -> Response:
        check_params(params, PROMPTS, model, context)
        merged = _with_defaults(params, source, model, adapter)
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
        seconds = int(merged["seconds"]) + (source.seconds if source else 0)
        job = VideoJob(
            owner=context.owner,
            operation=operation_name,
            model=params["model"],
            seconds=str(seconds),
            size=merged["size"],
            created=int(time.time()),
            token=token,
        )
        video_jobs.remember(job, merged["prompt"], context)
        ignored = (*call.ignored, *_replaced(params, merged))
        headers = model_calls.ignored_header(ignored) | model_calls.target_header(model, opened)
        video = video_jobs.video_object(video_jobs.id_of(job, context), job, merged["prompt"], None)
        return Response(video, headers | video_jobs.POLL_AFTER)

    def units(model: Model, adapter: VideoAdapter) -> Units | None:
        return adapter.units(_with_defaults(params, source, model, adapter), model)

    return model_calls.with_fallback(context, params["model"], VIDEOS, attempt, units)


def _with_defaults(params: JSON, source: SourceVideo | None, model: Model, adapter: VideoAdapter) -> JSON:
    """Return the parameters for a model; those of an extension follow from its source."""
    merged = {
        "seconds": model.profile.default_video_seconds,
        "size": DEFAULT_SIZE,
        **model.defaults,
        **params,
    }
    if source:
        merged |= {"seconds": adapter.extension_seconds, "size": source.size}
    return merged | {"seconds": str(merged["seconds"])}


def _replaced(params: JSON, merged: JSON) -> list[str]:
    """Return the names of the client's parameters that have another value in the video."""
    return [name for name in ("seconds", "size") if name in params and str(params[name]) != merged[name]]


def _read(
    context: RequestContext, schema: type[msgspec.Struct], reference: str, names: tuple[str, ...]
) -> _Fields:
    """Return the fields of a form or of JSON.

    `reference` is a file in a form, or an object whose fields are `names`: in a form `reference[name]`.
    """
    if not context.content_type.lower().startswith("multipart/form-data"):
        return _Fields(body.drop_nulls(body.decode(context.body, schema)), None)
    form = multipart.read(context)
    fields = dict(form.fields)
    parts = {name: fields.pop(f"{reference}[{name}]") for name in names if f"{reference}[{name}]" in fields}
    params = multipart.Form(fields, form.files).decode(schema, (reference,))
    return _Fields(params | ({reference: parts} if parts else {}), form.file(reference))


def _uploaded_video(upload: multipart.UploadedFile) -> SourceVideo:
    """Return the source for an uploaded file; raises `BadRequest`."""
    movie = mp4.read(upload.data)
    if movie is None:
        raise errors.BadRequest("'video' must be an MP4 file.", param="video", code="invalid_value")
    media = {"mime": "video/mp4", "data": base64.b64encode(upload.data).decode()}
    return SourceVideo(media, DEFAULT_MODEL, round(movie.seconds), f"{movie.width}x{movie.height}")


def _finished_video(reference: JSON | None, context: RequestContext) -> SourceVideo:
    """Return the source for a video of the caller.

    Raises `BadRequest`, `NotFound`, and `Conflict` if it is not finished.
    """
    if not reference:
        raise errors.BadRequest(
            "Missing required parameter: 'video': a file of the form, or an object with the 'id' of a video.",
            param="video",
            code="missing_required_parameter",
        )
    id_ = reference["id"]
    try:
        job = video_jobs.find(id_, context)
        operation = video_jobs.finished(id_, job, context)
    except errors.ClientFault as error:
        error.param = "video.id"
        raise
    media = {"mime": operation.mime} | ({"uri": operation.uri} if operation.uri else {"data": operation.data})
    return SourceVideo(media, job.model, int(job.seconds), job.size)


def _uploaded_image(upload: multipart.UploadedFile) -> JSON:
    mime = media_types.of_bytes(upload.data) or media_types.normalize(upload.content_type) or ""
    return _image(mime, base64.b64encode(upload.data).decode())


def _image_of(reference: JSON, context: RequestContext) -> JSON:
    """Return the image of a file id, a data: URL or an https:// URL."""
    if reference.get("file_id") and reference.get("image_url"):
        raise errors.BadRequest(
            "'input_reference' has a 'file_id' or an 'image_url', not both.",
            param="input_reference",
            code="invalid_value",
        )
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
