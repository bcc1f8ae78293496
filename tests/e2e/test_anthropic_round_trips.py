"""Answers of other publishers than Anthropic, and what comes back of them in the next request."""

import anthropic
import pytest

from vertex_compat.emulator.protocol.model_request import signature

GEMINI = "gemini-3.8-flash"
MISTRAL = "mistral-medium-3"
DEPLOYED = "endpoints/1234567890"
DEPLOYED_REASONING = "endpoints/9000567890"

streamed_or_not = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def sdk(front_door):
    with anthropic.Anthropic(base_url=front_door.url, api_key="sk-test", max_retries=0) as client:
        yield client


def answer(client, *, streamed, **params):
    params = {"max_tokens": 4000, "messages": [{"role": "user", "content": "Hello"}]} | params
    if not streamed:
        return client.messages.create(**params)
    with client.messages.stream(**params) as stream:
        return stream.get_final_message()


@streamed_or_not
@pytest.mark.parametrize("model", [DEPLOYED, DEPLOYED_REASONING])
def test_stop_sequence_that_the_server_names(sdk, model, streamed):
    message = answer(sdk, streamed=streamed, model=model, stop_sequences=["never", "opinion"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "opinion")
    assert message.content[-1].text.endswith("has no ")


@streamed_or_not
@pytest.mark.parametrize("model", [GEMINI, MISTRAL, DEPLOYED])
def test_end_that_no_stop_sequence_made(sdk, model, streamed):
    stop = "never" if model == DEPLOYED else "opinion"
    message = answer(sdk, streamed=streamed, model=model, stop_sequences=[stop])
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)


THINK = {"thinking": {"type": "enabled", "budget_tokens": 2000}}


def test_gemini_gets_the_signature_of_its_text_back(sdk, emulator):
    messages = [{"role": "user", "content": "Hello"}]
    first = answer(sdk, streamed=False, model=GEMINI, messages=messages, **THINK)
    assert [block.type for block in first.content] == ["thinking", "thinking", "text"]
    assert not first.content[0].thinking
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": "Go on"}]
    answer(sdk, streamed=False, model=GEMINI, messages=messages, **THINK)
    text = first.content[2].text
    assert emulator.calls[-1].json["contents"][1] == {
        "role": "model",
        "parts": [{"text": text, "thoughtSignature": signature(text)}],
    }


@streamed_or_not
@pytest.mark.parametrize("options", [{}, THINK], ids=["plain", "thinking"])
def test_the_last_block_is_the_answer(sdk, streamed, options):
    """Claude Code prints it, and nothing where it is no text."""
    message = answer(sdk, streamed=streamed, model=GEMINI, **options)
    assert message.content[-1].text.startswith("You said: Hello")


@streamed_or_not
def test_no_signature_comes_unasked(sdk, streamed):
    message = answer(sdk, streamed=streamed, model=GEMINI)
    assert [block.type for block in message.content] == ["text"]
