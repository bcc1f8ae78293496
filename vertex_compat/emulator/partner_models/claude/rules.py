"""Claude's checks beyond field types: order of messages, tools, and each family's limits.

Messages are Anthropic's where documents or recorded traffic show them.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any

from vertex_compat.emulator.partner_models.claude.body import BETAS, COUNT, MESSAGES
from vertex_compat.emulator.partner_models.claude.models import UNVERSIONED, Family, family
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.body_readers import Object, Problem, validate
from vertex_compat.emulator.protocol.model_request import ModelRequest, signature
from vertex_compat.emulator.protocol.responses import JSON, RequestRefused, json_response

MISSING = ("not-found", "nonexistent")
CACHE_BREAKPOINTS = 4
INTERLEAVED = "interleaved-thinking-2025-05-14"
STRICT_SAMPLING = "2026-10-21"  # under this version no model takes sampling parameters
LOWEST_TOP_P_WITH_THINKING = 0.95
LEVELS = ("low", "medium", "high", "xhigh", "max")


def refused(message: str, status: int = 400, kind: str = "invalid_request_error") -> RequestRefused:
    """Return the exception for a refused request."""
    error = {"type": kind, "message": message}
    return RequestRefused(
        json_response({"type": "error", "error": error, "request_id": "req_vrtx_011CEmulated"}, status)
    )


def read(request: ModelRequest) -> JSON:
    """Return the checked body of a request.

    Raises:
        RequestRefused: 404 for the model, 400 for the body.

    """
    if not request.model.startswith("claude-") or any(word in request.model for word in MISSING):
        raise google_errors.model_not_found(request.resource, "anthropic", request.model)
    body = _read(MESSAGES, request.body)
    betas = _betas(request, body)
    kind = family(request.model)
    _check_messages(body, kind)
    _check_tools(body)
    _check_blocks(body)
    _check_sampling(body, kind)
    _check_limits(request, body, kind)
    _check_thinking(body, kind, betas)
    _check_output(body, kind)
    _check_policy(request, body)
    _check_model_tools(request, body, kind)
    return body


def read_count(request: ModelRequest) -> JSON:
    """Return the checked body of a token count request.

    Raises:
        RequestRefused: 400 for the body.

    """
    body = _read(COUNT, request.body)
    if "@" in body["model"] or not body["model"].startswith("claude-"):
        raise refused(f"{body['model']} is not supported for token counting.")
    _check_messages(body, UNVERSIONED)
    _check_tools(body)
    return body


def _read(table: Object, request_body: JSON) -> JSON:
    body, problems = validate(table, request_body)
    if problems:
        raise refused("\n".join(map(_message, problems)))
    return dict(body)


def _message(problem: Problem) -> str:
    if problem.code == "union_tag_invalid" and "using 'role'" in problem.message:
        role = problem.value.get("role")
        hint = (
            ' The Messages API accepts a top-level `system` parameter, not "system" as an input message role.'
            if role == "system"
            else ' Allowed roles are "user" or "assistant".'
        )
        return f'messages: Unexpected role "{role}".{hint}'
    return f"{problem.location}: {problem.message}"


def _betas(request: ModelRequest, body: JSON) -> set[str]:
    betas = [beta.strip() for beta in request.headers.get("anthropic-beta", "").split(",") if beta.strip()]
    requested = {*betas, *body.get("anthropic_beta", [])}
    for unknown in sorted(requested - set(BETAS)):
        raise refused(
            f"Unexpected value(s) `{unknown}` for the `anthropic-beta` header. Please consult our "
            "documentation "
            "at docs.anthropic.com or try again without the header."
        )
    return requested


# Messages


def blocks(message: JSON) -> list[JSON]:
    """Return the blocks of a message; a string is one text block."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _merge_roles(messages: list[JSON]) -> list[JSON]:
    """Join consecutive messages of one role, as the server does before its checks."""
    merged: list[JSON] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1] = {**merged[-1], "content": [*blocks(merged[-1]), *blocks(message)]}
        else:
            merged.append({**message, "content": blocks(message)})
    return merged


def _check_messages(body: JSON, kind: Family) -> None:
    messages = body["messages"]
    if not messages:
        raise refused("messages: at least one message is required")
    if messages[0]["role"] != "user":
        raise refused('messages: first message must use the "user" role')
    for index, message in enumerate(messages):
        last_assistant = index == len(messages) - 1 and message["role"] == "assistant"
        if not message["content"] and not last_assistant:
            raise refused(
                f"messages.{index}: all messages must have non-empty content except for the optional final "
                "assistant message"
            )
    merged = _merge_roles(messages)
    paused = any(block["type"] == "server_tool_use" for block in blocks(merged[-1]))
    if merged[-1]["role"] == "assistant" and not paused:
        _check_prefill(merged[-1], kind)
    for index, message in enumerate(merged):
        _check_adjacency(merged, index, message)


