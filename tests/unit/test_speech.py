"""`/audio/speech`: what is written to a file plays."""

import base64
import io
import json
import struct
import sys
import wave

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertex_compat import vertex
from vertex_compat.operations.audio import encoder
from vertex_compat.publishers.text_to_speech import text_to_speech
from vertex_compat.routing import model_names

GEMINI = "gemini-3.8-flash-tts"
CLOUD = "vertex_ai/"


def speak(app, model=CLOUD, text="Hello", **more):
    return app.post("/v1/audio/speech", json={"model": model, "input": text, **more})


def frames_of_mp3(data):
    """MPEG-2 layer III, 64 kbit/s, 24 kHz: each frame begins where the one before ends."""
    places = range(0, len(data), 192)
    assert all(data[place : place + 2] == b"\xff\xf3" for place in places)
    return len(places)


def packets_of_ogg(data):
    """The packets in the pages of an Ogg file, their checksums checked."""
    packets = []
    while data:
        assert data[:4] == b"OggS"
        length = sum(data[27 : 27 + data[26]])
        end = 27 + data[26] + length
        page, data = bytearray(data[:end]), data[end:]
        checksum, page[22:26] = struct.unpack("<I", page[22:26])[0], bytes(4)
        assert checksum == crc(page)
        packets.append(bytes(page[-length:]))
    return packets


def crc(data):
    """Ogg's checksum, bit by bit."""
    value = 0
    for bit in (byte >> place & 1 for byte in data for place in range(7, -1, -1)):
        value = (value << 1) ^ (0x04C11DB7 if (value >> 31) ^ bit else 0)
        value &= 0xFFFFFFFF
    return value


def plays_as_wav(data):
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert file.getnframes() > 0
        assert len(file.readframes(file.getnframes())) == file.getnframes() * 2
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8


def plays_as_mp3(data):
    assert frames_of_mp3(data) > 0


def plays_as_opus(data):
    head, tags, *sound = packets_of_ogg(data)
    assert head.startswith(b"OpusHead\x01\x01")
    assert tags.startswith(b"OpusTags")
    assert sound


def plays_as_pcm(data):
    assert not data.startswith(b"RIFF")
    assert len(data) % 2 == 0


@pytest.mark.parametrize(
    ("model", "expected", "content_type", "plays"),
    [
        (CLOUD, None, "audio/mpeg", plays_as_mp3),
        (CLOUD, "mp3", "audio/mpeg", plays_as_mp3),
        (CLOUD, "opus", "audio/opus", plays_as_opus),
        (CLOUD, "wav", "audio/wav", plays_as_wav),
        (CLOUD, "pcm", "audio/pcm", plays_as_pcm),
        (GEMINI, "wav", "audio/wav", plays_as_wav),
        (GEMINI, "pcm", "audio/pcm", plays_as_pcm),
    ],
)
def test_audio_file_can_be_played(client, tmp_path, model, expected, content_type, plays):
    params = {"model": model, "voice": "alloy", "input": "Hello"} | (
        {"response_format": expected} if expected else {}
    )
    path = tmp_path / "speech"
    with client.audio.speech.with_streaming_response.create(**params) as answer:
        assert answer.headers["Content-Type"] == content_type
        answer.stream_to_file(path)
    plays(path.read_bytes())


@given(st.binary(max_size=64).map(lambda data: data * 2), st.integers(8000, 96_000))
@settings(max_examples=50, deadline=None)
def test_wav_files_hold_the_same_samples(samples, rate):
    with wave.open(io.BytesIO(encoder.encode(samples, "wav", rate))) as file:
        assert file.getframerate() == rate
        assert file.readframes(file.getnframes()) == samples


def seconds(data):
    """Return the duration of a file, by FFmpeg."""
    with av.open(io.BytesIO(data)) as file:
        return sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))


@pytest.mark.parametrize(
    ("response_format", "content_type"),
    [("mp3", "audio/mpeg"), ("opus", "audio/opus"), ("aac", "audio/aac"), ("flac", "audio/flac")],
)
@pytest.mark.parametrize("stream_format", [None, "audio", "sse"])
def test_gemini_s_samples_are_encoded(app, response_format, content_type, stream_format):
    more = {"stream_format": stream_format} if stream_format else {}
    answer = speak(app, GEMINI, response_format=response_format, **more)
    assert answer.status_code == 200
    data = answer.data
    if stream_format == "sse":
        *deltas, done = events(answer)
        assert done["type"] == "speech.audio.done"
        assert done["usage"]["output_tokens"] == 25
        data = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    else:
        assert answer.mimetype == content_type
    assert seconds(data) == pytest.approx(0.1, abs=0.08)  # the codecs pad


@pytest.mark.parametrize(("response_format", "start"), [("wav", b"RIFF\xff\xff\xff\xff"), ("pcm", bytes(8))])
def test_samples_are_streamed_as_they_come(app, emulator, response_format, start):
    answer = speak(app, GEMINI, response_format=response_format, stream_format="audio")
    assert answer.data.startswith(start)
    assert len(answer.data) == 4800 + (44 if response_format == "wav" else 0)
    assert emulator.calls[-1].path.endswith(":streamGenerateContent")


