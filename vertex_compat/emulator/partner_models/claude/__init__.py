"""Claude: the Messages API behind `rawPredict` and `streamRawPredict`.

As recorded, events are `event:` and `data:` lines, and the JSON is padded with spaces before its last brace.
A `ping` comes early, and there is no `[DONE]`. A body with `stream: true` gets a stream, any other an object.
"""

from vertex_compat.emulator.partner_models.claude.replies import answer, error_format

__all__ = ["answer", "error_format"]
