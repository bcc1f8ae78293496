"""Deployed models: containers such as vLLM behind `endpoints/ID`, and tuned Gemini models.

Sources: Google's Model Garden pages for `:predict`, vLLM's server for `chat/completions`. The first digits of
an endpoint's id select its behavior:

* 404: does not exist
* 3072: embeds
* 8000: vLLM that accepts only its served model name
* 9000: vLLM with a reasoning model, without a reasoning parser
* 53009: vLLM on a dedicated endpoint with the `invokeRoutePrefix` `/*`, which disables all other methods
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vertex_compat.emulator.google_models import embeddings, gemini
from vertex_compat.emulator.partner_models import maas, openai_chat
from vertex_compat.emulator.partner_models.openai_chat import ServerBehavior
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.body_readers import (
    Boolean,
    ListOf,
    MapOf,
    Number,
    Object,
    Reader,
    String,
    StringOr,
    integer,
    validate,
)
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.responses import (
    JSON,
    SSE_GARBAGE,
    ErrorFormat,
    RequestRefused,
    Response,
    json_response,
    sse_event,
)
from vertex_compat.emulator.text_model.replies import Prompt, Reply, count_tokens, generate

GEMINI_VERBS = {"generateContent", "streamGenerateContent"}
MISSING = "404"
CHECKS_NAME = "8000"
TAGGED = "9000"
INVOKED = "53009"
INVOKE = "invoke/"
SERVED_NAME = "casperhansen/llama-3-70b-instruct-awq"
VLLM = ServerBehavior(usage="requested", names_stop=True)
WITHOUT_PARSER = replace(VLLM, reasoning=True, reasoning_in_tags=True)
ERROR_TYPES = {400: "BadRequestError", 404: "NotFoundError", 422: "BadRequestError"}

TOKENIZED = {"add_generation_prompt", "chat_template", "chat_template_kwargs", "messages", "model", "tools"}
REQUEST_FORMAT = "@requestFormat"
CHAT_FORMAT = "chatCompletions"


def envelope(status: int, message: str) -> JSON:
    """Return vLLM's error body."""
    kind = ERROR_TYPES.get(status, "InternalServerError")
    return {"object": "error", "message": message, "type": kind, "param": None, "code": status}


def error_format(request: ModelRequest) -> ErrorFormat:
    """Return the error format: the container's, or Gemini's."""
    return (
        gemini.error_format(request)
        if request.verb in GEMINI_VERBS
        else ErrorFormat(envelope, sse_event, SSE_GARBAGE)
    )


def answer(request: ModelRequest) -> Response:
    """Answer a request."""
    if request.model.startswith(MISSING):
        raise google_errors.refused(
            404, f"Endpoint `{request.resource}/endpoints/{request.model}` not found."
        )
    if request.verb.startswith(INVOKE) != request.model.startswith(INVOKED):
        raise google_errors.refused(404, "The deployed model does not serve this method.")
    match request.verb.removeprefix(INVOKE):
        case "tokenize":
            return _tokenize(request)
        case "v1/embeddings":
            return _embed(request)
    if request.verb in GEMINI_VERBS:
        return gemini.answer(request)
    if request.verb == "predict" and request.model.startswith(embeddings.CONTAINERS):
        return embeddings.predict_in_container(request)
    if request.verb == "predict":
        return _predict(request)
    return _chat(request, request.body)


# The container's OpenAI route, which `rawPredict` calls too

_MORE: dict[str, Reader] = {
    "model": String(),
    "best_of": integer(1),
    "ignore_eos": Boolean(),
    "min_tokens": integer(0),
    "stop_token_ids": ListOf(integer()),
    "skip_special_tokens": Boolean(),
    "add_generation_prompt": Boolean(),
    "guided_json": MapOf(),
    "guided_regex": String(),
    "guided_choice": ListOf(String()),
    "top_k": integer(-1),
    REQUEST_FORMAT: String((CHAT_FORMAT,)),
}
BODY = Object(
    {name: reader for name, reader in {**maas.FIELDS, **_MORE}.items() if name != "extra_body"}, ("messages",)
)


def _chat(request: ModelRequest, request_body: JSON) -> Response:
    body, problem = _read_chat(request_body)
    if problem:
        raise RequestRefused(json_response(envelope(400, problem), 400))
    name = body.get("model", "")
    if request.model.startswith(CHECKS_NAME) and name != SERVED_NAME:
        raise RequestRefused(json_response(envelope(404, f"The model `{name}` does not exist."), 404))
    behavior = WITHOUT_PARSER if request.model.startswith(TAGGED) else VLLM
    return openai_chat.answer(request, body, behavior, name or f"endpoint-{request.model}")


def _tokenize(request: ModelRequest) -> Response:
    """Answer vLLM's `/tokenize` for a chat."""
    body, problem = _read_chat(request.body)
    if problem or not set(request.body) <= TOKENIZED:
        raise RequestRefused(json_response(envelope(400, problem or "Unknown fields."), 400))
    count = openai_chat.read_prompt(request, body, VLLM).tokens
    return json_response({"count": count, "max_model_len": 32768, "tokens": list(range(count))})


