"""A request of Gemini's `generateContent` as a chat request, for models of other publishers.

Contents become messages, function declarations become tools. What Gemini's API has and chat has not is
ignored and named in `x-vertex-compat-ignored`.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations.opaque_state import decode_state
from vertex_compat.operations.request.chat_request import ChatRequest, ParamNames
from vertex_compat.types import JSON

CONFIG: Final = {
    "candidateCount": "n",
    "frequencyPenalty": "frequency_penalty",
    "logprobs": "top_logprobs",
    "maxOutputTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "responseLogprobs": "logprobs",
    "seed": "seed",
    "stopSequences": "stop",
    "temperature": "temperature",
    "topK": "top_k",
    "topP": "top_p",
}
"""Field of `generationConfig` → parameter of chat with the same value."""

FORMAT: Final = frozenset({"responseJsonSchema", "responseMimeType", "responseSchema", "thinkingConfig"})
"""Fields of `generationConfig` that are translated otherwise."""

TRANSLATED: Final = frozenset({"contents", "generationConfig", "systemInstruction", "toolConfig", "tools"})

SEARCHES: Final = frozenset({"googleSearch", "googleSearchRetrieval"})
_EXCLUDED: Final = "excludeDomains"

EFFORT_OF_BUDGET: Final = ((0, "none"), (1024, "low"), (8192, "medium"))
"""Largest budget of tokens → effort, as in Gemini's OpenAI compatibility; a larger one is `high`."""

_SCHEMAS: Final = frozenset({"parameters", "parametersJsonSchema", "responseJsonSchema", "responseSchema"})
_FREE_FORM: Final = frozenset({"args", "labels", "response"}) | _SCHEMAS
"""Fields whose keys are the client's own."""

_FILES_API: Final = "https://generativelanguage.googleapis.com/"


def camel_case(value: Any) -> Any:
    """Return a message of Google's with field names in camel case; the API takes both spellings."""
    if isinstance(value, list):
        return [camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {_camel(name): inner for name, inner in value.items() if inner is not None}
    return {name: inner if name in _FREE_FORM else camel_case(inner) for name, inner in renamed.items()}


@cache
def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def chat_request(params: JSON, model: str) -> ChatRequest:
    """Translate a request in camel case that fits the schema; raises `BadRequest`."""
    reader = _ContentReader()
    reader.read_system(params.get("systemInstruction") or {})
    for number, content in enumerate(params["contents"]):
        reader.read(content, f"contents[{number}]")
    config = params.get("generationConfig") or {}
    origins = {"model": "model", **{chat: f"generationConfig.{name}" for name, chat in CONFIG.items()}}
    origins |= {
        "messages.reasoning_content": "contents.parts.thought",
        "reasoning_effort": "generationConfig.thinkingConfig",
        "response_format": "generationConfig.responseSchema",
        "thinking": "generationConfig.thinkingConfig",
        "tool_choice": "toolConfig",
    }
    ignored = [name for name in params if name not in TRANSLATED]
    ignored += [f"generationConfig.{name}" for name in config if name not in CONFIG and name not in FORMAT]
    body: JSON = {"model": model, "messages": reader.messages}
    body |= {chat: config[name] for name, chat in CONFIG.items() if name in config}
    body |= _response_format(config) | _thinking(config.get("thinkingConfig") or {})
    body |= _tools(params, origins, ignored)
    return ChatRequest(body, ParamNames(origins | reader.origins), tuple(ignored))


def _response_format(config: JSON) -> JSON:
    schema = config.get("responseJsonSchema")
    if schema is None and config.get("responseSchema") is not None:
        schema = json_schema(config["responseSchema"])
    if isinstance(schema, dict):
        schema_format = {"name": "response", "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": schema_format}}
    if config.get("responseMimeType") == "application/json":
        return {"response_format": {"type": "json_object"}}
    return {}


def _thinking(config: JSON) -> JSON:
    if level := config.get("thinkingLevel"):
        return {"reasoning_effort": str(level).lower()}
    budget = config.get("thinkingBudget")
    if budget is None or budget < 0:  # as much as the model likes
        return {"thinking": {"type": "adaptive"}} if config.get("includeThoughts") else {}
    effort = next((level for most, level in EFFORT_OF_BUDGET if budget <= most), "high")
    return {"reasoning_effort": effort}


def shows_thoughts(params: JSON) -> bool:
    """Return whether the client requests summaries of thoughts among the parts."""
    config = (params.get("generationConfig") or {}).get("thinkingConfig") or {}
    return bool(config.get("includeThoughts"))


# Tools


