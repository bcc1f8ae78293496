"""Which of OpenAI's parameters a publisher takes, and what becomes of the others.

Each parameter is, per publisher, in exactly one place: `sent` (the same value under the publisher's name),
`shaped` (by a function of the publisher's), `ignored` (named in the answer's `x-vertex-compat-ignored`) or
`refused` (a 400, where ignoring it would give the client something else than it asked for). One that stands
nowhere is ignored; `pass_unknown` sends it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vertex_compat import errors
from vertex_compat.types import JSON

OF_THE_OPERATION = frozenset({"enforce_validation", "model", "stream", "stream_options"})
"""What `operations.chat` sees to for every publisher."""


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """The table of one publisher."""

    renamed: Mapping[str, str]
    handled: frozenset[str]
    ignored: frozenset[str]
    refused: frozenset[str] = field(default_factory=frozenset)
    pass_unknown: bool = False

    def apply(self, body: JSON) -> tuple[JSON, list[str]]:
        """What is sent under the publisher's names, and the names of what is ignored."""
        for name in self.refused & body.keys():
            raise errors.BadRequest(
                f"The parameter {name!r} is not supported for this model.",
                param=name,
                code="unsupported_parameter",
            )
        sent = {theirs: body[ours] for ours, theirs in self.renamed.items() if ours in body}
        rest = [
            name
            for name in body
            if name not in self.renamed and name not in self.handled and name not in OF_THE_OPERATION
        ]
        if not self.pass_unknown:
            return sent, rest
        unknown = [name for name in rest if name not in self.ignored]
        return sent | {name: body[name] for name in unknown}, [name for name in rest if name in self.ignored]


def max_tokens(body: JSON) -> int | None:
    """The limit the client has set, under the new name or the old one."""
    limit: int | None = body.get("max_completion_tokens", body.get("max_tokens"))
    return limit


def stop(body: JSON) -> list[str]:
    """`stop` as a list, without the empty strings that no publisher takes."""
    stops = body.get("stop", [])
    return [one for one in ([stops] if isinstance(stops, str) else stops) if one]
