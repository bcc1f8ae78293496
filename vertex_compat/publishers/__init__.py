"""The publishers on Vertex AI, and the table of them."""

from __future__ import annotations

from typing import Final

from vertex_compat.publishers import anthropic, google
from vertex_compat.publishers.mistral import mistral
from vertex_compat.publishers.openai_compat import ai21, endpoints, maas
from vertex_compat.publishers.predict import predictions
from vertex_compat.publishers.text_to_speech import text_to_speech
from vertex_compat.types import Publisher

PUBLISHERS: Final[dict[str, Publisher]] = {
    module.PUBLISHER.name: module.PUBLISHER
    for module in (google, anthropic, mistral, ai21, maas, endpoints, predictions, text_to_speech)
}
