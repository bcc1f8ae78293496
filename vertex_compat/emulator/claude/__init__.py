"""Claude: the Messages API behind `rawPredict` and `streamRawPredict`.

Recorded: events are `event:` and `data:` lines, the JSON is padded with spaces before its last brace, a
`ping` comes early, and nothing says `[DONE]`. A body with `stream: true` gets a stream, any other an object.
"""

from vertex_compat.emulator.claude.replies import answer, dialect

__all__ = ["answer", "dialect"]
