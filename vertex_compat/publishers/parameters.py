"""Table of OpenAI's parameters: which a publisher takes, ignores or refuses.

Each parameter is, per publisher, in exactly one of four sets. A parameter in no set is ignored or, with
`pass_unknown`, sent as it is.

* `renamed`: sent with the same value under the publisher's name.
* `handled`: translated by a function of the publisher.
* `ignored`: not sent, and named in `x-vertex-compat-ignored`.
* `refused`: a 400, where ignoring it would return something else than requested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON, ClientRequest

HANDLED_BY_OPERATION: Final = frozenset({"enforce_validation", "model", "stream", "stream_options"})
"""Parameters that `operations.chat` handles for every publisher."""

DEFAULTS: Final[Mapping[str, Sequence[Any]]] = {
    "frequency_penalty": (0,),
    "instructions": ("",),
    "logprobs": (False,),
    "modalities": (["text"],),
    "presence_penalty": (0,),
    "reasoning_effort": ("",),
    "service_tier": ("auto", "default"),
    "speed": (1,),
}
"""Parameters → values that mean the same as leaving the parameter out."""


class ParameterTable(msgspec.Struct, frozen=True):
    """The parameters of one publisher."""

    renamed: Mapping[str, str]
    handled: frozenset[str]
    ignored: frozenset[str]
    refused: frozenset[str] = msgspec.field(default_factory=frozenset)
    pass_unknown: bool = False

    def apply(self, body: JSON, rejected: Sequence[str] = ()) -> tuple[JSON, list[str]]:
        """Return the parameters that are sent as they are, and the names of those that are ignored.

        `rejected` are ignored too, though the table would send them as they are. Raises `BadRequest` for a
        refused parameter.
        """
        if dropped := body.keys() & (set(rejected) - self.handled):
            accepted, ignored = self.apply({name: body[name] for name in body if name not in dropped})
            return accepted, [*ignored, *(n for n in body if n in dropped and not _is_neutral(n, body[n]))]
        self._check_refused(body)
        accepted = {new: body[name] for name, new in self.renamed.items() if name in body}
        unsent = [name for name, value in body.items() if self._is_unsent(name, value)]
        if not self.pass_unknown:
            return accepted, unsent
        unknown = {name: body[name] for name in unsent if name not in self.ignored}
        return accepted | unknown, [name for name in unsent if name in self.ignored]

    def _check_refused(self, body: JSON) -> None:
        for name in body:
            if name in self.refused and not _is_neutral(name, body[name]):
                raise errors.BadRequest(
                    f"The parameter {name!r} is not supported for this model.",
                    param=name,
                    code="unsupported_parameter",
                )

    def _is_unsent(self, name: str, value: Any) -> bool:
        """Return whether a parameter has an effect that no part of the request expresses."""
        if name in self.renamed or name in self.handled or name in HANDLED_BY_OPERATION:
            return False
        return not _is_neutral(name, value)


def _is_neutral(name: str, value: Any) -> bool:
    """Return whether a value means the same as leaving the parameter out."""
    return value in DEFAULTS.get(name, ())


def max_tokens(body: JSON) -> int | None:
    """Return the client's limit, under its new name or the old one."""
    limit: int | None = body.get("max_completion_tokens", body.get("max_tokens"))
    return limit


def clamped_max_tokens(client: ClientRequest) -> int | None:
    """Return the client's limit, or the model's if it is lower; a higher one is a 400."""
    limit, longest = max_tokens(client.body), client.model.profile.max_output_tokens
    if limit is None or longest is None or limit <= longest:
        return limit
    client.ignore("max_completion_tokens" if "max_completion_tokens" in client.body else "max_tokens")
    return longest


def stop(body: JSON) -> list[str]:
    """Return `stop` as a list, without empty strings, which no publisher takes."""
    stops = body.get("stop", [])
    return [sequence for sequence in ([stops] if isinstance(stops, str) else stops) if sequence]
