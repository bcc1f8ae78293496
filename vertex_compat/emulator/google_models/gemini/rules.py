"""Gemini's checks beyond field types: ranges, order of turns, signatures, thinking, labels.

Messages are recorded or from vendor documents where available.
"""

import re
from dataclasses import dataclass
from typing import Any

from vertex_compat.emulator.google_models.gemini import tools
from vertex_compat.emulator.google_models.gemini.body import DATA_FIELDS
from vertex_compat.emulator.google_models.gemini.models import FIRST_SIGNING, Generation
from vertex_compat.emulator.protocol.google_errors import invalid_argument
from vertex_compat.emulator.protocol.model_request import signature
from vertex_compat.emulator.protocol.proto_json import decode_base64, snake
from vertex_compat.emulator.protocol.responses import JSON, compact_json


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range of generationConfig."""

    low: float
    high: float
    inclusive: bool = True  # whether `high` itself is allowed


RANGES = {
    "temperature": Bounds(0, 2.0001, inclusive=False),
    "topP": Bounds(0, 1),
    "topK": Bounds(1, 1000),
    "candidateCount": Bounds(1, 9, inclusive=False),
    "maxOutputTokens": Bounds(1, 65537, inclusive=False),
    "presencePenalty": Bounds(-2, 2, inclusive=False),
    "frequencyPenalty": Bounds(-2, 2, inclusive=False),
    "logprobs": Bounds(0, 20),
}
LONG_OUTPUT = Bounds(1, 1_048_577, inclusive=False)
UNARY_OUTPUT_TOKENS = 32_768
STOP_SEQUENCES = 5
MIME_TYPES = ("text/plain", "application/json", "text/x.enum")

# Documented values that skip the check, raw and base64-decoded.
SKIPPING = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
SKIPS = {value.encode() for value in SKIPPING} | {decode_base64(value) for value in SKIPPING}


def call_signature(name: str, arguments: Any) -> str:
    """Sign a function call."""
    return signature(f"{name}{compact_json(sorted(arguments.items()))}")


def check(body: JSON, kind: Generation) -> None:
    """Apply all checks.

    Raises:
        RequestRefused: 400 INVALID_ARGUMENT.

    """
    check_contents(body.get("contents", []))
    _check_instruction(body)
    _check_turns(body["contents"], kind)
    _check_newer_names(body["contents"], kind)
    _check_config(body.get("generationConfig", {}), kind)
    tools.check(body, kind)
    if kind.version < FIRST_SIGNING:
        _check_json_with_tools(body)
    if body.get("cachedContent"):
        _check_cached(body)
    _check_labels(body.get("labels", {}))
    if kind.signs:
        _check_signatures(body["contents"])


# Contents


def check_contents(contents: list[JSON]) -> None:
    """Check roles and parts; lower-cases the roles in place."""
    if not contents:
        raise invalid_argument("Unable to submit request because at least one contents field is required.")
    for content in contents:
        role = content.get("role", "").lower()
        if role not in {"user", "model"}:
            raise invalid_argument("Please use a valid role: user, model.")
        content["role"] = role
        if not content.get("parts"):
            raise invalid_argument(
                "Unable to submit request because it must include at least one parts field, "
                "which describes the "
                "prompt input."
            )
        for part in content["parts"]:
            _check_part(part, role)


def _check_part(part: JSON, role: str) -> None:
    data_fields = [name for name in DATA_FIELDS if name in part]
    if not data_fields:
        raise invalid_argument(
            "Unable to submit request because a part has no data: required oneof field 'data' must be set."
        )
    if part.get("text") == "" and "thoughtSignature" not in part:
        raise invalid_argument(
            "Unable to submit request because it has an empty text parameter. Add a value to the "
            "parameter and "
            "try again."
        )
    for name in ("inlineData", "fileData"):
        if name in part and not part[name].get("mimeType"):
            raise invalid_argument(
                f"Unable to submit request because it has an empty mimeType parameter in {name}. "
                "Add a value to "
                "the parameter and try again."
            )
    _check_file(part.get("fileData"))
    if "functionCall" in part and role != "model":
        raise invalid_argument(TURN_AFTER_USER)
    if "functionResponse" in part and role != "user":
        raise invalid_argument(RESPONSE_AFTER_CALL)
    for name in ("functionCall", "functionResponse"):
        if name in part and not part[name].get("name"):
            raise invalid_argument(f"Unable to submit request because {name} has no name.")


def _check_file(file: JSON | None) -> None:
    if file is not None and not file.get("fileUri", "").startswith(("gs://", "https://", "http://")):
        raise invalid_argument(f"Unsupported file URI type: {file.get('fileUri', '')}")


def _check_instruction(body: JSON) -> None:
    instruction = body.get("systemInstruction")
    if instruction is None:
        return
    if not instruction.get("parts"):
        raise invalid_argument(
            "Unable to submit request because systemInstruction must include at least one parts field."
        )
    if any("text" not in part for part in instruction["parts"]):
        raise invalid_argument(
            "Unable to submit request because systemInstruction must only include text parts."
        )


# Turns

TURN_AFTER_USER = (
    "Please ensure that function call turn comes immediately after a user turn or after a function response "
    "turn."
)
RESPONSE_AFTER_CALL = (
    "Please ensure that function response turn comes immediately after a function call turn."
)
EQUAL_NUMBER = (
    "Please ensure that the number of function response parts is equal to the number of function "
    "call parts of "
    "the function call turn."
)
ALTERNATE = "Please ensure that multiturn requests alternate between user and model."
FIRST_ALTERNATING = (2, 0)  # the first version that accepts consecutive turns of one role


def _check_turns(contents: list[JSON], kind: Generation) -> None:
    if contents[0]["role"] != "user":
        raise invalid_argument(TURN_AFTER_USER)
    if kind.must_end_with_user and contents[-1]["role"] == "model":
        raise invalid_argument("Requests ending with a model turn are not supported.")
    for index, content in enumerate(contents):
        before = contents[index - 1] if index else None
        after = contents[index + 1] if index + 1 < len(contents) else None
        calls, responses = _part_values(content, "functionCall"), _part_values(content, "functionResponse")
        if before and before["role"] == content["role"]:
            if kind.version < FIRST_ALTERNATING:
                raise invalid_argument(ALTERNATE)
            if calls:
                raise invalid_argument(TURN_AFTER_USER)
        if responses and not (before and _part_values(before, "functionCall")):
            raise invalid_argument(RESPONSE_AFTER_CALL)
        if calls:
            _check_responses(calls, _part_values(after, "functionResponse") if after else [])


def _part_values(content: JSON, name: str) -> list[JSON]:
    return [part[name] for part in content["parts"] if name in part]


def _check_responses(calls: list[JSON], responses: list[JSON]) -> None:
    if len(calls) != len(responses):
        raise invalid_argument(EQUAL_NUMBER)
    if all(call.get("id") for call in calls):
        call_ids, response_ids = (
            {call["id"] for call in calls},
            {response.get("id") for response in responses},
        )
        if call_ids != response_ids:
            raise invalid_argument(
                "Please ensure that the function response ids match the function call ids."
            )
    elif [call["name"] for call in calls] != [response["name"] for response in responses]:
        raise invalid_argument(
            "Please ensure that the function response names match the function call names, in order."
        )


NEWER_NAMES = (  # fields unknown before Gemini 3: path to the message, name
    (("functionCall",), "id"),
    (("functionResponse",), "id"),
    (("functionResponse",), "parts"),
    ((), "mediaResolution"),
)
RESULT_TYPES = ("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain")


def _check_newer_names(contents: list[JSON], kind: Generation) -> None:
    for number, content in enumerate(contents):
        for index, part in enumerate(content["parts"]):
            field = f"contents[{number}].parts[{index}]"
            if kind.version < FIRST_SIGNING:
                _check_older(part, field)
            for media in part.get("functionResponse", {}).get("parts", []):
                file = media.get("inlineData") or media.get("fileData") or {}
                if file.get("mimeType") not in RESULT_TYPES:
                    raise invalid_argument(
                        f"{field}: a function response cannot hold media of type {file.get('mimeType')}"
                    )


def _check_older(part: JSON, field: str) -> None:
    for path, name in NEWER_NAMES:
        holder = part.get(path[0], {}) if path else part
        if name in holder:
            parent = ".".join((field, *map(snake, path)))
            raise invalid_argument(
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{parent}': Cannot find field."
            )


def _check_signatures(contents: list[JSON]) -> None:
    """Check that the first call of each step in the current turn carries its original signature."""
    start = max((index for index, content in enumerate(contents) if is_user_text(content)), default=0)
    for index, content in enumerate(contents[start:], start + 1):
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls and not calls[0].get("thoughtSignature"):
            raise invalid_argument(
                f"Unable to submit request because function call `{calls[0]['functionCall']['name']}` in the "
                f"{index}. content block is missing a `thought_signature`."
            )
        for part in calls:
            call, signature = part["functionCall"], part.get("thoughtSignature")
            expected = call_signature(call["name"], call.get("args", {}))
            if (
                signature
                and decode_base64(signature) != decode_base64(expected)
                and decode_base64(signature) not in SKIPS
            ):
                raise invalid_argument("Corrupted thought signature.")


def is_user_text(content: JSON) -> bool:
    """Return whether a content is the user's own text, not function results."""
    return content["role"] == "user" and not _part_values(content, "functionResponse")


