"""`GET /audio/voices` and `GET /audio/models`: lists for clients such as Open WebUI.

https://github.com/open-webui/open-webui/blob/main/backend/open_webui/routers/audio.py
"""

from __future__ import annotations

from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.publishers import voices
from vertex_compat.routing.catalog import data


def list_voices(_: RequestContext) -> Response:
    """List OpenAI's voices, which every speech model takes, and Gemini's."""
    names = [*voices.ON_GEMINI, *sorted(voices.GEMINI)]
    return Response({"voices": [{"id": name, "name": name} for name in names]})


def list_models(context: RequestContext) -> Response:
    """List the speech models that the caller may use."""
    builtin = data().builtin_names if context.router.config.file.builtin_names else {}
    names = [name for name in (*builtin, *context.router.catalog.names()) if context.router.allows(name)]
    speaking = [name for name in names if _speaks(name, context)]
    return Response({"models": [{"id": name, "name": name} for name in speaking]})


def _speaks(name: str, context: RequestContext) -> bool:
    model = context.router.candidates(name)[0]
    return model.publisher == "texttospeech" or "speech" in model.profile.operations
