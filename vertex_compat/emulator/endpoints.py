"""Endpoints of one's own: containers such as vLLM behind `endpoints/ID`, and tuned Gemini models.

Sources: Google's Model Garden pages for `:predict`, vLLM's server for `chat/completions`. An endpoint whose
id begins with 404 is not there; behind one that begins with 3072 is a container that embeds; behind one that
begins with 8000 is a vLLM that was told a name for its model, and knows no other; behind one that begins with
9000 is a vLLM whose model thinks, and that was not told how.
"""

from collections.abc import Callable
from typing import Any

from vertex_compat.emulator import chat, embeddings, gemini, google, openapi
from vertex_compat.emulator.answers import JSON, SSE_GARBAGE, Answer, Dialect, Refused, json_answer, sse_event
from vertex_compat.emulator.asked import Asked
from vertex_compat.emulator.chat import Habits
from vertex_compat.emulator.model import Prompt, Reply, count, reply
from vertex_compat.emulator.strict import (
    Fields,
    Flag,
    ListOf,
    MapOf,
    Number,
    Reader,
    Text,
    TextOr,
    examined,
    integer,
)

GEMINI_VERBS = {"generateContent", "streamGenerateContent"}
MISSING = "404"
NAMED = "8000"
TAGGED = "9000"
SERVED_NAME = "casperhansen/llama-3-70b-instruct-awq"
VLLM = Habits(usage="asked")
WITHOUT_PARSER = Habits(usage="asked", reasons=True, thinks_in_tags=True)
ERROR_TYPES = {400: "BadRequestError", 404: "NotFoundError", 422: "BadRequestError"}

REQUEST_FORMAT = "@requestFormat"
CHAT_FORMAT = "chatCompletions"


def envelope(status: int, message: str) -> JSON:
    """Build vLLM's error."""
    kind = ERROR_TYPES.get(status, "InternalServerError")
    return {"object": "error", "message": message, "type": kind, "param": None, "code": status}


def dialect(asked: Asked) -> Dialect:
    """Say how errors look: the container's, or Gemini's."""
    return gemini.dialect(asked) if asked.verb in GEMINI_VERBS else Dialect(envelope, sse_event, SSE_GARBAGE)


def answer(asked: Asked) -> Answer:
    """Answer a call."""
    if asked.model.startswith(MISSING):
        raise google.refused(404, f"Endpoint `{asked.resource}/endpoints/{asked.model}` not found.")
    if asked.verb in GEMINI_VERBS:
        return gemini.answer(asked)
    if asked.verb == "predict" and asked.model.startswith(embeddings.CONTAINERS):
        return embeddings.by_container(asked)
    if asked.verb == "predict":
        return _predicted(asked)
    return _chatted(asked, asked.body)


# The container's OpenAI route; `rawPredict` hands the body to the same container

_MORE: dict[str, Reader] = {
    "model": Text(),
    "best_of": integer(1),
    "ignore_eos": Flag(),
    "min_tokens": integer(0),
    "stop_token_ids": ListOf(integer()),
    "skip_special_tokens": Flag(),
    "add_generation_prompt": Flag(),
    "guided_json": MapOf(),
    "guided_regex": Text(),
    "guided_choice": ListOf(Text()),
    "top_k": integer(-1),
    REQUEST_FORMAT: Text((CHAT_FORMAT,)),
}
BODY = Fields(
    {name: one for name, one in {**openapi.FIELDS, **_MORE}.items() if name != "extra_body"}, ("messages",)
)


def _chatted(asked: Asked, sent: JSON) -> Answer:
    body, problem = _read_chat(sent)
    if problem:
        raise Refused(json_answer(envelope(400, problem), 400))
    name = body.get("model", "")
    if asked.model.startswith(NAMED) and name != SERVED_NAME:
        raise Refused(json_answer(envelope(404, f"The model `{name}` does not exist."), 404))
    habits = WITHOUT_PARSER if asked.model.startswith(TAGGED) else VLLM
    return chat.answer(asked, body, habits, name or f"endpoint-{asked.model}")


def _read_chat(sent: JSON) -> tuple[JSON, str]:
    body, problems = examined(BODY, sent)
    if problems:
        return {}, "; ".join(f"{one.place}: {one.message}" for one in problems)
    return body, openapi.problem_of(body)


