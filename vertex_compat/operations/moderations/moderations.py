"""`POST /moderations`, by Cloud Natural Language."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from vertex_compat import errors
from vertex_compat.model_profile import ModelProfile
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.moderations import moderations_schema
from vertex_compat.operations.request import body
from vertex_compat.services import natural_language
from vertex_compat.types import Model, ResourceTarget, Units

if TYPE_CHECKING:
    from vertex_compat.operations.answer_types import ModerationCreateResponse
    from vertex_compat.services.answer_types import Moderation

TARGET: Final = ResourceTarget("language", ("global",))

MODEL: Final = "omni-moderation-latest"
"""Name in the response if the client sends none."""

FAMILY: Final = "moderation"
"""Part of every name of a moderation model, OpenAI's and others'."""


def create(context: RequestContext) -> Response:
    """Rate each text; content parts in one list are one input, as OpenAI has it."""
    params = body.drop_nulls(body.decode(context.body, moderations_schema.Moderation))
    model = params.get("model", MODEL)
    context.log.model = model
    if FAMILY not in model:
        raise errors.NotFound(
            f"{model[:200]!r} does not moderate. Use {MODEL!r}.", param="model", code="model_not_found"
        )
    texts = _texts(params["input"])
    if context.dry_run:
        return Response(context.transport.describe(natural_language.moderate(texts[0]), TARGET))
    units = Units(items=sum(map(natural_language.units, texts)))
    priced = Model(model, "language", "", "", TARGET.locations, profile=_profile(context))
    model_calls.reserve((priced,), context, lambda _: units)
    with ThreadPoolExecutor(min(len(texts), model_calls.MAX_PARALLEL_CALLS)) as pool:
        results = list(pool.map(lambda text: _rate(text, context), texts))
    context.log.price, context.log.units = priced.profile.price, units
    answer: ModerationCreateResponse = {
        "id": f"modr-{secrets.token_hex(12)}",
        "model": model,
        "results": results,
    }
    return Response(answer)


def _profile(context: RequestContext) -> ModelProfile:
    return context.router.catalog.profile("language", "")


def _rate(text: str, context: RequestContext) -> Moderation:
    answer = model_calls.get_json(natural_language.moderate(text), TARGET, context)
    return natural_language.result(natural_language.confidences(answer))


def _texts(value: str | list[Any]) -> list[str]:
    """Return the texts to rate.

    Raises `BadRequest` for images, which Natural Language does not rate.
    """
    if isinstance(value, str):
        return [_check(value, "input")]
    if all(isinstance(item, str) for item in value):
        return [_check(text, f"input[{index}]") for index, text in enumerate(value)]
    parts = [_part(item, f"input[{index}]") for index, item in enumerate(value)]
    return [_check("\n".join(parts), "input")]


def _part(part: Any, param: str) -> str:
    if not isinstance(part, dict):
        raise errors.BadRequest(
            "'input' must be a text, a list of texts, or a list of content parts.",
            param=param,
            code="invalid_type",
        )
    if part.get("type") == "text" and not isinstance(part.get("text"), str):
        raise errors.BadRequest(f"'{param}.text' must be a text.", param=f"{param}.text", code="invalid_type")
    if part.get("type") != "text":
        raise errors.BadRequest(
            "Only texts can be moderated: Cloud Natural Language does not rate images.",
            param=param,
            code="unsupported_value",
        )
    return str(part["text"])


def _check(text: str, param: str) -> str:
    if not text.strip():
        raise errors.BadRequest("A text to moderate must not be empty.", param=param, code="invalid_value")
    return text
