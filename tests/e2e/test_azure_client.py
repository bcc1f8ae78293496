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


@pytest.fixture
def client(serve):
    server = serve(VERTEX_COMPAT_API_KEYS=f"azure:{KEY}")
    options = {"azure_endpoint": server.url, "api_version": "2026-10-01", "max_retries": 0}
    with openai.AzureOpenAI(api_key=KEY, **options) as client:
        yield client


@pytest.mark.parametrize("publisher", ["google", "anthropic", "openapi"])
def test_deployment_chats(client, publisher):
    answer = client.chat.completions.create(model=MODELS[publisher], messages=MESSAGES)

    assert answer.choices[0].message.content
    assert answer.model == MODELS[publisher]


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