# `:predict`

_SAMPLING: dict[str, Reader] = {
    "max_tokens": integer(1),
    "temperature": Number(0),
    "top_p": Number(0, 1),
    "top_k": integer(-1),
    "stop": TextOr(ListOf(Text())),
    "n": integer(1, 128),
    "presence_penalty": Number(-2, 2),
    "frequency_penalty": Number(-2, 2),
    "raw_response": Flag(),
}
INSTANCE = Fields({"prompt": Text(), **_SAMPLING}, ("prompt",))
TGI_PARAMETERS = Fields(
    {
        "max_new_tokens": integer(1),
        "temperature": Number(0),
        "top_p": Number(0, 1),
        "top_k": integer(1),
        "do_sample": Flag(),
        "return_full_text": Flag(),
        "stop": ListOf(Text()),
    }
)
TGI_INSTANCE = Fields({"inputs": Text(), "parameters": TGI_PARAMETERS}, ("inputs",))
PREDICT_NAMES = {"instances", "parameters", "labels"}


def _predicted(asked: Asked) -> Answer:
    unknown = sorted(set(asked.body) - PREDICT_NAMES)
    if unknown:
        raise google.invalid(
            f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.'
        )
    instances = asked.body.get("instances")
    if not isinstance(instances, list) or not instances:
        raise google.invalid("Empty instances.")
    first = instances[0] if isinstance(instances[0], dict) else {}
    if first.get(REQUEST_FORMAT) == CHAT_FORMAT:
        return json_answer(_prediction(asked, _chat_prediction(asked, first)))
    return json_answer(_prediction(asked, [_completed(asked, one) for one in instances]))


def _prediction(asked: Asked, predictions: Any) -> JSON:
    return {
        "predictions": predictions,
        "deployedModelId": "1234567890123456789",
        "model": f"{asked.resource}/models/emulated",
        "modelDisplayName": "emulated",
        "modelVersionId": "1",
    }


def _chat_prediction(asked: Asked, instance: JSON) -> JSON:
    """Give a chat completion as the one prediction; errors come so as well, with status 200."""
    body, problem = _read_chat({name: value for name, value in instance.items() if name != "stream"})
    if problem:
        return envelope(400, problem)
    prompt = chat.read_prompt(asked, body, VLLM)
    replies = [reply(prompt, number) for number in range(body.get("n", 1))]
    return chat.whole(chat.Turn(asked, VLLM, prompt, replies, body.get("model") or "emulated", 0))


def _completed(asked: Asked, instance: Any) -> Any:
    shape, complete = _COMPLETIONS[
        "inputs" if isinstance(instance, dict) and "inputs" in instance else "prompt"
    ]
    read, problems = examined(shape, instance)
    if problems:
        raise google.invalid("; ".join(f"instances.{one.place}: {one.message}" for one in problems))
    return complete(asked, read)


def _said(asked: Asked, text: str, limit: int | None, stop: Any, candidate: int = 0) -> Reply:
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    prompt = Prompt(text, count(text), limit=limit, stops=stops, fault=asked.fault)
    return reply(prompt, candidate)


def _vllm(asked: Asked, instance: JSON) -> Any:
    """Complete a prompt; the prompt is repeated in front unless the raw response was asked for."""
    text = instance["prompt"]
    echo = "" if instance.get("raw_response") else f"Prompt:\n{text}\nOutput:\n"
    said = [
        echo + _said(asked, text, instance.get("max_tokens", 16), instance.get("stop"), number).text
        for number in range(instance.get("n", 1))
    ]
    return said if "n" in instance and instance["n"] > 1 else said[0]


def _tgi(asked: Asked, instance: JSON) -> Any:
    parameters = instance.get("parameters", {})
    text = _said(asked, instance["inputs"], parameters.get("max_new_tokens", 20), parameters.get("stop")).text
    return (instance["inputs"] if parameters.get("return_full_text") else "") + text


_COMPLETIONS: dict[str, tuple[Fields, Callable[[Asked, JSON], Any]]] = {
    "prompt": (INSTANCE, _vllm),
    "inputs": (TGI_INSTANCE, _tgi),
}
