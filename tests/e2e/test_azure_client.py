"""Azure's client of OpenAI's SDK, whose paths name the model as a deployment."""

import openai
import pytest
from helpers.fixtures import MODELS
from helpers.server import KEY

MESSAGES = [{"role": "user", "content": "Say hello."}]
WAV = (
    b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
    b"\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00"
)


def azure(url, **options):
    endpoint = str(url).partition("/openai")[0]
    return openai.AzureOpenAI(azure_endpoint=endpoint, api_version="2026-10-01", max_retries=0, **options)


@pytest.fixture
def client(serve):
    with azure(serve(VERTEX_COMPAT_API_KEYS=f"azure:{KEY}").url, api_key=KEY) as client:
        yield client


@pytest.mark.parametrize("publisher", ["google", "anthropic", "openapi"])
def test_deployment_chats(client, publisher):
    answer = client.chat.completions.create(model=MODELS[publisher], messages=MESSAGES)

    assert answer.choices[0].message.content
    assert answer.model == MODELS[publisher]


@pytest.mark.parametrize(
    "name",
    [
        "vertex_ai/xai/grok-4.7",
        "publishers/google/models/gemini-3.8-flash",
        "projects/emulated-project/locations/us-central1/endpoints/1234567890",
    ],
)
def test_deployment_of_several_segments_chats(client, name):
    answer = client.chat.completions.create(model=name, messages=MESSAGES)

    assert answer.model == name


def test_deployment_of_the_client_completes(client):
    with azure(client.base_url, api_key=KEY, azure_deployment="codestral-2") as named:
        answer = named.completions.create(model="ignored", prompt="def f(", suffix="return x")

    assert "def f(" in answer.choices[0].text


def test_deployment_draws_and_speaks(client):
    assert client.images.generate(model="gpt-image-1", prompt="A cat").data
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hello").content


def test_responses_and_models_need_no_deployment(client):
    assert client.responses.create(model=MODELS["google"], input="Hello").output_text
    assert MODELS["google"] in {model.id for model in client.models.list()}


def test_token_of_entra_id_is_a_key_too(client):
    with azure(client.base_url, azure_ad_token=KEY) as other:
        assert other.chat.completions.create(model=MODELS["google"], messages=MESSAGES).choices


def test_deployment_streams(client):
    stream = client.chat.completions.create(model=MODELS["google"], messages=MESSAGES, stream=True)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_deployment_embeds(client):
    answer = client.embeddings.create(model="gemini-embedding-001", input="Hello")

    assert answer.data[0].embedding


def test_deployment_transcribes(client):
    sound = ("hello.wav", WAV + b"data\x04\x00\x00\x00\x00\x00\x00\x00")
    answer = client.audio.transcriptions.create(model="whisper-1", file=sound)

    assert answer.text


def test_wrong_key_is_refused(client):
    with pytest.raises(openai.AuthenticationError):
        client.copy(api_key="wrong-key-0123456789").chat.completions.create(
            model=MODELS["google"], messages=MESSAGES
        )
