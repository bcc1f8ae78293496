"""LiteLLM's `enforce_validation`: an answer that does not fit its JSON Schema is an error.

https://docs.litellm.ai/docs/completion/json_mode. The check is `jsonschema`'s, which is not installed with
the function: it is imported for the requests that ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON

_MAX_REASON: Final = 500


def validator(given: JSON) -> Callable[[str], None] | None:
    """What raises `SchemaMismatch` for an answer that does not fit, None if the client wants no check."""
    asked: JSON = given.get("response_format") or {}
    if not (asked.get("enforce_validation") or given.get("enforce_validation")):
        return None
    schema = asked.get("response_schema") or (asked.get("json_schema") or {}).get("schema") or {}
    errors_of = _errors_of(schema)

    def validate(answer: str) -> None:
        try:
            value = msgspec.json.decode(answer)
        except (ValueError, RecursionError) as error:
            raise errors.SchemaMismatch(f"The model's answer is not valid JSON: {error}.", answer) from None
        if reason := errors_of(value):
            raise errors.SchemaMismatch(f"The model's answer does not fit the schema: {reason}", answer)

    return validate


def _errors_of(schema: JSON) -> Callable[[Any], str | None]:
    """What is wrong with a value, None if nothing. Nothing is fetched, whatever the schema refers to."""
    try:
        import jsonschema  # noqa: PLC0415  (installed by those who want the check)
        import referencing  # noqa: PLC0415
    except ImportError:
        raise errors.BadRequest(
            "'enforce_validation' needs the package 'jsonschema': add it to requirements.txt.",
            param="response_format.enforce_validation",
            code="unsupported_parameter",
        ) from None
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise errors.BadRequest(
            f"The schema is not valid: {error.message[:_MAX_REASON]}.", param="response_format"
        ) from None
    checker = kind(schema, registry=referencing.Registry())

    def reason(value: Any) -> str | None:
        try:
            found = jsonschema.exceptions.best_match(checker.iter_errors(value))
        except referencing.exceptions.Unresolvable as error:
            raise errors.BadRequest(
                f"The schema refers to {error.ref!r}, which is not in it.", param="response_format"
            ) from None
        return f"{found.json_path}: {found.message[:_MAX_REASON]}." if found else None

    return reason
