"""`/videos`, as OpenAI's clients call it.

A job's state is read from Vertex AI at each request.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final

from vertex_compat import errors
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.files import byte_ranges
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.operations.request import paging
from vertex_compat.operations.videos import video_jobs
from vertex_compat.operations.videos.video_jobs import VideoJob
from vertex_compat.types import VideoOperation

if TYPE_CHECKING:
    from vertex_compat.operations.videos import answer_types as wire

MAX_LISTED: Final = 100

_VARIANT: Final = "variant"


def retrieve(context: RequestContext) -> Response:
    """Return a video's state."""
    id_ = context.path_args["video"]
    job = video_jobs.find(id_, context)
    prompt = video_jobs.prompt_of(id_, job, context)
    video = video_jobs.video_object(id_, job, prompt, video_jobs.state(id_, job, context))
    return Response(video, video_jobs.POLL_AFTER)


def content(context: RequestContext) -> Response:
    """Return a finished video's bytes."""
    id_ = context.path_args["video"]
    job = video_jobs.find(id_, context)
    if (variant := context.query().get(_VARIANT, "video")) != "video":
        raise errors.BadRequest(
            f"Vertex AI makes no {variant[:40]!r} of videos.", param=_VARIANT, code="unsupported_value"
        )
    state = video_jobs.finished(id_, job, context)
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


def _video_objects(
    jobs: list[tuple[str, VideoJob, str | None]], context: RequestContext
) -> Iterator[wire.Video]:
    def show(entry: tuple[str, VideoJob, str | None]) -> wire.Video:
        id_, job, prompt = entry
        try:
            return video_jobs.video_object(id_, job, prompt, video_jobs.state(id_, job, context))
        except errors.NotFound:
            expired = ("expired", "Vertex AI has deleted the video.")
            return video_jobs.video_object(id_, job, prompt, VideoOperation(done=True, error=expired))

    if jobs:
        with ThreadPoolExecutor(min(len(jobs), model_calls.MAX_PARALLEL_CALLS)) as pool:
            yield from pool.map(show, islice(jobs, MAX_LISTED + 1))


def delete(context: RequestContext) -> Response:
    """Delete a video; one that is still being made is finished and left in the bucket."""
    id_ = context.path_args["video"]
    video_jobs.forget(id_, video_jobs.find(id_, context), context)
    deletion: wire.VideoDeleteResponse = {"id": id_, "object": "video.deleted", "deleted": True}
    return Response(deletion)


def remix(context: RequestContext) -> Response:
    """Refuse to change a video, which Veo cannot; raises `NotFound` for an unknown one."""
    id_ = context.path_args["video"]
    video_jobs.prompt_of(id_, video_jobs.find(id_, context), context)
    raise _unchangeable("video_id")


def edit(_: RequestContext) -> Response:
    """Refuse to change a video, which Veo cannot."""
    raise _unchangeable("video")


def _unchangeable(param: str) -> errors.BadRequest:
    return errors.BadRequest(
        "Veo does not change finished videos. Make a new one with POST /videos: a prompt that says what is "
        "different, and an image of this video as `input_reference`. POST /videos/extensions continues a "
        "video.",
        param=param,
        code="unsupported_operation",
    )


def create_character(_: RequestContext) -> Response:
    """Refuse to create a character, which Veo does not have."""
    raise errors.BadRequest(
        "Veo has no characters: show the person in the `input_reference` of POST /videos.",
        code="unsupported_operation",
    )


def retrieve_character(context: RequestContext) -> Response:
    """Raise `NotFound`: there are no characters."""
    id_ = context.path_args["character"]
    raise errors.NotFound(f"No such character: {id_[:300]}", param="character_id")
