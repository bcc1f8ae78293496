"""Models that the user has deployed in containers without OpenAI's wire: an endpoint's `predict`.

https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions. Every Model Garden container takes
a `prompt`, so that is what is sent. One that has a chat template is sent messages if the body says
`"@requestFormat": "chatCompletions"`. `predict` does not stream and counts no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.publishers import chat_messages, parameters
from vertex_compat.publishers.chat_messages import Turn
from vertex_compat.publishers.openai_compat import deployed_embeddings, maas, openai_request, openai_response
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import (
    JSON,
    ChatAdapter,
    Delta,
    Model,
    Publisher,
    StreamPart,
    StreamTranslator,
    UpstreamCall,
)

PARAMETERS: Final = ParameterTable(
    renamed={
        name: name for name in ("frequency_penalty", "presence_penalty", "temperature", "top_k", "top_p")
    },
    handled=frozenset({"max_completion_tokens", "max_tokens", "messages", "n", "stop"}),
    ignored=openai_request.NEVER_SENT
    | {
        "logit_bias",
        "logprobs",
        "parallel_tool_calls",
        "prediction",
        "reasoning_effort",
        "seed",
        "top_logprobs",
    },
    refused=frozenset(
        {
            "audio",
            "function_call",
            "functions",
            "modalities",
            "response_format",
            "tool_choice",
            "tools",
            "web_search_options",
        }
    ),
    pass_unknown=True,
)

FORMAT: Final = "@requestFormat"
CHAT_FORMAT: Final = "chatCompletions"

_ECHO: Final = "Prompt:\n{}\nOutput:\n"
_OUTPUT: Final = "\nOutput:\n"


def request(body: JSON, model: Model) -> UpstreamCall:
    """OpenAI's body → one instance."""
    if body.get(FORMAT) == CHAT_FORMAT:
        call = maas.request({key: value for key, value in body.items() if key != "stream"}, model)
        instance = {FORMAT: CHAT_FORMAT, **call.body}
        del instance["model"]
    else:
        sent, ignored = PARAMETERS.apply(body)
        turns = chat_messages.read(body["messages"])
        chat_messages.reject_media(turns)
        instance = {"prompt": prompt(turns), **sent, **_limits(body)}
        call = UpstreamCall("", {}, ignored=tuple(ignored))
    return replace(call, path=f"{model.resource}:predict", version="v1", body={"instances": [instance]})


def _limits(body: JSON) -> JSON:
    given: JSON = {"max_tokens": parameters.max_tokens(body), "stop": parameters.stop(body)}
    return {name: value for name, value in given.items() if value}


def prompt(turns: Iterable[Turn]) -> str:
    """A lone question as it is, anything longer as a dialogue that the model goes on with."""
    said = [(turn.role, "\n".join(_lines(turn))) for turn in turns]
    if [role for role, _ in said] == ["user"]:
        return said[0][1]
    return "\n\n".join([*(f"{role}: {text}" for role, text in said), "assistant:"])


def _lines(turn: Turn) -> list[str]:
    """The texts of a turn, those of its results included."""
    return chat_messages.texts(
        inner
        for part in turn.parts
        for inner in (part.parts if isinstance(part, chat_messages.Result) else [part])
    )


def response(body: JSON, call: UpstreamCall) -> Iterator[StreamPart]:
    """The pieces of an answer."""
    predictions = body.get("predictions")
    if errors.is_error(predictions):
        raise errors.from_body(200, predictions)
    if isinstance(predictions, dict):
        yield from openai_response.response(predictions, call)
        return
    asked = call.body["instances"][0].get("prompt", "")
    yield Delta(0, {"content": without_echo(_text(predictions), asked)}, "stop")


def _text(prediction: Any) -> str:
    """The first text, whichever way the container wraps it."""
    match prediction:
        case str(text) | {"generated_text": str(text)} | {"content": str(text)} | {"text": str(text)}:
            return text
        case [first, *_]:
            return _text(first)
    raise errors.UpstreamFault("The endpoint answered something that is not a text.")


def without_echo(text: str, asked: str) -> str:
    """The answer without the prompt that vLLM's container repeats in front of it."""
    if text.startswith(echo := _ECHO.format(asked)):
        return text[len(echo) :]
    return text.partition(_OUTPUT)[2] if text.startswith("Prompt:") and _OUTPUT in text else text


def stream(call: UpstreamCall) -> StreamTranslator:
    """A stream is one whole answer: `predict` has no other."""
    return lambda event: response(event, call)


PUBLISHER: Final = Publisher(
    "predictions", chat=ChatAdapter(request, response, stream), embeddings=deployed_embeddings.EMBEDDINGS
)
