"""Requests through OpenAI's client, and what comes back."""

import http.client

import openai
import pytest

WORDS = "茴香豆的“茴”字有几种写法？ 👩‍👩‍👧‍👦 Größe"


def ask(client, model, words=WORDS, **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": words}], **more)


def joined(stream, index=0):
    """The text, the finish reason and the usage of one choice of a stream."""
    text, reasons, usage = "", [], None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            if choice.index == index:
                text += choice.delta.content or ""
                reasons += [choice.finish_reason] if choice.finish_reason else []
    return text, reasons, usage


def named(publisher, fault):
    """A model that makes the emulator misbehave."""
    return {
        "google": "gemini-emulator-{}",
        "anthropic": "claude-emulator-{}",
        "mistralai": "mistral-emulator-{}",
        "ai21": "jamba-emulator-{}",
        "openapi": "meta/emulator-{}-maas",
        "endpoints": "endpoints/emulator-{}",
    }[publisher].format(fault)


def get(server, path, method="GET", **headers):
    """Status, headers and body of a plain request."""
    line = http.client.HTTPConnection(*server.address, timeout=10)
    try:
        line.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = line.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        line.close()


def failed(client, model, *, stream=False, **more):
    """The error that the client raises before the first byte of an answer, fully checked."""
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, model, stream=stream, **more)
    error = caught.value
    assert error.response.headers["content-type"] == "application/json"
    is_clean(error.response.text)
    inner = error.response.json()["error"]
    assert inner.keys() == {"message", "type", "param", "code"}
    assert inner["message"]
    return error


def is_clean(text):
    """Nothing of our insides in what a client sees."""
    for inside in (
        "Traceback",
        'File "',
        "ya29",
        "Bearer ",
        "127.0.0.1",
        "computeMetadata",
        "urllib3",
        "Max retries",
    ):
        assert inside not in text