def test_a_cut_stream_of_events_ends_with_an_error(app):
    answer = speak(app, "gemini-emulator-end-1-tts", stream_format="sse", response_format="pcm")
    *_, last = events(answer)
    assert "error" in last


def test_without_an_encoder_gemini_answers_wav(app, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    assert speak(app, GEMINI).mimetype == "audio/wav"
    refused = speak(app, GEMINI, response_format="mp3")
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "response_format")
    assert "package 'av'" in refused.json["error"]["message"]


@pytest.mark.parametrize(("form", "mime"), [("aac", "audio/aac"), ("flac", "audio/flac")])
def test_a_format_that_cloud_lacks_is_converted(client, emulator, form, mime):
    answer = client.audio.speech.create(model=CLOUD, voice="alloy", input="Hello", response_format=form)
    assert answer.response.headers["content-type"] == mime
    assert seconds(answer.content) == pytest.approx(0.1, abs=0.08)
    assert emulator.calls[-1].json["audioConfig"] == {"audioEncoding": "LINEAR16"}


def test_a_format_that_cloud_lacks_is_a_400_without_an_encoder(app, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    error = speak(app, response_format="aac").json["error"]
    assert error["param"] == "response_format"
    assert "package 'av'" in error["message"]


LONG = {
    "sentences": "Это длинный текст. " * 215,
    "words": "слово " * 680,
    "no space": "字" * 4096,
}
"""Texts of OpenAI's 4,096 characters at most, and of more than the 5,000 bytes of a call."""


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
@pytest.mark.parametrize(
    ("form", "plays"), [("mp3", plays_as_mp3), ("wav", plays_as_wav), ("pcm", plays_as_pcm)]
)
def test_a_long_text_is_spoken_in_pieces(app, emulator, text, form, plays):
    answer = speak(app, text=text, response_format=form)
    pieces = [call.json["input"]["text"] for call in emulator.calls]
    assert len(pieces) >= 2
    assert sorted("".join(pieces)) == sorted(text)  # the calls are made side by side
    assert all(len(piece.encode()) <= 5000 for piece in pieces)
    plays(answer.data)
    if form == "pcm":
        assert len(answer.data) == len(pieces) * 4800


def test_pieces_of_a_text_end_with_a_sentence():
    text = LONG["sentences"]
    calls = text_to_speech.request({"input": text}, model_names.resolve(CLOUD))
    pieces = [call.body["input"]["text"] for call in calls]
    assert "".join(pieces) == text
    assert all(piece.endswith(". ") for piece in pieces)


def test_pieces_of_wav_are_one_file(app, emulator):
    answer = speak(app, text=LONG["words"], response_format="wav")
    with wave.open(io.BytesIO(answer.data)) as file:
        assert file.getnframes() == len(emulator.calls) * 2400


def test_a_text_without_end_is_a_400(app, emulator):
    answer = speak(app, text="a" * 50_001)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "input")
    assert not emulator.calls


@pytest.mark.parametrize(
    ("voice", "name"),
    [({"name": "en-GB-Studio-B"}, "en-GB-Studio-B"), ({"id": "en-GB-Studio-B"}, "en-GB-Studio-B")],
)
def test_a_voice_without_its_language_has_it_in_its_name(app, emulator, voice, name):
    assert speak(app, voice=voice).status_code == 200
    assert emulator.calls[-1].json["voice"] == {"languageCode": "en-GB", "name": name}


@pytest.mark.parametrize("model", [CLOUD, GEMINI])
def test_values_that_change_nothing_are_not_named(app, model):
    assert "x-vertex-compat-ignored" not in speak(app, model, speed=1, instructions="").headers


def test_newer_models_get_the_style_in_its_own_field(app, emulator):
    speak(app, "gemini-3.8-flash-tts", voice="alloy", instructions="Cheerfully.")
    assert emulator.calls[-1].json["contents"][0]["parts"] == [
        {"text": "Hello", "speechMetadata": {"style": "Cheerfully."}}
    ]
    assert emulator.calls[-1].json["generationConfig"]["speechConfig"] == {"voiceConfig": {"voice": "Kore"}}