# Generation


def _check_config(config: JSON, kind: Generation) -> None:
    ranges = RANGES | ({"maxOutputTokens": LONG_OUTPUT} if kind.continues else {})
    for name, bounds in ranges.items():
        if name in config:
            _check_range(name, config[name], bounds)
    if kind.version >= FIRST_SIGNING and config.get("candidateCount", 1) > 1:
        raise invalid_argument("Multiple candidates is not enabled for this model")
    stops = config.get("stopSequences", [])
    if len(stops) > STOP_SEQUENCES:
        raise invalid_argument(
            f"Unable to submit request because it has {len(stops)} stop sequences but at most "
            f"{STOP_SEQUENCES} "
            "are supported."
        )
    if "" in stops:
        raise invalid_argument("Unable to submit request because a stop sequence is empty.")
    if kind.version >= FIRST_SIGNING and {"presencePenalty", "frequencyPenalty"} & config.keys():
        raise invalid_argument("Penalty is not enabled for this model")
    if config.get("logprobs") is not None and not config.get("responseLogprobs"):
        raise invalid_argument(
            "Unable to submit request because logprobs is only allowed when responseLogprobs is true."
        )
    _check_format(config)
    if "thinkingConfig" in config:
        _check_thinking(config["thinkingConfig"], kind)


