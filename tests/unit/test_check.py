"""`python main.py --check`: a row for each target and service, with error and remedy."""

import base64
import io
import json
import subprocess
import sys
import wave

import pytest
from google.auth import exceptions
from helpers.server import ROOT, EmulatorCredentials, bare_environment

from vertex_compat import check
from vertex_compat.config.settings import Settings
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.transport import HttpTransport


@pytest.fixture
def rows(emulator, tmp_path):
    """Runs the check with a settings file, and returns target → row."""

    def run(*names, text="", **env):
        path = tmp_path / "vertex_compat.toml"
        path.write_text(text)
        places = {name: value for name, value in emulator.env.items() if not name.startswith("GCE_")}
        settings = Settings.from_env(places | {"VERTEX_COMPAT_CONFIG": str(path)} | env)
        credentials = Credentials(find=lambda: (EmulatorCredentials(emulator), emulator.project))
        results = check.run(settings, HttpTransport(settings, credentials), credentials, names)
        return {row.target: row for row in results}

    return run


def test_named_models_are_called_once_each(rows, emulator):
    results = rows("gemini-3.8-flash", "claude-opus-5-5", "gemini-embedding-001")

    assert {row.result for row in results.values()} == {"ok"}
    assert len([call for call in emulator.calls if call.method == "POST"]) == 3


def test_models_of_the_settings_file_are_called_at_every_target(rows):
    targets = '[{ model = "gemini-3.8-flash", location = "eu" }]'
    text = f'[models.fast]\ntargets = {targets}\nfallbacks = ["mistral-medium-3"]'
    results = rows(text=text)

    assert results["fast → gemini-3.8-flash"].location == "eu"
    assert results["fast → mistral-medium-3"].result == "ok"


def test_without_models_one_is_called(rows):
    assert rows()["gemini-3.8-flash"].result == "ok"


def test_bucket_is_read(rows):
    results = rows(GCS_BUCKET_NAME="emulated-bucket")

    assert results["gs://emulated-bucket"].result == "ok"


@pytest.mark.parametrize(
    ("model", "status", "help_"),
    [
        ("gemini-emulator-status-403", "403", "--role=roles/aiplatform.user"),
        ("gemini-emulator-status-404", "404", "Model Garden"),
        ("gemini-emulator-status-429", "429", "quota"),
    ],
)
def test_error_is_shown_with_its_remedy(rows, model, status, help_):
    row = rows(model)[model]

    assert row.failed
    assert row.result.startswith(status)
    assert help_ in row.help
    assert help_ in check.table([row])


def test_costly_model_is_skipped_and_unknown_one_fails(rows):
    results = rows("gemini-3.1-flash-image", "nope")

    assert results["gemini-3.1-flash-image"].result.startswith("skipped")
    assert not results["gemini-3.1-flash-image"].failed
    assert results["nope"].failed


def test_credentials_that_fail_end_the_check():
    def find():
        raise exceptions.DefaultCredentialsError("none here")

    settings = Settings()
    credentials = Credentials(find=find)
    (row,) = check.run(settings, HttpTransport(settings, credentials), credentials, ["gemini-3.8-flash"])

    assert (row.target, row.failed) == ("credentials", True)


def test_redis_that_is_away_is_an_error(rows, tmp_path):
    results = rows("gemini-3.8-flash", VERTEX_COMPAT_REDIS_URL=f"unix://{tmp_path}/none")

    assert results["Redis"].result.startswith("unavailable")


def test_services_are_called_by_the_names_that_need_them(rows, emulator):
    results = rows("tts-1", "gemini-3.8-flash-tts", "semantic-ranker-default-004", "omni-moderation-latest")

    assert {row.result for row in results.values()} == {"ok"}
    assert [call.path.rpartition(":")[2] for call in emulator.calls if call.method == "POST"] == [
        "synthesize",
        "generateContent",
        "rank",
        "moderateText",
    ]


def test_transcription_models_hear_silence(rows, emulator):
    results = rows("chirp_3", "gemini-3.5-transcribe")

    assert {row.result for row in results.values()} == {"ok"}
    audio = next(call.json["content"] for call in emulator.calls if call.path.endswith(":recognize"))
    with wave.open(io.BytesIO(base64.b64decode(audio))) as file:
        assert file.getnframes() / file.getframerate() == 0.1


def test_model_that_no_set_location_serves_is_an_error(rows):
    row = rows("chirp_2", text='location = "us-east1"')["chirp_2"]

    assert row.failed
    assert "not served in 'us-east1'" in row.result


def test_alias_of_text_to_speech_is_called(rows):
    assert rows(text='[models.voice]\ntarget = "vertex_ai/"')["voice → Text-to-Speech"].result == "ok"


def test_each_model_armor_template_is_called_once(rows):
    template = "projects/emulated-project/locations/us/templates"
    text = f'model_armor = "{template}/strict"\n[keys.a]\nmodel_armor = "{template}/strict"\n'
    text += f'[keys.b]\nmodel_armor = "{template}/lax"\n'
    keys = "a:sk-a-0123456789abcdef,b:sk-b-0123456789abcdef"
    results = rows("gemini-3.8-flash", text=text, VERTEX_COMPAT_API_KEYS=keys)

    assert {name: row.result for name, row in results.items() if name.startswith("Model Armor")} == {
        "Model Armor strict": "ok",
        "Model Armor lax": "ok",
    }


def test_api_that_is_disabled_is_enabled_by_the_help(rows, emulator):
    message = "Cloud Natural Language API has not been used in project 1 before or it is disabled."
    error = {"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}}
    emulator.script(json.dumps(error).encode(), status=403)
    (row,) = [row for name, row in rows("omni-moderation-latest").items() if "Language" in name]

    assert row.help == "gcloud services enable language.googleapis.com"


def test_emulator_stands_for_every_service():
    names = ["gemini-3.8-flash", "tts-1", "semantic-ranker-default-004", "omni-moderation-latest"]
    command = [sys.executable, "main.py", "--emulator", "--check", *names]
    run = subprocess.run(
        command, check=False, cwd=ROOT, env=bare_environment(), capture_output=True, text=True, timeout=60
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert [line.split()[-1] for line in run.stdout.splitlines()] == ["ok"] * 6
