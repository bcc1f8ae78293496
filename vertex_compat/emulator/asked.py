"""One call to a model, as its path and body say it: what the rooms of the emulator are handed."""

import base64
import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass

from vertex_compat.emulator.answers import JSON
from vertex_compat.emulator.faults import Fault

HEX = "0123456789abcdef"
LETTERS = string.ascii_lowercase
BASE62 = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that found its room: authenticated, its body a JSON object."""

    version: str
    project: str
    location: str
    model: str  # from the path; "" where the body says it
    verb: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: JSON
    number: int  # how many calls came before
    fault: Fault

    def made_up(self, label: str, alphabet: str, length: int) -> str:
        """A random-looking id: the same one for the same label of the same call."""
        seed = hashlib.shake_256(f"{self.number}:{self.model}:{label}".encode()).digest(length)
        return "".join(alphabet[byte % len(alphabet)] for byte in seed)

    @property
    def resource(self) -> str:
        """The place that was called, as Google's messages name it."""
        return f"projects/{self.project}/locations/{self.location}"


def signature(secret: str) -> str:
    """Stand in for an opaque signature: base64, and only this text has it."""
    return base64.b64encode(hashlib.shake_256(f"emulator:{secret}".encode()).digest(48)).decode()