def check_output_limit(body: JSON) -> None:
    """Check `maxOutputTokens` of a Gemini 4 call that is not streamed."""
    limit = body.get("generationConfig", {}).get("maxOutputTokens", 0)
    if limit > UNARY_OUTPUT_TOKENS and not body.get("continuationToken"):
        raise invalid_argument(
            f"Unable to submit request because maxOutputTokens is {limit}: without streaming at most "
            f"{UNARY_OUTPUT_TOKENS} are supported."
        )


def _check_json_with_tools(body: JSON) -> None:
    if body.get("generationConfig", {}).get("responseMimeType") != "application/json":
        return
    kinds = {name for tool in body.get("tools", []) for name in tool}
    if kinds:
        subject = "Function calling" if "functionDeclarations" in kinds else "Tool use"
        raise invalid_argument(f"{subject} with a response mime type: 'application/json' is unsupported")


def _check_range(name: str, value: float, bounds: Bounds) -> None:
    within = value <= bounds.high if bounds.inclusive else value < bounds.high
    if value < bounds.low or not within:
        raise invalid_argument(
            f"Unable to submit request because it has a {name} value of {value:g} but the "
            "supported range is from "
            f"{bounds.low:g} (inclusive) to {bounds.high:.8g} "
            f"({'inclusive' if bounds.inclusive else 'exclusive'}). "
            "Update the value and try again."
        )


