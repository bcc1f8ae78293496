"""Speech-to-Text v2: `recognize`, `batchRecognize` and its operations.

Source: google/cloud/speech/v2/cloud_speech.proto, the pages of the Chirp models, and reports of live calls
(https://github.com/SubtitleEdit/subtitleedit/pull/14561). An offset of 0 is omitted, and a language without
its region is refused. The transcript is the same three sentences of two speakers for every recording. An
operation runs until it has been read once; a model name with `emulator-job-failed` makes it fail.
"""

import io
import math
import wave

from vertex_compat.emulator.google_models.transcription import SENTENCES, WORD_SECONDS
from vertex_compat.emulator.project import PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import (
    AnyField,
    BoolField,
    BytesField,
    EnumField,
    IntegerField,
    Message,
    NumberField,
    RepeatedField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response
from vertex_compat.emulator.resources.operations import Operations
from vertex_compat.emulator.resources.storage import Storage

MAX_BYTES = 10 * 1024 * 1024
MAX_SECONDS = 60
MAX_PHRASES = 1000
SPEAKERS = {"spk_1": "1", "spk_2": "2"}
REGIONS_OF_CHIRP_3 = {"us", "eu", "asia-northeast1", "asia-southeast1"}
REGIONS_OF_CHIRP_2 = {"us-central1", "europe-west4", "asia-southeast1"}
BARE_LANGUAGES = {"auto", "sw"}

FEATURES = Message(
    "RecognitionFeatures",
    {
        **dict.fromkeys(
            (
                "profanityFilter",
                "enableWordTimeOffsets",
                "enableWordConfidence",
                "enableAutomaticPunctuation",
                "enableSpokenPunctuation",
                "enableSpokenEmojis",
            ),
            BoolField(),
        ),
        "multiChannelMode": EnumField("MultiChannelMode", ("MULTI_CHANNEL_MODE_UNSPECIFIED",)),
        "diarizationConfig": Message(
            "SpeakerDiarizationConfig",
            {"minSpeakerCount": IntegerField(), "maxSpeakerCount": IntegerField()},
        ),
        "maxAlternatives": IntegerField(),
        "customPromptConfig": Message("CustomPromptConfig", {"customPrompt": StringField()}),
    },
)
PHRASE = Message("Phrase", {"value": StringField(), "boost": NumberField("TYPE_FLOAT")})
PHRASE_SET = Message(
    "AdaptationPhraseSet",
    {
        "phraseSet": StringField(),
        "inlinePhraseSet": Message(
            "PhraseSet", {"phrases": RepeatedField(PHRASE), "boost": NumberField("TYPE_FLOAT")}
        ),
    },
    one_of=("phraseSet", "inlinePhraseSet"),
)
CONFIG = Message(
    "RecognitionConfig",
    {
        "autoDecodingConfig": Message("AutoDetectDecodingConfig", {}),
        "explicitDecodingConfig": AnyField(),
        "model": StringField(),
        "languageCodes": RepeatedField(StringField()),
        "features": FEATURES,
        "adaptation": Message(
            "SpeechAdaptation", {"phraseSets": RepeatedField(PHRASE_SET), "customClasses": AnyField()}
        ),
        "transcriptNormalization": AnyField(),
        "translationConfig": Message("TranslationConfig", {"targetLanguage": StringField()}),
        "denoiserConfig": AnyField(),
    },
    one_of=("autoDecodingConfig", "explicitDecodingConfig"),
)
RECOGNIZE = Message(
    "RecognizeRequest",
    {"config": CONFIG, "configMask": StringField(), "content": BytesField(), "uri": StringField()},
    one_of=("content", "uri"),
)
BATCH_RECOGNIZE = Message(
    "BatchRecognizeRequest",
    {
        "config": CONFIG,
        "configMask": StringField(),
        "files": RepeatedField(Message("BatchRecognizeFileMetadata", {"uri": StringField()})),
        "recognitionOutputConfig": Message(
            "RecognitionOutputConfig",
            {
                "gcsOutputConfig": Message("GcsOutputConfig", {"uri": StringField()}),
                "inlineResponseConfig": Message("InlineOutputConfig", {}),
            },
            one_of=("gcsOutputConfig", "inlineResponseConfig"),
        ),
        "processingStrategy": StringField(),
    },
)


class SpeechToText:
    """The recognizer without settings, and the operations of `batchRecognize`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._operations = Operations()

    def recognize(self, request: ModelRequest) -> Response:
        """Answer `recognize`."""
        body = proto_json.read(RECOGNIZE, request.body)
        config = body.get("config", {})
        _check(config, request.location)
        if "diarizationConfig" in config.get("features", {}):
            raise google_errors.invalid_argument("Recognizer does not support feature: speaker_diarization")
        if "content" in body:
            audio = proto_json.decode_base64(body["content"])
        else:
            audio = self._storage.read(body.get("uri", ""))
        if not audio:
            raise google_errors.invalid_argument("Audio content or uri is required.")
        if len(audio) > MAX_BYTES:
            raise google_errors.invalid_argument("Request payload size exceeds the limit: 10485760 bytes.")
        if _seconds(audio) > MAX_SECONDS:
            raise google_errors.invalid_argument("Audio can be of a maximum of 60 seconds.")
        return pretty_json_response(_transcript(config, audio))

    def start(self, location: str, body: JSON) -> Response:
        """Answer `batchRecognize`."""
        read = proto_json.read(BATCH_RECOGNIZE, body)
        config, files = read.get("config", {}), read.get("files", [])
        _check(config, location)
        if not files or "recognitionOutputConfig" not in read:
            raise google_errors.invalid_argument("Files and an output configuration are required.")
        if len(files) > 1 and "inlineResponseConfig" in read["recognitionOutputConfig"]:
            raise google_errors.invalid_argument("Inline results are for one file only.")
        return self._operations.start(
            f"projects/{PROJECT_NUMBER}/locations/{location}",
            lambda _: self._result(config, files[0].get("uri", "")),
            metadata={"progressPercent": 0},
        )

    def get(self, location: str, number: str) -> Response:
        """Answer a read of an operation."""
        name = f"projects/{PROJECT_NUMBER}/locations/{location}/operations/{number}"
        return self._operations.read(name, f"Operation {number} not found.")

    def _result(self, config: JSON, uri: str) -> JSON:
        if "emulator-job-failed" in config["model"]:
            return {"error": {"code": 13, "message": "Internal error encountered."}}
        audio = self._storage.read(uri)
        kind = "type.googleapis.com/google.cloud.speech.v2.BatchRecognizeResponse"
        if audio is None:
            missing = {"error": {"code": 5, "message": f"The object {uri} was not found."}}
            return {"response": {"@type": kind, "results": {uri: missing}}}
        transcript = _transcript(config, audio)
        file = {"metadata": transcript["metadata"], "inlineResult": {"transcript": transcript}}
        total = transcript["metadata"]["totalBilledDuration"]
        return {"response": {"@type": kind, "results": {uri: file}, "totalBilledDuration": total}}


def _check(config: JSON, location: str) -> None:
    """Refuse what the model does not have."""
    model = config.get("model", "").partition("-")[0]  # without the name of a fault
    regions = REGIONS_OF_CHIRP_3 if model == "chirp_3" else REGIONS_OF_CHIRP_2
    if not model.startswith("chirp") or (model.startswith("chirp_") and location not in regions):
        raise google_errors.invalid_argument(
            f'The model "{model}" does not exist in the location named "{location}".'
        )
    if not config.keys() & {"autoDecodingConfig", "explicitDecodingConfig"}:
        raise google_errors.invalid_argument("A decoding configuration is required.")
    for language in config.get("languageCodes", []):
        if "-" not in language and language not in BARE_LANGUAGES:
            raise google_errors.invalid_argument(
                f'The language "{language}" is not supported by the model "{model}" in the location named '
                f'"{location}".'
            )
    if not config.get("languageCodes"):
        raise google_errors.invalid_argument("At least one language code is required.")
    if "diarizationConfig" in config.get("features", {}) and model != "chirp_3":
        raise google_errors.invalid_argument("Recognizer does not support feature: speaker_diarization")
    if "translationConfig" in config and model != "chirp_2":
        raise google_errors.invalid_argument("Recognizer does not support feature: translation")
    sets = config.get("adaptation", {}).get("phraseSets", [])
    inline = [phrase_set.get("inlinePhraseSet", {}) for phrase_set in sets]
    phrases = [phrase for phrase_set in inline for phrase in phrase_set.get("phrases", [])]
    if phrases and model == "chirp":
        raise google_errors.invalid_argument("Recognizer does not support feature: model_adaptation")
    if len(phrases) > MAX_PHRASES:
        raise google_errors.invalid_argument(f"At most {MAX_PHRASES} phrases are allowed.")


def _seconds(audio: bytes) -> float:
    """Return the duration of a WAV file; other files are short."""
    try:
        with wave.open(io.BytesIO(audio)) as file:
            return float(file.getnframes() / file.getframerate())
    except (wave.Error, EOFError):
        return 0


def _transcript(config: JSON, audio: bytes) -> JSON:
    """Return one result with two sentences, and one with the third."""
    language = config["languageCodes"][0]
    language = "en-US" if language == "auto" else language
    words = [
        (word, speaker, index * WORD_SECONDS)
        for index, (word, speaker) in enumerate(
            (word, speaker) for speaker, sentence in SENTENCES for word in sentence.split()
        )
    ]
    first = sum(len(sentence.split()) for _, sentence in SENTENCES[:2])
    billed = math.ceil(_seconds(audio) or len(words) * WORD_SECONDS)
    return {
        "results": [_result_of(part, config, language) for part in (words[:first], words[first:])],
        "metadata": {"totalBilledDuration": f"{billed}s"},
    }


def _result_of(words: list[tuple[str, str, float]], config: JSON, language: str) -> JSON:
    features = config.get("features", {})
    alternative: JSON = {"transcript": " ".join(word for word, _, _ in words), "confidence": 0.9}
    if features.get("enableWordTimeOffsets") or "diarizationConfig" in features:
        alternative["words"] = [_word(*word, features) for word in words]
    end = words[-1][2] + WORD_SECONDS
    return {"alternatives": [alternative], "resultEndOffset": f"{end:.3f}s", "languageCode": language}


def _word(word: str, speaker: str, start: float, features: JSON) -> JSON:
    info: JSON = {"word": word}
    if features.get("enableWordTimeOffsets"):
        info |= {"startOffset": f"{start:.3f}s"} if start else {}
        info["endOffset"] = f"{start + WORD_SECONDS:.3f}s"
    if "diarizationConfig" in features:
        info["speakerLabel"] = SPEAKERS[speaker]
    return info