def events(answer):
    """The events of a stream, without comments."""
    lines = [event for event in answer.text.split("\n\n") if event.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


@pytest.mark.parametrize("model", [CLOUD, "vertex_ai/test", "vertex_ai/en-US-Studio"])
def test_cloud_text_to_speech_has_no_models(app, emulator, model):
    assert speak(app, model, voice={"languageCode": "en-GB", "name": "en-GB-Studio-B"}).status_code == 200
    assert emulator.calls[-1].path == "/v1/text:synthesize"
    assert emulator.calls[-1].json == {
        "input": {"text": "Hello"},
        "voice": {"languageCode": "en-GB", "name": "en-GB-Studio-B"},
        "audioConfig": {"audioEncoding": "MP3"},
    }


@pytest.mark.parametrize(
    ("voice", "voice_name"),
    [
        (None, "en-US-Studio-O"),
        ("alloy", "en-US-Studio-O"),
        ("Fable", "en-GB-Studio-B"),
        ({"id": "echo"}, "en-US-Studio-M"),
        ("de-DE-Wavenet-F", "de-DE-Wavenet-F"),
        ("kore", "en-US-Chirp3-HD-Kore"),
    ],
)
def test_a_voice_has_many_names(app, emulator, voice, voice_name):
    assert speak(app, **({"voice": voice} if voice else {})).status_code == 200
    assert emulator.calls[-1].json["voice"] == {"languageCode": voice_name[:5], "name": voice_name}


@pytest.mark.parametrize(
    ("text", "more", "kind"),
    [
        ("<speak>Hello</speak>", {}, "ssml"),
        ('\n<speak version="1.1">Hello</speak>\n', {}, "ssml"),
        ("I <speaker>", {}, "text"),
        ("<speak>Hello</speak>", {"use_ssml": True}, "ssml"),
        ("Hello", {"use_ssml": False}, "text"),
    ],
)
def test_ssml_is_recognized(app, emulator, text, more, kind):
    assert speak(app, text=text, **more).status_code == 200
    assert emulator.calls[-1].json["input"] == {kind: text}


def test_ssml_can_be_forced(app, emulator):
    assert speak(app, use_ssml=True).status_code == 400  # Google's own: it is none
    assert emulator.calls[-1].json["input"] == {"ssml": "Hello"}


def test_google_s_own_settings_go_first(app, emulator):
    config = {"audioEncoding": "LINEAR16", "pitch": -2, "speakingRate": 0.5}
    answer = speak(app, audioConfig=config, speed=1.5, response_format="mp3", instructions="Cheerfully")
    assert answer.mimetype == "audio/wav"
    assert answer.headers["x-vertex-compat-ignored"] == "instructions"
    assert emulator.calls[-1].json["audioConfig"] == config


def test_gemini_before_3_8_reads_the_style_before_the_text(app, emulator):
    answer = speak(app, "gemini-2.5-flash-tts", voice="shimmer", instructions="Speak cheerfully.", speed=2)
    assert answer.headers["x-vertex-compat-ignored"] == "speed"
    assert emulator.calls[-1].json == {
        "contents": [{"role": "user", "parts": [{"text": "Speak cheerfully: Hello"}]}],
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Zephyr"}}},
        },
    }


def test_a_stream_of_events_holds_the_file(app):
    delta, done = events(speak(app, CLOUD, stream_format="sse", response_format="wav"))
    assert (delta["type"], done["type"]) == ("speech.audio.delta", "speech.audio.done")
    plays_as_wav(base64.b64decode(delta["audio"]))
    assert done["usage"].keys() == {"input_tokens", "output_tokens", "total_tokens"}


@pytest.mark.parametrize(
    ("params", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": "<speak>" + "a" * 6000 + "</speak>"}, 400, None),
        ({"voice": {}}, 400, "voice"),
        ({"voice": "Nobody"}, 400, "voice"),
        ({"voice": ["alloy"]}, 400, "voice"),
        ({"voice": {"languageCode": "en-UK", "name": "en-US-Studio-O"}}, 400, None),
        ({"speed": 5}, 400, "speed"),
        ({"speed": 3}, 400, "speed"),
        ({"response_format": "midi"}, 400, "response_format"),
        ({"audioConfig": {"audioEncoding": "LINEAR22", "speakingRate": "10"}}, 400, None),
        ({"model": GEMINI, "voice": "Nobody"}, 400, "voice"),
        ({"model": "claude-sonnet-5-5"}, 404, "model"),
    ],
)
def test_invalid_parameter_is_named(app, params, status, param):
    answer = app.post("/v1/audio/speech", json={"model": CLOUD, "input": "Hello", **params})
    assert (answer.status_code, answer.json["error"]["param"]) == (status, param), answer.text


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "texttospeech.googleapis.com"),
        ("eu", "eu-texttospeech.googleapis.com"),
        ("us-central1", "us-texttospeech.googleapis.com"),
        ("asia-northeast1", "asia-northeast1-texttospeech.googleapis.com"),
    ],
)
def test_a_text_stays_where_the_operator_wants_it(location, host):
    (call,) = text_to_speech.request({"input": "Hello"}, model_names.resolve(CLOUD))
    assert vertex.url(call, "a-project", location, {}) == f"https://{host}/v1/text:synthesize"


def test_an_alias_makes_openai_s_names_work(serve, tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text('[models.tts-1]\ntarget = "vertex_ai/"\n')
    with serve(VERTEX_COMPAT_CONFIG=str(path)).client() as client:
        plays_as_mp3(client.audio.speech.create(model="tts-1", voice="alloy", input="Hello").content)


def test_an_answer_without_a_sound_is_a_bad_gateway(app, emulator):
    emulator.script(b'{"candidates":[{"finishReason":"OTHER"}]}')
    assert speak(app, GEMINI).status_code == 502