def _check_format(config: JSON) -> None:
    kind = config.get("responseMimeType", "text/plain")
    if kind not in MIME_TYPES:
        raise invalid_argument(
            f"Unable to submit request because it has a responseMimeType value of {kind} but the "
            "supported values "
            f"are {', '.join(MIME_TYPES)}."
        )
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if len(schemas) > 1:
        raise invalid_argument(
            "Unable to submit request because only one of responseSchema and responseJsonSchema may be set."
        )
    if schemas and kind == "text/plain":
        raise invalid_argument(
            f"Unable to submit request because {schemas[0]} is set but responseMimeType is {kind}: response "
            "schemas need application/json or text/x.enum."
        )
    if "responseSchema" in config:
        tools.check_schema(config["responseSchema"], "generation_config.response_schema", root=True)
    if not isinstance(config.get("responseJsonSchema", {}), dict):
        raise invalid_argument(
            "Invalid value at 'generation_config.response_json_schema': a JSON schema is an object"
        )
    tools.check_references(config.get("responseJsonSchema"), "generation_config.response_json_schema")


def _check_thinking(config: JSON, kind: Generation) -> None:
    budget, level = config.get("thinkingBudget"), config.get("thinkingLevel")
    if not kind.thinks and (config.get("includeThoughts") or budget or level):
        raise invalid_argument("Unable to submit request because thinking is not supported by this model.")
    if budget is not None and level is not None:
        raise invalid_argument(
            "Unable to submit request because only one of thinking_budget and thinking_level may be set."
        )
    if level is not None:
        if kind.version < FIRST_SIGNING:
            raise invalid_argument(
                "Unable to submit request because thinking_level is not supported by this model."
            )
        if level in kind.refused_levels:
            raise invalid_argument(
                f"Thinking level {level} is not supported for this model. Please retry with other "
                "thinking level."
            )
    if budget is not None and kind.thinks:
        _check_budget(budget, kind)
    if config.get("includeThoughts") and budget == 0:
        raise invalid_argument(
            "Unable to submit request because thinking_config.include_thoughts is only enabled "
            "when thinking is "
            "enabled."
        )


def _check_budget(budget: int, kind: Generation) -> None:
    low, high = kind.budgets
    if budget == 0 and kind.can_stop:
        return
    if budget == 0:
        raise invalid_argument("Budget 0 is invalid. This model only works in thinking mode.")
    if budget != -1 and not low <= budget <= high:
        raise invalid_argument(
            f"The thinking budget {budget} is invalid. Please choose a value between {low} and {high}."
        )


# The rest


def _check_cached(body: JSON) -> None:
    if not re.fullmatch(r"projects/[^/]+/locations/[^/]+/cachedContents/[^/]+", body["cachedContent"]):
        raise invalid_argument(f"Invalid cached content name: {body['cachedContent']}.")
    if {"systemInstruction", "tools", "toolConfig"} & body.keys():
        raise invalid_argument(
            "Tool config, tools and system instruction should not be set in the request when "
            "using cached content."
        )


LABEL = re.compile(r"[a-z0-9_-]{0,63}")


def _check_labels(labels: JSON) -> None:
    for name, value in labels.items():
        if not (LABEL.fullmatch(name) and name and LABEL.fullmatch(value)):
            raise invalid_argument(
                f"Invalid label `{name}`: keys and values are at most 63 of a-z, 0-9, _ and -."
            )