def _check_prefill(message: JSON, kind: Family) -> None:
    if not kind.prefill:
        raise refused(
            "This model does not support assistant message prefill. The conversation must end "
            "with a user message."
        )
    text = blocks(message)[-1].get("text", "") if blocks(message) else ""
    if text != text.rstrip():
        raise refused("messages: final assistant content cannot end with trailing whitespace")


def _check_adjacency(merged: list[JSON], index: int, message: JSON) -> None:
    """Check that the next message begins with the results of all tool_use blocks."""
    content = blocks(message)
    if message["role"] == "assistant":
        expected = [block["id"] for block in content if block["type"] == "tool_use"]
        following = blocks(merged[index + 1]) if index + 1 < len(merged) else []
        leading = list(_leading_results(following))
        missing = [id_ for id_ in expected if id_ not in leading]
        if len(set(expected)) != len(expected):
            raise refused(f"messages.{index}: `tool_use` ids must be unique")
        if missing:
            raise refused(
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks "
                "immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding "
                "`tool_result` block in the "
                "next message."
            )
        return
    before = blocks(merged[index - 1]) if index else []
    call_ids = {block["id"] for block in before if block["type"] == "tool_use"}
    result_ids = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
    for number, id_ in enumerate(result_ids):
        if id_ not in call_ids:
            raise refused(
                f"messages.{index}.content.{number}: unexpected `tool_use_id` found in "
                f"`tool_result` blocks: {id_}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
    if len(set(result_ids)) != len(result_ids):
        raise refused(
            f"messages.{index}: each tool_use must have a single result. Found multiple "
            "`tool_result` blocks with "
            f"id: {result_ids[0]}"
        )


def _leading_results(content: list[JSON]) -> Iterator[str]:
    for block in content:
        if block["type"] != "tool_result":
            return
        yield block["tool_use_id"]


def _check_blocks(body: JSON) -> None:
    for index, message in enumerate(body["messages"]):
        if isinstance(message["content"], str):
            if message["content"] and not message["content"].strip():
                raise refused("messages: text content blocks must contain non-whitespace text")
            continue
        for number, block in enumerate(message["content"]):
            _check_block(block, f"messages.{index}.content.{number}")
    for number, block in enumerate(_list_or_empty(body.get("system", []))):
        _check_block(block, f"system.{number}")
    breakpoints = len(list(_breakpoints(body)))
    if breakpoints > CACHE_BREAKPOINTS:
        raise refused(
            f"A maximum of {CACHE_BREAKPOINTS} blocks with cache_control may be provided. Found "
            f"{breakpoints}."
        )


def _check_block(block: JSON, field: str) -> None:
    match block["type"]:
        case "text":
            if not block["text"]:
                raise refused(f"{field.partition('.')[0]}: text content blocks must be non-empty")
            if not block["text"].strip():
                raise refused(
                    f"{field.partition('.')[0]}: text content blocks must contain non-whitespace text"
                )
        case "thinking":
            if block["signature"] != signature(f"thinking:{block['thinking']}"):
                raise refused(f"{field}: Invalid `signature` in `thinking` block")
        case "redacted_thinking":
            if block["data"] != signature("redacted"):
                raise refused(f"{field}: Invalid `data` in `redacted_thinking` block")
        case "image" | "document":
            _check_source(block, field)
        case "tool_result":
            for number, inner in enumerate(_list_or_empty(block.get("content", []))):
                _check_block(inner, f"{field}.content.{number}")


def _check_source(block: JSON, field: str) -> None:
    source = block["source"]
    if source["type"] != "base64":
        return
    try:
        base64.b64decode(source["data"], validate=True)
    except ValueError:
        raise refused(f"{field}.{block['type']}.source.base64.data: Invalid base64 data") from None


def _list_or_empty(content: Any) -> list[JSON]:
    return content if isinstance(content, list) else []


def _cacheable_blocks(body: JSON) -> Iterator[JSON]:
    """Yield everything that can have cache_control, in prompt order."""
    yield from body.get("tools", [])
    yield from _list_or_empty(body.get("system", []))
    for message in body["messages"]:
        yield from blocks(message)


def _breakpoints(body: JSON) -> Iterator[JSON]:
    return (block for block in _cacheable_blocks(body) if block.get("cache_control"))


def cached_blocks(body: JSON) -> list[JSON]:
    """Return the blocks up to the last cache breakpoint."""
    all_blocks = list(_cacheable_blocks(body))
    last = max((index for index, block in enumerate(all_blocks) if block.get("cache_control")), default=-1)
    return all_blocks[: last + 1]


# Tools


def _check_tools(body: JSON) -> None:
    tools = body.get("tools", [])
    names = [tool.get("name") for tool in tools]
    if len(set(names)) != len(names):
        raise refused("tools: Tool names must be unique.")
    for index, tool in enumerate(tools):
        if "input_schema" in tool:
            _check_input_schema(tool, f"tools.{index}.custom")
    content = [block["type"] for message in body["messages"] for block in blocks(message)]
    if not tools and {"tool_use", "tool_result"} & set(content):
        raise refused("Requests which include `tool_use` or `tool_result` blocks must define tools")
    choice = body.get("tool_choice")
    if choice and not tools:
        raise refused("tool_choice: tool_choice may only be specified while providing tools.")
    if choice and choice["type"] == "tool" and choice["name"] not in names:
        raise refused(f"Tool '{choice['name']}' not found in provided tools")


def _check_input_schema(tool: JSON, field: str) -> None:
    kind = tool["input_schema"].get("type")
    if kind is None:
        raise refused(f"{field}.input_schema.type: Field required")
    if kind != "object":
        raise refused(f"{field}.input_schema.type: Input should be 'object'")
    if combined := {"anyOf", "oneOf", "allOf"} & tool["input_schema"].keys():
        raise refused(
            f"{field}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level: "
            f"{', '.join(sorted(combined))}"
        )
    _check_schema(tool["input_schema"], field)
    if tool.get("strict"):
        _check_closed(tool["input_schema"], field)


_SCHEMA_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_OLDER_DRAFT = (
    "JSON schema is invalid. It must match JSON Schema draft 2020-12 (https://json-schema.org/draft/2020-12)."
)


def _check_schema(schema: Any, field: str) -> None:
    """Check an input schema and its property names against JSON Schema 2020-12, at every depth."""
    if isinstance(schema, list):
        for subschema in schema:
            _check_schema(subschema, field)
    if not isinstance(schema, dict):
        return
    kinds = schema.get("type", [])
    unknown = {*([kinds] if isinstance(kinds, str) else kinds)} - _SCHEMA_TYPES
    booleans = [
        name
        for name in ("exclusiveMinimum", "exclusiveMaximum", "required")
        if isinstance(schema.get(name), bool)
    ]
    if unknown or booleans or isinstance(schema.get("items"), list):
        raise refused(f"{field}.input_schema: {_OLDER_DRAFT}")
    for name, inner in schema.items():
        if name in {"properties", "$defs", "definitions"} and isinstance(inner, dict):
            invalid_keys = [key for key in inner if name == "properties" and not _PROPERTY.fullmatch(key)]
            if invalid_keys:
                raise refused(
                    f"{field}.input_schema.properties: Property keys should match pattern "
                    "'^[a-zA-Z0-9_.-]{1,64}$'"
                )
            _check_schema(list(inner.values()), field)
        elif name not in {"enum", "const", "default", "examples", "required"}:
            _check_schema(inner, field)


# What a family lacks


def _check_model_tools(request: ModelRequest, body: JSON, kind: Family) -> None:
    """Check tool_choice and the types of tools for the model."""
    forced = body.get("tool_choice", {}).get("type") in {"any", "tool"}
    if forced and not kind.forced:
        raise refused('tool_choice: type "tool" and "any" are not supported for this model.')
    if forced and not kind.forced_adaptive and body.get("thinking", {}).get("type") == "adaptive":
        raise refused("Thinking may not be enabled when tool_choice forces tool use.")
    for tool in body.get("tools", []):
        if tool.get("type") in kind.refused_tools:
            raise refused(f"'{request.model}' does not support tool types: {tool['type']}.")


def _check_policy(request: ModelRequest, body: JSON) -> None:
    """Check the features that an organization policy denies, by the fault `policy`."""
    structured = "format" in body.get("output_config", {}) or any(
        tool.get("strict") for tool in body.get("tools", [])
    )
    searches = any(str(tool.get("type")).startswith("web_search") for tool in body.get("tools", []))
    if (structured or searches) and request.fault.name == "policy":
        feature = "structured_outputs" if structured else "web_search"
        raise RequestRefused(
            json_response(
                google_errors.envelope(
                    400,
                    "Organization Policy constraint constraints/vertexai.allowedPartnerModelFeatures "
                    f"violated attempting to use a disallowed feature {feature} for Partner model "
                    f"{request.model}.",
                    status="FAILED_PRECONDITION",
                ),
                400,
            )
        )


def _check_sampling(body: JSON, kind: Family) -> None:
    names = [name for name in ("temperature", "top_p", "top_k") if name in body]
    if names and body["anthropic_version"] == STRICT_SAMPLING:
        raise refused(f"{names[0]}: Extra inputs are not permitted")
    if names and kind.sampling == "none":
        raise refused(f"{names[0]}: `{names[0]}` is deprecated for this model.")
    if kind.sampling == "one" and {"temperature", "top_p"} <= set(names):
        raise refused(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
    if any(not stop.strip() for stop in body.get("stop_sequences", [])):
        raise refused("stop_sequences: each stop sequence must contain non-whitespace")


def _check_limits(request: ModelRequest, body: JSON, kind: Family) -> None:
    if body["max_tokens"] > kind.max_output_tokens:
        raise refused(
            f"max_tokens: {body['max_tokens']} > {kind.max_output_tokens}, which is the maximum allowed "
            "number of output "
            f"tokens for {request.model.replace('@', '-')}"
        )


def _check_thinking(body: JSON, kind: Family, betas: set[str]) -> None:
    thinking = body.get("thinking")
    if not thinking:
        return
    form = thinking["type"]
    if form not in kind.thinking:
        if not kind.thinking:
            raise refused("thinking: Extended thinking is not supported by this model.")
        raise refused(f'"thinking.type.{form}" is not supported for this model.')
    level = body.get("output_config", {}).get("effort", "low")
    if form in {"disabled", "between_tools"} and LEVELS.index(level) > LEVELS.index(kind.off_effort):
        raise refused(f'"thinking.type.{form}" is not supported at effort level "{level}".')
    if form != "enabled":
        return
    if thinking["budget_tokens"] >= body["max_tokens"] and INTERLEAVED not in betas:
        raise refused(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation."
        )
    if body.get("temperature", 1) != 1:
        raise refused("`temperature` may only be set to 1 when thinking is enabled.")
    if "top_k" in body:
        raise refused("`top_k` must be unset when thinking is enabled.")
    if body.get("top_p", 1) < LOWEST_TOP_P_WITH_THINKING:
        raise refused("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
    if body.get("tool_choice", {}).get("type") in {"any", "tool"}:
        raise refused("Thinking may not be enabled when tool_choice forces tool use.")
    if body["messages"][-1]["role"] == "assistant":
        raise refused("messages: final assistant content cannot be prefilled when thinking is enabled")
    _check_thought_before_use(body["messages"])


def _check_thought_before_use(messages: list[JSON]) -> None:
    """Check that an assistant message with pending tool results begins with thinking."""
    merged = _merge_roles(messages)
    answering = any(block["type"] == "tool_result" for block in blocks(merged[-1]))
    if not answering:
        return
    index = len(merged) - 2
    first = blocks(merged[index])[0]["type"]
    if first not in {"thinking", "redacted_thinking"}:
        raise refused(
            f"messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but "
            f"found `{first}`. "
            "When `thinking` is enabled, a final `assistant` message must start with a thinking block."
        )


def _check_output(body: JSON, kind: Family) -> None:
    output = body.get("output_config", {})
    effort = output.get("effort")
    if effort and not kind.efforts:
        raise refused("output_config.effort: Extra inputs are not permitted")
    if effort and effort not in kind.efforts:
        raise refused(
            f"This model does not support effort level '{effort}'. "
            f"Supported levels: {', '.join(kind.efforts)}."
        )
    if "format" in output:
        if not kind.formats:
            raise refused("output_config.format: Extra inputs are not permitted")
        if output["format"]["type"] != "json_schema":
            raise refused("output_config.format.type: Input should be 'json_schema'")
        _check_closed(output["format"]["schema"], "output_config.format")
        if "too complex" in output["format"]["schema"].get("properties", {}):
            raise refused("Schema is too complex for compilation.")


UNSUPPORTED = {
    "number": ("minimum", "maximum", "multipleOf"),
    "integer": ("minimum", "maximum", "multipleOf"),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems",),
}


def _check_closed(schema: Any, field: str) -> None:
    """Check a schema's constraints for constrained decoding, at every depth."""
    if isinstance(schema, list):
        for subschema in schema:
            _check_closed(subschema, field)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind == "object" and schema.get("additionalProperties") is not False:
        raise refused(
            f"{field}.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    unsupported = (
        [name for name in UNSUPPORTED.get(kind, ()) if name in schema] if isinstance(kind, str) else []
    )
    if unsupported:
        raise refused(
            f"{field}.schema: For '{kind}' type, properties {', '.join(unsupported)} are not supported"
        )
    for name, inner in schema.items():
        if name in {"properties", "$defs", "definitions"} and isinstance(inner, dict):
            _check_closed(list(inner.values()), field)
        elif name not in {"enum", "const", "default", "examples", "required"}:
            _check_closed(inner, field)
