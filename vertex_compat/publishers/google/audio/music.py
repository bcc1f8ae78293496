"""Lyria: music from a prompt, as a file.

Lyria 2 has `predict` and returns WAV, later models have `generateContent` and return MP3.
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/lyria-music-generation and
https://ai.google.dev/gemini-api/docs/music-generation
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

from vertex_compat import errors
from vertex_compat.json_values import items, mapping, text
from vertex_compat.publishers.google import generate_content
from vertex_compat.publishers.google.chat import options
from vertex_compat.publishers.google.usage import usage
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import (
    JSON,
    Audio,
    ClientRequest,
    Model,
    SpeechAdapter,
    UnaryAdapter,
    Units,
    UpstreamCall,
)

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

HANDLED: Final = frozenset({"input", "instructions", "response_format", "stream_format"})

PREDICT: Final = ParameterTable(
    renamed={"negative_prompt": "negative_prompt", "seed": "seed"},
    handled=HANDLED,
    ignored=frozenset({"audioConfig", "speed", "use_ssml", "voice"}),
)

GENERATE_CONTENT: Final = ParameterTable(
    renamed={},
    handled=HANDLED | options.PARAMETERS,
    ignored=frozenset({"audioConfig", "negative_prompt", "seed", "speed", "use_ssml", "voice"}),
)


def formats(model: Model) -> tuple[str, ...]:
    """Return OpenAI's name of the format of a model's files."""
    return ("wav",) if model.profile.media_method == "predict" else ("mp3",)


def request(body: JSON, model: Model) -> list[UpstreamCall]:
    """Return the call that makes the music that `input` describes."""
    predicts = model.profile.media_method == "predict"
    prompt = "\n".join(filter(None, (body.get("instructions"), body["input"])))
    fields, ignored = (PREDICT if predicts else GENERATE_CONTENT).apply(body)
    if not predicts:
        config: wire.GenerationConfig = {"responseModalities": ["AUDIO", "TEXT"]}
        return [generate_content.call([{"text": prompt}], config, body, model, ignored)]
    client_request = ClientRequest(body, model)
    client_request.ignore(*ignored)
    instance = cast("wire.MusicInstance", {"prompt": prompt, **fields})
    upstream_body: wire.GenerateMusicRequest = {"instances": [instance]}
    return [UpstreamCall(f"{model.resource}:predict", upstream_body, ignored=client_request.ignored)]


def response(body: JSON, _: UpstreamCall) -> Audio:
    """Return the music of a response; raises `BadRequest` where the model refused to make any."""
    counts = mapping(body.get("usageMetadata"))
    for data, mime in _files(body):
        try:
            return Audio(base64.b64decode(data), mime, usage(counts) if counts else None)
        except binascii.Error:
            raise errors.UpstreamFault("Vertex AI's music is not base64.") from None
    reasons = [mapping(body.get("promptFeedback")).get("blockReason")]
    reasons += [candidate.get("finishReason") for candidate in items(body.get("candidates"))]
    reason = next(filter(None, map(text, reasons)), "no reason given")
    raise errors.BadRequest(
        f"The model made no music: {reason}.", param="input", code="content_policy_violation"
    )


def _files(body: JSON) -> Iterator[tuple[str, str]]:
    for prediction in items(body.get("predictions")):
        data = text(prediction.get("audioContent")) or text(prediction.get("bytesBase64Encoded"))
        if data:
            yield data, text(prediction.get("mimeType")) or "audio/wav"
    for candidate in items(body.get("candidates")):
        for part in items(mapping(candidate.get("content")).get("parts")):
            blob = mapping(part.get("inlineData"))
            if data := text(blob.get("data")):
                yield data, text(blob.get("mimeType")) or "audio/mpeg"


MUSIC: Final = SpeechAdapter(UnaryAdapter(request, response, lambda _, __: Units(items=1)), formats=formats)