def _tools(params: JSON, origins: dict[str, str], ignored: list[str]) -> JSON:
    tools: list[JSON] = []
    fields: JSON = {}
    for number, tool in enumerate(params.get("tools") or ()):
        for inner, declaration in enumerate(tool.get("functionDeclarations") or ()):
            origins[f"tools[{len(tools)}]"] = f"tools[{number}].functionDeclarations[{inner}]"
            tools.append({"type": "function", "function": _function(declaration)})
        for kind in tool.keys() - {"functionDeclarations"}:
            if kind in SEARCHES:
                fields["web_search_options"] = _web_search(tool[kind], kind, origins, ignored)
            else:
                ignored.append(f"tools.{kind}")
    config = params.get("toolConfig") or {}
    ignored += [f"toolConfig.{name}" for name in config if name != "functionCallingConfig"]
    if tools:
        fields["tools"] = tools
        fields |= _tool_choice(config.get("functionCallingConfig") or {})
    return fields


def _web_search(options: Any, kind: str, origins: dict[str, str], ignored: list[str]) -> JSON:
    """Return chat's `web_search_options`, which has a counterpart only of the excluded domains."""
    origins["web_search_options"] = f"tools.{kind}"
    origins["web_search_options.filters"] = f"tools.{kind}.{_EXCLUDED}"
    options = options if isinstance(options, dict) else {}
    ignored += [f"tools.{kind}.{name}" for name in options if name != _EXCLUDED]
    excluded = options.get(_EXCLUDED)
    return {"filters": {"blocked_domains": excluded}} if excluded else {}


def _function(declaration: JSON) -> JSON:
    function: JSON = {"name": declaration["name"]}
    if description := declaration.get("description"):
        function["description"] = description
    if (schema := declaration.get("parametersJsonSchema")) is not None:
        function["parameters"] = schema
    elif declaration.get("parameters"):
        function["parameters"] = json_schema(declaration["parameters"])
    return function


def _tool_choice(config: JSON) -> JSON:
    names = config.get("allowedFunctionNames") or []
    match config.get("mode"):
        case "NONE":
            return {"tool_choice": "none"}
        case "ANY" if len(names) == 1:
            return {"tool_choice": {"type": "function", "function": {"name": names[0]}}}
        case "ANY" if not names:
            return {"tool_choice": "required"}
        case "ANY" | "VALIDATED" as mode if names:
            functions = [{"type": "function", "function": {"name": name}} for name in names]
            chat_mode = "required" if mode == "ANY" else "auto"
            return {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": chat_mode, "tools": functions},
                }
            }
        case "AUTO" | "VALIDATED":
            return {"tool_choice": "auto"}
    return {}


