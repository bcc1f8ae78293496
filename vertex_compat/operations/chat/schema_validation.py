"""LiteLLM's `enforce_validation`: an answer that does not fit its JSON Schema is an error.

https://docs.litellm.ai/docs/completion/json_mode. The package `jsonschema-rs` is optional: it is imported for
requests with this parameter. Its patterns are matched in linear time, as a client's patterns must be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON

_MAX_REASON: Final = 500


def validator(params: JSON) -> Callable[[str], None] | None:
    """Return a function that raises `SchemaMismatch` for a wrong answer.

    None if the client sets no check.
    """
    response_format: JSON = params.get("response_format") or {}
    if not (response_format.get("enforce_validation") or params.get("enforce_validation")):
        return None
    schema = response_format.get("response_schema")
    schema = schema or (response_format.get("json_schema") or {}).get("schema") or {}
    find_error = _schema_checker(schema)

    def validate(answer: str) -> None:
        try:
            value = msgspec.json.decode(answer)
        except (ValueError, RecursionError) as error:
            raise errors.SchemaMismatch(f"The model's answer is not valid JSON: {error}.", answer) from None
        if reason := find_error(value):
            raise errors.SchemaMismatch(f"The model's answer does not fit the schema: {reason}", answer)

    return validate


def _schema_checker(schema: JSON) -> Callable[[Any], str | None]:
    """Return a function that gives the first error of a value, or None.

    Patterns are matched in linear time, so they have no look-around; references to URLs are not fetched.
    """
    try:
        import jsonschema_rs  # noqa: PLC0415  (optional)
    except ImportError:
        raise errors.BadRequest(
            "'enforce_validation' needs the package 'jsonschema-rs': add it to requirements.txt.",
            param="response_format.enforce_validation",
            code="unsupported_parameter",
        ) from None
    try:
        checker = jsonschema_rs.validator_for(
            schema, retriever=_refuse, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, LookupError) as error:
        raise errors.BadRequest(
            f"The schema is not valid: {_first_line(error)}.", param="response_format"
        ) from None

    def reason(value: Any) -> str | None:
        error = next(iter(checker.iter_errors(value)), None)
        if error is None:
            return None
        path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in error.instance_path)
        return f"${path}: {error.message[:_MAX_REASON]}."

    return reason


def _refuse(uri: str) -> JSON:
    raise LookupError(f"it refers to {uri!r}, which is not in it")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:_MAX_REASON]
