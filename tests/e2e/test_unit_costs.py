"""Costs of requests that are not paid by tokens: told, logged, and counted against budgets."""

import base64
import io
import json

import pytest
from helpers.server import app_with_emulator

KEY = "sk-limited-0123456789"
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 40).decode()
PDF = "data:application/pdf;base64," + base64.b64encode(b"one\ftwo").decode()
MP4 = "data:video/mp4;base64," + base64.b64encode(b"\0\0\0\x18ftypmp42" + b"0" * 40).decode()

PICTURE = {"image": {"bytesBase64Encoded": PNG.partition(",")[2]}}

SPEECH = {"model": "tts-1", "input": "Hello there", "response_format": "wav"}
VIDEO = {"model": "veo-3.1-generate-preview", "prompt": "A wave", "seconds": "4"}

PAID = {
    "speech with a Studio voice": (
        "audio/speech",
        SPEECH | {"voice": "alloy"},
        11 * 160e-6,
        {"characters": 11},
    ),
    "speech with a Chirp voice": ("audio/speech", SPEECH | {"voice": "kore"}, 11 * 30e-6, {"characters": 11}),
    "music": ("audio/speech", {"model": "lyria-002", "input": "A waltz"}, 0.06, {"items": 1}),
    "music by generateContent": (
        "audio/speech",
        {"model": "lyria-3-clip-preview", "input": "A waltz"},
        0.04,
        {"items": 1},
    ),
    "rerank": (
        "rerank",
        {"model": "semantic-ranker-default-004", "query": "a", "documents": ["a"] * 201},
        0.002,
        {"items": 2},
    ),
    "moderation": ("moderations", {"input": ["a" * 101, "b"]}, 0.0015, {"items": 3}),
    "embedding": (
        "embeddings",
        {"model": "multimodalembedding", "input": ["a cat", PNG]},
        0.0001 + 5 * 0.2e-6,
        {"characters": 5, "image_inputs": 1},
    ),
    "document": (
        "ocr",
        {"model": "mistral-ocr-2505", "document": {"type": "document_url", "document_url": PDF}},
        0.001,
        {"pages": 2},
    ),
    "virtual try-on": (
        "projects/emulated-project/locations/us-central1/publishers/google/models/virtual-try-on-001:predict",
        {
            "instances": [{"personImage": PICTURE, "productImages": [PICTURE]}],
            "parameters": {"sampleCount": 2},
        },
        0.12,
        {"images": 2},
    ),
    "video": ("videos", VIDEO, 1.6, {"seconds": 4}),
    "video in 4k": ("videos", VIDEO | {"size": "2160x3840"}, 2.4, {"seconds": 4}),
}


@pytest.fixture
def limited(emulator, tmp_path):
    """Makes the function with one key and a budget in US dollars."""

    def make(budget):
        path = tmp_path / "vertex_compat.toml"
        path.write_text(f"single_instance = true\n[keys.alice]\nbudget_usd = {budget}\n")
        return app_with_emulator(
            emulator,
            VERTEX_COMPAT_CONFIG=str(path),
            VERTEX_COMPAT_API_KEYS=f"alice:{KEY}",
            K_SERVICE="vertex-compat",
            GCS_BUCKET_NAME="emulated-bucket",
        )

    return make


def post(app, path, body):
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    return app.post(f"/v1/{path}", data=json.dumps(body).encode(), headers=headers)


@pytest.mark.parametrize(("path", "body", "cost", "units"), PAID.values(), ids=PAID)
def test_unit_cost_is_in_the_header_and_the_log(limited, capfd, path, body, cost, units):
    answer = post(limited(5), path, body)
    answer.close()
    (line,) = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]

    assert answer.status_code == 200, answer.text
    assert float(answer.headers["x-vertex-compat-cost-usd"]) == pytest.approx(cost)
    assert (line["cost_usd"], line["units"]) == (pytest.approx(cost), units)


@pytest.mark.parametrize(("path", "body", "cost", "units"), PAID.values(), ids=PAID)
def test_unit_cost_is_reserved_and_settled(limited, path, body, cost, units):
    """The budget is for two and a half requests; the pages are unknown before the response."""
    reserve = 0.015 - cost if "pages" in units else 0
    app = limited(2.5 * cost + reserve)
    statuses = []
    for _ in range(3):
        answer = post(app, path, body)
        answer.close()
        statuses.append(answer.status_code)

    assert statuses == [200, 200, 429]


SECOND = 0.016 / 60
"""US dollars of a second of Speech-to-Text."""


def transcribe(app, **fields):
    file = (io.BytesIO(b"RIFF\x24\x00\x00\x00WAVEfmt "), "a.wav")
    form = {"model": "chirp_3", "file": file, **fields}
    headers = {"Authorization": f"Bearer {KEY}"}
    return app.post("/v1/audio/transcriptions", data=form, headers=headers)


@pytest.mark.parametrize("stream", ["false", "true"])
def test_seconds_of_a_recording_are_logged(limited, capfd, stream):
    answer = transcribe(limited(5), stream=stream)
    assert "Good morning" in answer.text
    answer.close()
    (line,) = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    assert line["units"] == {"seconds": 5}
    assert line["cost_usd"] == pytest.approx(5 * SECOND, rel=0.001)


def test_seconds_of_recordings_use_up_a_budget(limited):
    app = limited(12 * SECOND)  # a recording has five seconds, of which one is estimated before
    statuses = []
    for _ in range(4):
        answer = transcribe(app)
        answer.close()
        statuses.append(answer.status_code)

    assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("audio/speech", SPEECH | {"voice": "en-US-Casual-K"}),
        ("embeddings", {"model": "multimodalembedding", "input": ["a cat", MP4]}),
        ("videos", VIDEO | {"generate_audio": False}),
        ("responses", {"model": "gemini-3.8-flash", "input": "Hi", "background": True}),
    ],
)
def test_unknown_cost_is_refused_to_a_budget(limited, emulator, path, body):
    answer = post(limited(5), path, body)

    assert (answer.status_code, answer.json["error"]["code"]) == (403, "permission_denied")
    assert not emulator.calls