def _embed(request: ModelRequest) -> Response:
    """Answer vLLM's `/v1/embeddings`."""
    texts, size = request.body["input"], request.body.get("dimensions", 384)
    data = [
        {"object": "embedding", "index": index, "embedding": embeddings.vector(text, size)}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": sum(map(count_tokens, texts))}
    return json_response({"object": "list", "data": data, "model": "emulated", "usage": usage})


def _read_chat(request_body: JSON) -> tuple[JSON, str]:
    body, problems = validate(BODY, request_body)
    if problems:
        return {}, "; ".join(f"{problem.location}: {problem.message}" for problem in problems)
    return body, maas.find_problem(body)


# `:predict`

_SAMPLING: dict[str, Reader] = {
    "max_tokens": integer(1),
    "temperature": Number(0),
    "top_p": Number(0, 1),
    "top_k": integer(-1),
    "stop": StringOr(ListOf(String())),
    "n": integer(1, 128),
    "presence_penalty": Number(-2, 2),
    "frequency_penalty": Number(-2, 2),
    "raw_response": Boolean(),
}
INSTANCE = Object({"prompt": String(), **_SAMPLING}, ("prompt",))
TGI_PARAMETERS = Object(
    {
        "max_new_tokens": integer(1),
        "temperature": Number(0),
        "top_p": Number(0, 1),
        "top_k": integer(1),
        "do_sample": Boolean(),
        "return_full_text": Boolean(),
        "stop": ListOf(String()),
    }
)
TGI_INSTANCE = Object({"inputs": String(), "parameters": TGI_PARAMETERS}, ("inputs",))
PREDICT_NAMES = {"instances", "parameters", "labels"}


def _predict(request: ModelRequest) -> Response:
    unknown = sorted(set(request.body) - PREDICT_NAMES)
    if unknown:
        raise google_errors.invalid_argument(
            f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.'
        )
    instances = request.body.get("instances")
    if not isinstance(instances, list) or not instances:
        raise google_errors.invalid_argument("Empty instances.")
    first = instances[0] if isinstance(instances[0], dict) else {}
    if first.get(REQUEST_FORMAT) == CHAT_FORMAT:
        return json_response(_prediction(request, _chat_prediction(request, first)))
    return json_response(_prediction(request, [_complete(request, instance) for instance in instances]))


def _prediction(request: ModelRequest, predictions: Any) -> JSON:
    return {
        "predictions": predictions,
        "deployedModelId": "1234567890123456789",
        "model": f"{request.resource}/models/emulated",
        "modelDisplayName": "emulated",
        "modelVersionId": "1",
    }


def _chat_prediction(request: ModelRequest, instance: JSON) -> JSON:
    """Return a chat completion, or an error, as the prediction; the status is 200."""
    body, problem = _read_chat({name: value for name, value in instance.items() if name != "stream"})
    if problem:
        return envelope(400, problem)
    prompt = openai_chat.read_prompt(request, body, VLLM)
    replies = [generate(prompt, number) for number in range(body.get("n", 1))]
    return openai_chat.whole(
        openai_chat.Turn(request, VLLM, prompt, replies, body.get("model") or "emulated", 0)
    )


def _complete(request: ModelRequest, instance: Any) -> Any:
    shape, complete = _COMPLETIONS[
        "inputs" if isinstance(instance, dict) and "inputs" in instance else "prompt"
    ]
    read, problems = validate(shape, instance)
    if problems:
        raise google_errors.invalid_argument(
            "; ".join(f"instances.{problem.location}: {problem.message}" for problem in problems)
        )
    return complete(request, read)


def _generate(request: ModelRequest, text: str, limit: int | None, stop: Any, candidate: int = 0) -> Reply:
    stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    prompt = Prompt(text, count_tokens(text), limit=limit, stops=stops, fault=request.fault)
    return generate(prompt, candidate)


def _vllm(request: ModelRequest, instance: JSON) -> Any:
    """Complete a prompt; unless `raw_response` is set, the prompt is repeated in front."""
    text = instance["prompt"]
    echo = "" if instance.get("raw_response") else f"Prompt:\n{text}\nOutput:\n"
    texts = [
        echo + _generate(request, text, instance.get("max_tokens", 16), instance.get("stop"), number).text
        for number in range(instance.get("n", 1))
    ]
    return texts if "n" in instance and instance["n"] > 1 else texts[0]


def _tgi(request: ModelRequest, instance: JSON) -> Any:
    parameters = instance.get("parameters", {})
    text = _generate(
        request, instance["inputs"], parameters.get("max_new_tokens", 20), parameters.get("stop")
    ).text
    return (instance["inputs"] if parameters.get("return_full_text") else "") + text


_COMPLETIONS: dict[str, tuple[Object, Callable[[ModelRequest, JSON], Any]]] = {
    "prompt": (INSTANCE, _vllm),
    "inputs": (TGI_INSTANCE, _tgi),
}
