"""Deployed models in containers without OpenAI's chat API: an endpoint's `predict`.

https://cloud.google.com/vertex-ai/docs/predictions/get-online-predictions. Every Model Garden container takes
a `prompt`, so that is what is sent. One that has a chat template is sent messages if the request says
`"@requestFormat": "chatCompletions"`. `predict` does not stream and counts no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.publishers import chat_messages, parameters
from vertex_compat.publishers.chat_messages import Turn
from vertex_compat.publishers.openai_compat import maas, openai_request, openai_response
from vertex_compat.publishers.parameters import ParameterTable
from vertex_compat.types import JSON, ChatAdapter, Delta, Model, StreamPart, StreamTranslator, UpstreamCall

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
_MAX_DEPTH: Final = 5


def request(params: JSON, model: Model) -> UpstreamCall:
    """Translate OpenAI's chat parameters into one instance."""
    if params.get(FORMAT) == CHAT_FORMAT:
        call = maas.request({name: value for name, value in params.items() if name != "stream"}, model)
        instance = {FORMAT: CHAT_FORMAT, **call.body}
        del instance["model"]
    else:
        instance, ignored = PARAMETERS.apply(params)
        turns = openai_request.without_result_media(chat_messages.read(params["messages"]))
        chat_messages.reject_media(turns)
        instance |= {"prompt": prompt(turns), **_limits(params)}
        ignored = [*ignored, *chat_messages.unread_reasoning(params["messages"])]
        call = UpstreamCall("", {}, ignored=tuple(ignored))
    return replace(call, path=f"{model.resource}:predict", version="v1", body={"instances": [instance]})


def _limits(params: JSON) -> JSON:
    limits = {"max_tokens": parameters.max_tokens(params), "stop": parameters.stop(params)}
    return {name: value for name, value in limits.items() if value}


def prompt(turns: Iterable[Turn]) -> str:
    """Return one question as it is, a longer conversation as a dialogue to continue."""
    lines = [(turn.role, "\n".join(_texts(turn))) for turn in turns]
    if [role for role, _ in lines] == ["user"]:
        return lines[0][1]
    return "\n\n".join([*(f"{role}: {text}" for role, text in lines), "assistant:"])


def _texts(turn: Turn) -> list[str]:
    """Return the texts of a turn, those in tool results included."""
    return chat_messages.texts(
        inner
        for part in turn.parts
        for inner in (part.parts if isinstance(part, chat_messages.Result) else [part])
    )


def response(body: JSON, call: UpstreamCall) -> Iterator[StreamPart]:
    """Return the parts of an answer; raises `ApiError` for an error or an answer without text."""
    predictions = body.get("predictions")
    if errors.is_error(predictions):
        raise errors.from_body(200, predictions)
    if isinstance(predictions, dict) and "choices" in predictions:
        yield from openai_response.response(predictions, call)
        return
    prompt = call.body["instances"][0].get("prompt", "")
    yield Delta(0, {"content": without_echo(_text(predictions), prompt)}, "stop")


def _text(prediction: Any) -> str:
    """Return the first text in a prediction, in whichever form the container wraps it."""
    for _ in range(_MAX_DEPTH):
        match prediction:
            case str(text) | {"generated_text": str(text)} | {"content": str(text)} | {"text": str(text)}:
                return text
            case [first, *_]:
                prediction = first
    raise errors.UpstreamFault("The endpoint's answer has no text.")


def without_echo(text: str, prompt: str) -> str:
    """Return the answer without the prompt that vLLM's container repeats before it."""
    if text.startswith(echo := _ECHO.format(prompt)):
        return text[len(echo) :]
    return text.partition(_OUTPUT)[2] if text.startswith("Prompt:") and _OUTPUT in text else text


def stream(call: UpstreamCall) -> StreamTranslator:
    """Return a translator for a stream of one event: `predict` answers whole."""
    return lambda event: response(event, call)


CHAT: Final = ChatAdapter(request, response, stream)
