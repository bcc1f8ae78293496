"""Helpers for Gemini's translators, judged by Vertex's rules and Google's SDK types."""

import json

import msgspec
from google.genai import types as genai

from vertex_compat.emulator.faults import Fault
from vertex_compat.emulator.google_models.gemini import models, rules
from vertex_compat.emulator.google_models.gemini.body import GENERATE
from vertex_compat.emulator.protocol import proto_json
from vertex_compat.operations.chat import chat as operation
from vertex_compat.publishers.google.chat.chat import CHAT
from vertex_compat.routing import model_names
from vertex_compat.types import Delta, UpstreamCall, Usage, parts_of

CURRENT, BUDGETS, LEVELS, OLD, OLDEST, TUNED = (
    "gemini-3.8-flash",
    "gemini-2.5-flash",
    "gemini-3-flash-preview",
    "gemini-1.5-pro",
    "gemini-1.0-pro",
    "gemini/1234567890",
)
"""Models of each kind."""

HELLO = [{"role": "user", "content": "Hello"}]


def user(*parts):
    return {
        "role": "user",
        "content": list(parts) if len(parts) != 1 or isinstance(parts[0], dict) else parts[0],
    }


def function(name="lookup", parameters=None, **more):
    declaration = {"name": name, **more} | ({"parameters": parameters} if parameters is not None else {})
    return {"type": "function", "function": declaration}


def called(*names, ids=None):
    calls = [
        {
            "id": (ids or [f"call_{n}" for n in range(9)])[n],
            "type": "function",
            "function": {"name": name, "arguments": "{}"},
        }
        for n, name in enumerate(names)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(content="done", call="call_0", **more):
    return {"role": "tool", "tool_call_id": call, "content": content, **more}


def call(model=CURRENT, **body):
    """The call that a body becomes, checked on its way in as the function checks it."""
    params = {"model": model, "messages": HELLO, **body}
    return CHAT.request(operation.parse(json.dumps(params).encode()), model_names.resolve(model))


def body(model=CURRENT, **params):
    """The body that a body becomes; it has been judged."""
    upstream_call = call(model, **params)
    judge(upstream_call, model)
    return upstream_call.body


def config(model=CURRENT, **params):
    return body(model, **params).get("generationConfig", {})


class GeminiRequest:
    def __init__(self, model):
        self.model = model_names.resolve(model).name
        self.resource = "projects/p/locations/l"
        self.fault = Fault()


def judge(upstream_call, model):
    """Raise unless Vertex would take the call, and Google's own SDK knows its types."""
    upstream_body = msgspec.json.decode(msgspec.json.encode(upstream_call.body))
    known_to_sdk(upstream_body)
    rules.check(proto_json.read(GENERATE, upstream_body), models.generation(GeminiRequest(model)))


def known_to_sdk(upstream_body):
    contents = [genai.Content.model_validate(turn) for turn in upstream_body["contents"]]
    assert all(content.parts for content in contents)
    if "systemInstruction" in upstream_body:
        genai.Content.model_validate(upstream_body["systemInstruction"])
    for tool in upstream_body.get("tools", []):
        genai.Tool.model_validate(tool)
    if "toolConfig" in upstream_body:
        genai.ToolConfig.model_validate(upstream_body["toolConfig"])
    for setting in upstream_body.get("safetySettings", []):
        genai.SafetySetting.model_validate(setting)
    config = dict(upstream_body.get("generationConfig", {}))
    genai.ImageConfig.model_validate(config.pop("imageConfig", {}))  # the SDK has it beside the others
    genai.GenerationConfig.model_validate(config)


# Answers

PLAIN = UpstreamCall("p", {})


def pieces(*events, call=PLAIN):
    feed = CHAT.stream(call)
    return [part for event in events for part in parts_of(feed(event))]


def chunk(*parts, index=0, **candidate):
    fields = {"content": {"role": "model", "parts": list(parts)}, **candidate}
    return {"responseId": "r", "candidates": [fields | ({"index": index} if index else {})]}


def message(*events, call=PLAIN, choice=0):
    """The message that events add up to, and the finish reason."""
    whole = operation.completion(((0, piece) for piece in pieces(*events, call=call)), "m", "id", 1)
    entry = whole["choices"][choice]
    return entry["message"], entry["finish_reason"]


def usage(**counts):
    (only,) = [piece for piece in pieces({"usageMetadata": counts}) if isinstance(piece, Usage)]
    return only


def deltas(*events, call=PLAIN):
    return [piece for piece in pieces(*events, call=call) if isinstance(piece, Delta)]
