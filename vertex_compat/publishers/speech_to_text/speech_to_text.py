"""Google Cloud Speech-to-Text v2: Chirp transcribes recordings.

`recognize` takes up to a minute of sound and 10 MB. `batchRecognize` starts an operation for an object in
Cloud Storage, which is polled. Sources, read on 2026-11-27:
https://cloud.google.com/speech-to-text/docs/reference/rest/v2/projects.locations.recognizers,
https://cloud.google.com/speech-to-text/docs/models/chirp-3, .../chirp-2 and .../quotas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from vertex_compat import errors, vertex
from vertex_compat.json_values import mapping, text
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.publishers.speech_to_text import languages, recognition
from vertex_compat.types import (
    JSON,
    ChatAdapter,
    ClientRequest,
    Delta,
    Model,
    StreamPart,
    TranscriptionAdapter,
    Units,
    UpstreamCall,
)

if TYPE_CHECKING:
    from vertex_compat.publishers.speech_to_text import request_types as wire

PARAMETERS: Final = ParameterTable(
    renamed={},
    handled=frozenset(
        {"audio", "diarize", "keywords", "language", "languages", "prompt", "response_format", "segments"}
        | {"timestamp_granularities", "translate", "words"}
    ),
    ignored=frozenset(
        {"chunking_strategy", "include", "known_speaker_names", "known_speaker_references", "temperature"}
    ),
)

VERSION: Final = "v2"

RECOGNIZER: Final = "recognizers/_"
"""The recognizer without settings, which every project has."""

MAX_INLINE_BYTES: Final = 7_500_000
"""Largest recording that fits, in base64, into the 10 MB of a request of `recognize`."""

SHORT: Final = "recording.short"
"""Optional feature: the recording is sent to `recognize`, which refuses one of more than a minute."""

TOO_LONG: Final = "maximum of 60 seconds"
"""Phrase of that refusal."""

MAX_POLLS: Final = 700
"""About an hour, after which Cloud Run ends the request."""

MAX_PHRASE_LENGTH: Final = 100
MAX_PHRASE_WORDS: Final = 6
"""Words of a phrase in a prompt that is a list of names and terms. Longer ones are sentences."""

MAX_RECOGNIZE_SECONDS: Final = 60
BYTES_PER_SECOND: Final = 8_000
"""Of a compressed recording, about."""
UNCOMPRESSED_BYTES_PER_SECOND: Final = 32_000
"""Of 16,000 samples a second."""

UNCOMPRESSED: Final = ("audio/flac", "audio/wav", "audio/x-flac", "audio/x-wav")

_OPERATION: Final = re.compile(r"projects/[^/]{1,64}/locations/[a-z0-9-]{1,32}/operations/[\w-]{1,128}")
_SEPARATORS: Final = re.compile(r"[,;\n\u3001\uff0c]")


def request(body: JSON, model: Model) -> UpstreamCall:
    """Return the call that transcribes the recording in `audio`; raises `BadRequest`."""
    client = ClientRequest(body, model)
    client.ignore(*PARAMETERS.apply(body)[1])
    config = _config(client)
    audio = body["audio"]
    if _is_long(body, model):
        batch: wire.BatchRecognizeRequest = {
            "config": config,
            "files": [{"uri": audio["uri"]}],
            "recognitionOutputConfig": {"inlineResponseConfig": {}},
        }
        return _call("batchRecognize", batch, client)
    short: wire.RecognizeRequest = {"config": config}
    if "uri" in audio:
        short["uri"] = audio["uri"]
    else:
        short["content"] = audio["data"]
    call = _call("recognize", short, client)
    can_be_stored = "uri" in audio or audio["storable"]
    return replace(call, optional_features=(SHORT,)) if can_be_stored else call


def _call(method: str, body: Mapping[str, Any], client: ClientRequest) -> UpstreamCall:
    return UpstreamCall(f"{RECOGNIZER}:{method}", body, VERSION, service="speech", ignored=client.ignored)


def _is_long(body: JSON, model: Model) -> bool:
    """Return whether `batchRecognize` is needed, which alone separates speakers."""
    return bool(
        body.get("diarize") or body["audio"]["size"] > MAX_INLINE_BYTES or SHORT in model.refused_features
    )


def needs_object(body: JSON, model: Model) -> bool:
    """Return whether the recording has to be an object of Cloud Storage and is none."""
    return "uri" not in body["audio"] and _is_long(body, model)


def _config(client: ClientRequest) -> wire.RecognitionConfig:
    body, model = client.body, client.model
    names = [body["language"]] if "language" in body else body.get("languages", ())
    features: wire.RecognitionFeatures = {"enableAutomaticPunctuation": True}
    if body.get("words") or body.get("segments"):
        features["enableWordTimeOffsets"] = True
    config: wire.RecognitionConfig = {
        "autoDecodingConfig": {},
        "model": model.name,
        "languageCodes": languages.codes(names),
        "features": features,
    }
    if body.get("diarize"):
        if not model.profile.separates_speakers:
            raise _cannot("separate speakers", "chirp_3", "response_format", model)
        features["diarizationConfig"] = {}
    if body.get("translate"):
        if not model.profile.translates_speech:
            raise _cannot("translate", "chirp_2", "model", model)
        config["translationConfig"] = {"targetLanguage": "en-US"}
    if phrases := _phrases(client):
        values: list[wire.Phrase] = [{"value": phrase} for phrase in phrases]
        config["adaptation"] = {"phraseSets": [{"inlinePhraseSet": {"phrases": values}}]}
    return config


def _cannot(verb: str, other: str, param: str, model: Model) -> errors.BadRequest:
    return errors.BadRequest(
        f"{model.requested_name!r} does not {verb}; {other} and chat models such as gemini-3.8-flash do.",
        param=param,
        code="model_not_supported",
    )


def _phrases(client: ClientRequest) -> list[str]:
    """Return the words that may occur: the keywords, and those of a prompt that lists some."""
    body = client.body
    if not client.model.profile.takes_phrases:
        client.ignore(*(name for name in ("keywords", "prompt") if body.get(name)))
        return []
    phrases = list(body.get("keywords", ()))
    if prompt := body.get("prompt", "").strip():
        client.ignore("prompt")
        listed = [part.strip(" .") for part in _SEPARATORS.split(prompt)]
        if all(map(_is_phrase, listed)):
            phrases += filter(None, listed)
    return phrases


def _is_phrase(part: str) -> bool:
    return len(part) <= MAX_PHRASE_LENGTH and len(part.split()) <= MAX_PHRASE_WORDS


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """Return a transcript, or the call that polls the operation which makes it."""
    if call.path.endswith(":recognize"):
        return _parts(body)
    if not body.get("done"):
        return [Delta(0, {}, continuation=_poll(text(body.get("name")), call.polls + 1))]
    return _parts(_batch_result(body))


def _poll(operation: str, polls: int) -> UpstreamCall:
    if not _OPERATION.fullmatch(operation):
        raise errors.UpstreamFault("Speech-to-Text started a transcription and did not name its operation.")
    if polls > MAX_POLLS:
        raise errors.DeadlineExceeded("The transcription was not complete in time.")
    return UpstreamCall(operation, {}, VERSION, method="GET", service="speech", polls=polls)


def _batch_result(operation: JSON) -> JSON:
    """Return what `recognize` would have answered; raises the error of the file."""
    files = mapping(mapping(operation.get("response")).get("results"))
    file = mapping(next(iter(files.values()), None))
    if failure := mapping(file.get("error")):
        error = errors.from_body(200, {"error": failure})
        if isinstance(error, errors.BadRequest | errors.NotFound | errors.Forbidden):
            raise errors.BadRequest(error.message, param="file", code="invalid_value")
        raise error
    transcript = mapping(mapping(file.get("inlineResult")).get("transcript"))
    if not transcript:
        raise errors.UpstreamFault("Speech-to-Text ended a transcription without a result.")
    return {"metadata": file.get("metadata"), **transcript}


def _parts(body: JSON) -> list[StreamPart]:
    parts: list[StreamPart] = [Delta(0, fields) for fields in recognition.fields_of_results(body)]
    billed = recognition.seconds(mapping(body.get("metadata")).get("totalBilledDuration"))
    return [*parts, Delta(0, {} if billed is None else {"billed_seconds": billed}, "stop")]


def units(body: JSON, model: Model) -> Units:
    """Return an estimate of the seconds that are charged for."""
    audio = body["audio"]
    rate = UNCOMPRESSED_BYTES_PER_SECOND if audio["mime"] in UNCOMPRESSED else BYTES_PER_SECOND
    seconds = -(-audio["size"] // rate)
    return Units(seconds=max(seconds if _is_long(body, model) else min(seconds, MAX_RECOGNIZE_SECONDS), 1))


def locate(model: Model) -> Model:
    """Return the model in locations that serve it; raises `BadRequest` if there is none.

    A region stands for the multi-region that contains it where only that serves the model. `global`, which
    serves none, stands for no choice.
    """
    served = model.profile.locations
    if not model.location_pinned or not served:
        return model
    serving = [name for location in model.locations for name in _serving(location, served)]
    if not serving:
        raise errors.BadRequest(
            f"{model.requested_name!r} is not served in {model.locations[0]!r}, but in {', '.join(served)}. "
            "Set the location of [publishers.speechtotext] in the settings file.",
            param="model",
            code="location_not_supported",
        )
    return replace(model, locations=tuple(dict.fromkeys(serving)))


def _serving(location: str, served: Sequence[str]) -> Sequence[str]:
    if location == "global":
        return served
    names = (location, vertex.multi_region(location))
    return [name for name in names if name and name in served][:1]


TRANSCRIPTIONS: Final = TranscriptionAdapter(
    ChatAdapter(request, response, lambda _: lambda _: ()), units, locate, needs_object, TOO_LONG
)
