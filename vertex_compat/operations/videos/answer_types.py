"""The JSON of videos that clients get.

https://platform.openai.com/docs/api-reference/videos. Types for mypy only: no module imports this one when
the function runs.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

VideoStatus: TypeAlias = Literal["queued", "in_progress", "completed", "failed"]


class VideoCreateError(TypedDict):
    """The reason for which there is no video."""

    code: str
    message: str


class Video(TypedDict):
    """A video."""

    id: str
    object: Literal["video"]
    model: str
    status: VideoStatus
    progress: int
    created_at: int
    completed_at: None
    expires_at: None
    prompt: str | None
    seconds: str
    size: str
    remixed_from_video_id: None
    error: VideoCreateError | None


class VideoDeleteResponse(TypedDict):
    """The answer to the deletion of a video."""

    id: str
    object: Literal["video.deleted"]
    deleted: bool
