"""Transcription by Speech-to-Text: Chirp's models behind OpenAI's API."""

import base64
import io
import json
import wave

import openai
import pytest
from helpers.server import app_with_emulator

from vertex_compat import errors, vertex
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.publishers.speech_to_text import languages, recognition, speech_to_text
from vertex_compat.routing import model_names

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
SENTENCES = "Good morning. Good morning, how are you? Fine, thanks."
BUCKET = "emulated-bucket"


def recording(seconds):
    """Silence of so many seconds."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(2 * 8000 * seconds))
    return file.getvalue()


def upload(app, data=WAV, path="transcriptions", **fields):
    """Upload a recording in a body that is one string of bytes."""
    head = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    fields = {"model": "chirp_3", **fields}
    form = "".join(head.format(name, "") + value + "\r\n" for name, value in fields.items())
    file = head.format("file", '; filename="a.wav"').encode() + data + b"\r\n--x--\r\n"
    content_type = "multipart/form-data; boundary=x"
    return app.post(f"/v1/audio/{path}", data=form.encode() + file, content_type=content_type)


def config(emulator):
    return next(
        call.json["config"] for call in reversed(emulator.calls) if call.json and "config" in call.json
    )


@pytest.fixture
def stored(emulator, storage):  # noqa: ARG001  (it empties the emulated bucket)
    """The function with a bucket."""
    return app_with_emulator(emulator, GCS_BUCKET_NAME=BUCKET)


def test_openai_s_client_gets_a_transcript_and_its_price(plain, emulator):
    raw = plain.audio.transcriptions.with_raw_response.create(model="chirp_3", file=("a.wav", WAV))
    answer = raw.parse()
    assert (answer.text, answer.usage.type, answer.usage.seconds) == (SENTENCES, "duration", 5)
    assert raw.headers["x-vertex-compat-target"] == "speechtotext/chirp_3; location=us"
    assert float(raw.headers["x-vertex-compat-cost-usd"]) == pytest.approx(5 * 0.016 / 60, rel=0.001)
    (call,) = emulator.calls
    assert call.path == "/v2/projects/emulated-project/locations/us/recognizers/_:recognize"
    assert call.json == {
        "config": {
            "autoDecodingConfig": {},
            "model": "chirp_3",
            "languageCodes": ["auto"],
            "features": {"enableAutomaticPunctuation": True},
        },
        "content": base64.b64encode(WAV).decode(),
    }


@pytest.mark.parametrize(
    "name", ["chirp_2", "chirp-2", "vertex_ai/chirp_2", "google/chirp-2", "speechtotext/chirp_2"]
)
def test_a_model_has_several_spellings(app, emulator, name):
    assert upload(app, model=name).status_code == 200
    assert config(emulator)["model"] == "chirp_2"
    assert "/locations/us-central1/" in emulator.calls[-1].path


def test_words_and_sentences_have_times(plain):
    answer = plain.audio.transcriptions.create(
        model="chirp_3",
        file=("a.wav", WAV),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert [(word.word, word.start, word.end) for word in answer.words[:2]] == [
        ("Good", 0.0, 0.5),
        ("morning.", 0.5, 1.0),
    ]
    assert [(segment.start, segment.end) for segment in answer.segments] == [(0, 1), (1, 3.5), (3.5, 4.5)]
    assert (answer.text, answer.language, answer.usage.seconds) == (SENTENCES, "en-US", 5)


def test_subtitles_have_a_sentence_each(app):
    assert upload(app, response_format="vtt").text == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nGood morning.\n\n"
        "00:00:01.000 --> 00:00:03.500\nGood morning, how are you?\n\n"
        "00:00:03.500 --> 00:00:04.500\nFine, thanks.\n\n"
    )


def test_results_are_streamed(plain):
    with plain.audio.transcriptions.create(model="chirp_3", file=("a.wav", WAV), stream=True) as stream:
        *deltas, done = list(stream)
    assert [event.delta for event in deltas] == ["Good morning. Good morning, how are you?", " Fine, thanks."]
    assert (done.type, done.text, done.usage) == ("transcript.text.done", SENTENCES, None)


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, ["auto"]),
        ({"language": "de"}, ["de-DE"]),
        ({"language": "zh"}, ["cmn-Hans-CN"]),
        ({"language": "HE"}, ["iw-IL"]),
        ({"language": "en-GB"}, ["en-GB"]),
        ({"language": "pt_BR"}, ["pt_BR"]),
        ({"languages[]": "fr"}, ["fr-FR"]),
    ],
)
def test_a_language_gets_its_region(app, emulator, fields, codes):
    upload(app, **fields)
    assert config(emulator)["languageCodes"] == codes


@pytest.mark.parametrize(
    ("model", "fields", "phrases", "ignored"),
    [
        (
            "chirp_3",
            {"prompt": "ZyntriQix, Digique Plus, O.R.B.I.T."},
            ["ZyntriQix", "Digique Plus", "O.R.B.I.T"],
            "prompt",
        ),
        (
            "chirp_3",
            {"prompt": "This is a lecture about the history of Rome, and it is long."},
            None,
            "prompt",
        ),
        (
            "chirp_3",
            {"prompt": "Vertex\nGemini;Claude", "keywords[]": "Lyria"},
            ["Lyria", "Vertex", "Gemini", "Claude"],
            "prompt",
        ),
        ("chirp_2", {"keywords[]": "Lyria"}, ["Lyria"], None),
        ("chirp", {"keywords[]": "Lyria", "prompt": "Vertex"}, None, "keywords, prompt"),
        ("chirp_3", {"prompt": " "}, None, None),
    ],
)
def test_a_prompt_that_lists_terms_becomes_phrases(app, emulator, model, fields, phrases, ignored):
    answer = upload(app, model=model, **fields)
    assert answer.status_code == 200
    assert answer.headers.get("x-vertex-compat-ignored") == ignored
    sets = config(emulator).get("adaptation", {}).get("phraseSets", [])
    inline = [phrase_set["inlinePhraseSet"] for phrase_set in sets]
    values = [phrase["value"] for phrase_set in inline for phrase in phrase_set["phrases"]]
    assert values == (phrases or [])


def test_parameters_without_counterpart_are_named(app):
    answer = upload(
        app,
        temperature="0.2",
        chunking_strategy="server_vad",
        **{"include[]": "logprobs", "known_speaker_names[]": "a", "known_speaker_references[]": "data:,"},
    )
    assert set(answer.headers["x-vertex-compat-ignored"].split(", ")) == {
        "chunking_strategy",
        "include",
        "known_speaker_names",
        "known_speaker_references",
        "temperature",
    }


def test_chirp_2_translates_and_the_others_say_who_does(app, emulator):
    assert upload(app, path="translations", model="chirp_2").json["text"] == SENTENCES
    assert config(emulator)["translationConfig"] == {"targetLanguage": "en-US"}
    refused = upload(app, path="translations")
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "model")
    assert "chirp_2" in refused.json["error"]["message"]


# Long recordings, and speakers


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_long_recording_goes_through_the_bucket(stored, emulator, storage, stream):
    answer = upload(stored, recording(61), stream=stream)
    assert SENTENCES in answer.text
    paths = [call.path.rpartition("/")[2] for call in emulator.calls if call.path.startswith("/v2/")]
    assert paths[:2] == ["_:recognize", "_:batchRecognize"]
    assert len(paths) == 4  # an operation runs until it has been read once
    (batch,) = [call.json for call in emulator.calls if call.path.endswith(":batchRecognize")]
    assert batch["files"][0]["uri"].startswith(f"gs://{BUCKET}/vertex_compat/")
    assert storage.names(BUCKET) == []
    if stream == "false":
        assert answer.json["usage"]["seconds"] == 61


def test_the_next_recording_is_sent_whole_again(stored, emulator):
    upload(stored, recording(61))
    count = len(emulator.calls)
    upload(stored, recording(1))
    assert [call.path.rpartition("/")[2] for call in emulator.calls[count:]] == ["_:recognize"]


def test_without_a_bucket_a_long_recording_needs_one(app):
    error = upload(app, recording(61)).json["error"]
    assert error["param"] == "file"
    assert "60 seconds" in error["message"]
    assert "GCS_BUCKET_NAME" in error["message"]


def test_a_large_recording_is_not_tried_whole(stored, emulator):
    upload(stored, WAV + bytes(speech_to_text.MAX_INLINE_BYTES))
    assert [call.path for call in emulator.calls if call.path.endswith(":recognize")] == []


def test_speakers_are_separated_in_batches(stored, emulator):
    answer = upload(stored, response_format="diarized_json").json
    assert [(segment["speaker"], segment["text"]) for segment in answer["segments"]] == [
        ("A", "Good morning."),
        ("B", "Good morning, how are you?"),
        ("A", "Fine, thanks."),
    ]
    assert answer["usage"] == {"type": "duration", "seconds": 5}
    assert config(emulator)["features"]["diarizationConfig"] == {}


def test_speakers_without_a_bucket_are_a_400(app, emulator):
    error = upload(app, response_format="diarized_json").json["error"]
    assert (error["param"], error["code"]) == ("file", "bucket_not_set")
    assert not emulator.calls


def test_model_without_speakers_is_an_error(stored):
    error = upload(stored, model="chirp_2", response_format="diarized_json").json["error"]
    assert (error["param"], "chirp_3" in error["message"]) == ("response_format", True)


def test_a_file_of_the_bucket_is_read_there(stored, emulator):
    form = {"purpose": "user_data", "file": (io.BytesIO(WAV), "a.wav")}
    file = stored.post("/v1/files", data=form).json["id"]
    form = {"model": "chirp_3", "file": file}
    answer = stored.post("/v1/audio/transcriptions", data=form, content_type="multipart/form-data")
    assert answer.json["text"] == SENTENCES
    assert emulator.calls[-1].json["uri"].startswith(f"gs://{BUCKET}/")


def test_a_failed_operation_is_a_bad_gateway_and_leaves_nothing(stored, storage):
    answer = upload(stored, recording(61), model="chirp-emulator-job-failed")
    assert answer.status_code == 502
    assert "Internal error" in answer.json["error"]["message"]
    assert storage.names(BUCKET) == []


def test_an_operation_that_cannot_be_read_is_not_started_again(emulator, monkeypatch):
    def fail(location, number):
        raise google_errors.refused(500, f"Operation {number} in {location} cannot be read.")

    monkeypatch.setattr(emulator.app.cloud.speech, "get", fail)
    stored = app_with_emulator(emulator, GCS_BUCKET_NAME=BUCKET, VERTEX_COMPAT_RETRIES="1")
    answer = upload(stored, response_format="diarized_json")
    assert answer.status_code == 502
    assert len([call for call in emulator.calls if call.path.endswith(":batchRecognize")]) == 1


# Errors


def test_an_unknown_language_is_the_client_s_error(app):
    answer = upload(app, language="xx")
    assert answer.status_code == 400
    assert "not supported by the model" in answer.json["error"]["message"]


def denial(message, reason):
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    error = {"code": 403, "status": "PERMISSION_DENIED", "message": message, "details": details}
    return json.dumps({"error": error}).encode()


def test_a_missing_role_is_named(app, emulator):
    message = "Permission 'speech.recognizers.recognize' denied on resource (or it may not exist)."
    emulator.script(denial(message, "IAM_PERMISSION_DENIED"), status=403)
    answer = upload(app)
    assert answer.status_code == 403
    assert "roles/speech.client" in answer.json["error"]["message"]


def test_a_disabled_api_is_named_by_google(app, emulator):
    message = (
        "Cloud Speech-to-Text API has not been used in project 1 before or it is disabled. Enable it by "
        "visiting https://console.developers.google.com/apis/api/speech.googleapis.com/overview?project=1"
    )
    emulator.script(denial(message, "SERVICE_DISABLED"), status=403)
    assert upload(app).json["error"]["message"] == message


def test_an_answer_without_results_is_an_empty_text(app, emulator):
    emulator.script(b'{"metadata":{"totalBilledDuration":"3s"}}')
    assert upload(app).json == {"text": "", "usage": {"type": "duration", "seconds": 3}}
    emulator.script(b'{"metadata":{"totalBilledDuration":"3s"}}')
    assert upload(app, response_format="srt").text == ""


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"nothing"}',
        b'{"name":"projects/p/locations/us/operations/1","done":true,"response":{"results":{}}}',
    ],
)
def test_an_operation_without_name_or_result_is_a_bad_gateway(body):
    call = speech_to_text.UpstreamCall("recognizers/_:batchRecognize", {}, service="speech")
    with pytest.raises(errors.UpstreamFault):
        list(speech_to_text.response(json.loads(body), call))


def test_an_operation_is_not_polled_for_ever():
    call = speech_to_text.UpstreamCall("x", {}, service="speech", polls=speech_to_text.MAX_POLLS)
    with pytest.raises(errors.DeadlineExceeded):
        list(speech_to_text.response({"name": "projects/p/locations/us/operations/1"}, call))


def test_a_file_that_cannot_be_read_is_the_client_s():
    call = speech_to_text.UpstreamCall("x", {}, service="speech", polls=1)
    results = {"gs://b/o": {"error": {"code": 5, "message": "The object was not found."}}}
    with pytest.raises(errors.BadRequest, match="not found") as refused:
        list(speech_to_text.response({"done": True, "response": {"results": results}}, call))
    assert refused.value.param == "file"


# Locations


def located(name, location):
    model = model_names.resolve(name)
    pinned = speech_to_text.replace(model, locations=(location,), location_pinned=True)
    return speech_to_text.locate(pinned).locations


@pytest.mark.parametrize(
    ("name", "location", "locations"),
    [
        ("chirp_3", "us-central1", ("us",)),
        ("chirp_3", "europe-west4", ("eu",)),
        ("chirp_3", "asia-northeast1", ("asia-northeast1",)),
        ("chirp_2", "us-central1", ("us-central1",)),
        ("chirp_2", "global", ("us-central1", "europe-west4", "asia-southeast1")),
    ],
)
def test_a_recording_stays_where_the_operator_wants_it(name, location, locations):
    assert located(name, location) == locations


def test_a_location_without_the_model_is_a_400():
    with pytest.raises(errors.BadRequest, match=r"publishers\.speechtotext") as refused:
        located("chirp_2", "us-east1")
    assert refused.value.code == "location_not_supported"


def test_an_operation_is_read_in_its_own_location():
    path = "projects/1/locations/eu/operations/2"
    call = speech_to_text.UpstreamCall(path, {}, "v2", method="GET", service="speech")
    assert vertex.url(call, "a-project", "us", {}) == f"https://eu-speech.googleapis.com/v2/{path}"


def test_the_setting_of_the_publisher_selects_the_location(serve, tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text('location = "us-east1"\n[publishers.speechtotext]\nlocation = "eu"\n')
    with serve(VERTEX_COMPAT_CONFIG=str(path)).client() as client:
        raw = client.audio.transcriptions.with_raw_response.create(model="chirp_3", file=("a.wav", WAV))
    assert raw.headers["x-vertex-compat-target"].endswith("location=eu")


# Segments


def result(transcript, words, **more):
    return {"results": [{"alternatives": [{"transcript": transcript, "words": words}], **more}]}


def test_sentences_without_spaces_are_cut_from_the_text():
    words = [
        {"word": "今日は。", "endOffset": "1s"},
        {"word": "晴れ", "startOffset": "1s", "endOffset": "2s"},
    ]
    (fields,) = recognition.fields_of_results(result("今日は。晴れ", words, languageCode="ja-JP"))
    assert [segment["text"] for segment in fields["segments"]] == ["今日は。", "晴れ"]


def test_words_that_are_not_in_the_text_leave_it_whole():
    words = [{"word": "two"}, {"word": "words"}]
    (fields,) = recognition.fields_of_results(result("Twowords", words, resultEndOffset="2.5s"))
    assert fields["segments"] == [{"text": "Twowords", "end": 2.5, "language": None}]


@pytest.mark.parametrize(
    ("locale", "separator"), [("en-US", " "), ("ja-JP", ""), ("cmn-Hans-CN", ""), ("", " ")]
)
def test_sentences_are_joined_as_the_language_is_written(locale, separator):
    assert languages.separator(locale) == separator


@pytest.mark.parametrize("answer", [{}, {"results": None}, {"results": [None, {}, {"alternatives": [{}]}]}])
def test_answers_of_other_shapes_have_no_text(answer):
    assert list(recognition.fields_of_results(answer)) == []


# Speech


def test_litellm_s_name_of_the_chirp_voices_speaks(app, emulator):
    body = {"model": "vertex_ai/chirp", "input": "Hello", "voice": "kore"}
    assert app.post("/v1/audio/speech", json=body).status_code == 200
    assert emulator.calls[-1].json["voice"]["name"] == "en-US-Chirp3-HD-Kore"


def test_the_models_are_listed(plain):
    ids = {model.id for model in plain.models.list()}
    assert {"chirp_3", "chirp_2"} <= ids
    model = plain.models.retrieve("chirp_3")
    assert model.model_extra["operations"] == ["transcriptions"]


def test_chat_with_chirp_error_names_its_operation(plain):
    with pytest.raises(openai.NotFoundError, match="serves: transcriptions"):
        plain.chat.completions.create(model="chirp_3", messages=[{"role": "user", "content": "Hi"}])
