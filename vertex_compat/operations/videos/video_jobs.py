"""Ids of videos, which name Vertex AI's operations, and the records in the bucket.

Without a bucket, the id is all there is, and Vertex AI keeps the video for some hours. With one, the video
is in the caller's folder, beside an empty object whose metadata hold what `GET /videos` lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import mapping, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import JSON, ResourceTarget, VideoOperation

if TYPE_CHECKING:
    from vertex_compat.operations.videos import answer_types as wire

PREFIX: Final = "video_"

FOLDER: Final = "videos/"

RECORD: Final = ".video"
"""Name suffix of the objects with records of videos."""

POLL_AFTER: Final = {"openai-poll-after-ms": "5000"}
"""A video takes a minute or so."""

MAX_PROMPT: Final = 2000
"""Characters of a prompt that are remembered: an object's metadata may have 8 KiB."""


class VideoJob(msgspec.Struct, array_like=True, frozen=True):
    """The content of an id; `token` names the folder in the bucket, "" without one."""

    owner: str
    operation: str
    model: str
    seconds: str
    size: str
    created: int
    token: str

    @property
    def folder(self) -> str:
        """The folder of the video in the bucket."""
        return f"{FOLDER}{self.token}/"

    @property
    def record(self) -> str:
        """The name of the object that remembers the video."""
        return f"{FOLDER}{self.token}{RECORD}"


_decode = msgspec.json.Decoder(VideoJob).decode


def id_of(job: VideoJob, context: RequestContext) -> str:
    """Return the id of a video."""
    return context.ids.encode(PREFIX, msgspec.json.encode(job).decode())


def find(id_: str, context: RequestContext) -> VideoJob:
    """Return the video with an id; raises `NotFound` if the caller has none."""
    with suppress(msgspec.DecodeError):
        if (name := context.ids.decode(PREFIX, id_)) and (job := _decode(name)).owner == context.owner:
            return job
    raise not_found(id_)


def not_found(id_: str) -> errors.NotFound:
    """Return the 404 for a video."""
    return errors.NotFound(f"No such video: {id_[:300]}", param="video_id")


def remember(job: VideoJob, prompt: str, context: RequestContext) -> None:
    """Write the object that remembers a video, if there is a bucket."""
    if not job.token:
        return
    metadata = {"id": id_of(job, context), "prompt": prompt[:MAX_PROMPT]}
    with Bucket(context).upload(job.record, "application/octet-stream", metadata) as upload:
        upload.finish()


def prompt_of(id_: str, job: VideoJob, context: RequestContext) -> str | None:
    """Return the prompt of a video, None if it is not remembered.

    Raises `NotFound` for a deleted video.
    """
    if not job.token:
        return None
    bucket = Bucket(context)
    try:
        return _prompt(bucket.metadata(bucket.target(job.record)))
    except errors.NotFound:
        raise not_found(id_) from None


def iter_jobs(context: RequestContext) -> Iterator[tuple[str, VideoJob, str | None]]:
    """Yield id, job and prompt of the caller's videos, newest first."""
    for resource in Bucket(context).list(FOLDER):
        if not text(resource.get("name")).endswith(RECORD):
            continue
        id_ = text(mapping(resource.get("metadata")).get("id"))
        with suppress(msgspec.DecodeError):
            if name := context.ids.decode(PREFIX, id_):
                yield id_, _decode(name), _prompt(resource)


def _prompt(resource: JSON) -> str | None:
    return text(mapping(resource.get("metadata")).get("prompt")) or None


def _stored_video(job: VideoJob, context: RequestContext) -> str | None:
    """Return the `gs://` URI of a finished video in the bucket, whose operation may be gone."""
    if not job.token:
        return None
    bucket = Bucket(context)
    for resource in bucket.list(job.folder):
        name = bucket.resource_name(resource)
        if name.endswith(".mp4"):
            return bucket.target(name).uri
    return None


def forget(id_: str, job: VideoJob, context: RequestContext) -> None:
    """Delete a video and its record; raises `NotFound`, and `BadRequest` without a bucket."""
    bucket = Bucket(context)
    if not job.token:
        raise errors.BadRequest(
            "This video is not in a bucket: Vertex AI deletes it by itself.", code="bucket_not_set"
        )
    for resource in list(bucket.list(job.folder)):
        with suppress(errors.NotFound):
            bucket.delete(bucket.target(bucket.resource_name(resource)))
    try:
        bucket.delete(bucket.target(job.record))
    except errors.NotFound:
        raise not_found(id_) from None


def state(id_: str, job: VideoJob, context: RequestContext) -> VideoOperation:
    """Return the state of a video; raises `NotFound` if neither Vertex AI nor the bucket has it."""
    model = context.router.all_targets(job.model)[0]
    adapter = PUBLISHERS[model.publisher].videos
    if adapter is None:
        raise not_found(id_)
    target = ResourceTarget(
        model.resource,
        (adapter.location(job.operation),),
        project=model.project,
        impersonate_account=model.impersonate_account,
    )
    try:
        return adapter.read(model_calls.get_json(adapter.fetch(job.operation), target, context))
    except errors.NotFound:
        if uri := _stored_video(job, context):
            return VideoOperation(done=True, uri=uri)
        raise not_found(id_) from None


def finished(id_: str, job: VideoJob, context: RequestContext) -> VideoOperation:
    """Return the operation of a finished video.

    Raises `NotFound`, and `Conflict` for a video that is in progress or failed.
    """
    prompt_of(id_, job, context)  # a deleted video is not found
    operation = state(id_, job, context)
    if not operation.done or operation.error:
        status = "failed" if operation.error else "in_progress"
        raise errors.Conflict(f"The video is not there: its status is {status}.", param="video_id")
    return operation


def video_object(id_: str, job: VideoJob, prompt: str | None, state: VideoOperation | None) -> wire.Video:
    """Return OpenAI's object of a video; `state` is None if it has just been started."""
    status: wire.VideoStatus = "queued" if state is None else "in_progress"
    if state and state.done:
        status = "failed" if state.error else "completed"
    error: wire.VideoCreateError | None = None
    if state and state.error:
        error = {"code": state.error[0], "message": state.error[1]}
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
