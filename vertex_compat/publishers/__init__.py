"""Vertex's side: one module per publisher, and the table of them."""

from __future__ import annotations

from typing import Final

from vertex_compat.publishers import (
    ai21,
    anthropic,
    endpoints,
    google,
    mistralai,
    openapi,
    predictions,
    texttospeech,
)
from vertex_compat.wire import Publisher

PUBLISHERS: Final[dict[str, Publisher]] = {
    module.PUBLISHER.name: module.PUBLISHER
    for module in (google, anthropic, mistralai, ai21, openapi, endpoints, predictions, texttospeech)
}