def json_schema(schema: Any) -> Any:
    """Return Google's form of a schema as JSON Schema, with lower-case types and type `null`.

    https://ai.google.dev/api/caching#Schema
    """
    if isinstance(schema, list):
        return [json_schema(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    result: JSON = {}
    for name, value in schema.items():
        match name:
            case "type" if isinstance(value, str):
                result["type"] = value.lower()
            case "properties" | "$defs" | "defs" if isinstance(value, dict):
                result[name] = {key: json_schema(inner) for key, inner in value.items()}
            case "items" | "anyOf" | "any_of" | "prefixItems" | "additionalProperties":
                result["anyOf" if name == "any_of" else name] = json_schema(value)
            case "nullable" | "propertyOrdering" | "property_ordering":
                pass
            case _ if isinstance(value, str) and value.isdecimal() and name.startswith(("min", "max")):
                result[_camel(name)] = int(value)  # ProtoJSON writes int64 as strings
            case _:
                result[name] = value
    if schema.get("nullable") and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    return result


# Contents


class _ContentReader:
    """Collects the messages of chat, and where each of them and its parts come from."""

    def __init__(self) -> None:
        self.messages: list[JSON] = []
        self.origins: dict[str, str] = {}
        self._unanswered: list[tuple[str, str]] = []  # name and id of calls without a result yet
        self._calls = 0

    def read_system(self, content: JSON) -> None:
        """Add the system instruction."""
        parts = [
            {"type": "text", "text": part["text"]} for part in content.get("parts") or () if part.get("text")
        ]
        if parts:
            self._add({"role": "system", "content": parts}, "systemInstruction", [])

    def read(self, content: JSON, path: str) -> None:
        """Add what a content becomes: a message, and one for each function response before it."""
        parts = content.get("parts") or []
        if content.get("role") == "model":
            self._read_model(parts, path)
            return
        chat_parts: list[JSON] = []
        origins: list[str] = []
        for number, part in enumerate(parts):
            part_path = f"{path}.parts[{number}]"
            if response := part.get("functionResponse"):
                self._read_response(response, part_path)
            elif chat_part := _part(part, part_path):
                chat_parts.append(chat_part)
                origins.append(part_path)
        if chat_parts:
            self._add({"role": "user", "content": chat_parts}, path, origins)

    def _read_response(self, response: JSON, path: str) -> None:
        files = [_part(part, f"{path}.parts[{n}]") for n, part in enumerate(response.get("parts") or ())]
        content: list[JSON] = [{"type": "text", "text": _result(response.get("response") or {})}]
        content += [part for part in files if part]
        call_id = self._call_id(response)
        message: JSON = {"role": "tool", "tool_call_id": call_id}
        if "error" in (response.get("response") or {}):
            message["is_error"] = True
        message["content"] = content[0]["text"] if len(content) == 1 else content
        self._add(message, path, [path] * len(content))

    def _call_id(self, response: JSON) -> str:
        """The id of the call that a response answers, else of the first open call of its name."""
        id_ = response.get("id")
        for number, (name, open_id) in enumerate(self._unanswered):
            if id_ == open_id or (not id_ and name == response["name"]):
                del self._unanswered[number]
                return open_id
        return id_ or f"unknown_{response['name']}"

    def _read_model(self, parts: list[JSON], path: str) -> None:
        message: JSON = {"role": "assistant"}
        content: list[JSON] = []
        origins: list[str] = []
        calls: list[JSON] = []
        for number, part in enumerate(parts):
            message |= _state(part.get("thoughtSignature"))
            if call := part.get("functionCall"):
                calls.append(self._call(call))
            elif part.get("thought") and part.get("text"):
                message["reasoning_content"] = message.get("reasoning_content", "") + part["text"]
            elif chat_part := _part(part, f"{path}.parts[{number}]"):
                content.append(chat_part)
                origins.append(f"{path}.parts[{number}]")
        if content:
            message["content"] = content
        if calls:
            calls[0] |= message.pop("call_extra_content", None) or {}
            message["tool_calls"] = calls
        message.pop("call_extra_content", None)
        if content or calls:
            self._add(message, path, origins)

    def _call(self, call: JSON) -> JSON:
        self._calls += 1
        id_ = call.get("id") or f"call_{self._calls}"
        self._unanswered.append((call["name"], id_))
        arguments = msgspec.json.encode(call.get("args") or {}).decode()
        return {"id": id_, "type": "function", "function": {"name": call["name"], "arguments": arguments}}

    def _add(self, message: JSON, path: str, parts: list[str]) -> None:
        index = len(self.messages)
        self.origins[f"messages[{index}]"] = path
        self.origins |= {f"messages[{index}].content[{number}]": part for number, part in enumerate(parts)}
        self.messages.append(message)


def _state(signature: Any) -> JSON:
    """The state that this function sent as a signature; nothing for Gemini's own signatures."""
    if not isinstance(signature, str):
        return {}
    try:
        return decode_state(base64.b64decode(signature, validate=True).decode("ascii"))
    except ValueError:
        return {}


def _result(response: JSON) -> str:
    """The text of a function's response: what its one usual key holds, else the object as JSON."""
    if len(response) == 1:
        for key in ("output", "result", "error", "content"):
            if isinstance(value := response.get(key), str):
                return value
    return msgspec.json.encode(response).decode()


def _part(part: JSON, path: str) -> JSON | None:
    """The part of chat that a part becomes, None if it is empty."""
    if text := part.get("text"):
        return {"type": "text", "text": text}
    if blob := part.get("inlineData"):
        return _file(f"data:{blob['mimeType']};base64,{blob['data']}", blob["mimeType"], "file_data", blob)
    if file := part.get("fileData"):
        if file["fileUri"].startswith(_FILES_API):
            raise errors.BadRequest(
                "There is no Files API here: send the file as inlineData, or its gs:// or https:// URI.",
                param=f"{path}.fileData.fileUri",
                code="unsupported_value",
            )
        return _file(file["fileUri"], file.get("mimeType") or "", "file_id", file)
    if code := (part.get("executableCode") or {}).get("code"):
        return {"type": "text", "text": f"```\n{code}\n```"}
    if output := (part.get("codeExecutionResult") or {}).get("output"):
        return {"type": "text", "text": f"```\n{output}\n```"}
    return None


def _file(link: str, mime: str, key: str, blob: JSON) -> JSON:
    kind = mime.partition("/")[0]
    if kind in {"image", "video"}:
        return {"type": f"{kind}_url", f"{kind}_url": {"url": link, "format": mime}}
    if kind == "audio" and "data" in blob:
        return {"type": "input_audio", "input_audio": {"data": blob["data"], "format": mime}}
    return {"type": "file", "file": {key: link} | ({"format": mime} if mime else {})}
