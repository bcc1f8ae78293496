"""A request to a model: path, headers, decoded body, and the fault it selects."""

import base64
import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass

from vertex_compat.emulator.faults import Fault
from vertex_compat.emulator.protocol.responses import JSON

HEX = "0123456789abcdef"
LETTERS = string.ascii_lowercase
BASE62 = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """An authenticated request whose body is a JSON object."""

    version: str
    project: str
    location: str
    model: str  # from the path; "" if the body names it
    verb: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: JSON
    number: int  # position in the journal
    fault: Fault

    def generated_id(self, label: str, alphabet: str, length: int) -> str:
        """Return a random-looking id, determined by the request and `label`."""
        seed = hashlib.shake_256(f"{self.number}:{self.model}:{label}".encode()).digest(length)
        return "".join(alphabet[byte % len(alphabet)] for byte in seed)

    @property
    def resource(self) -> str:
        """The project and location, as in Google's messages."""
        return f"projects/{self.project}/locations/{self.location}"


def signature(secret: str) -> str:
    """Return a stand-in for an opaque signature, in base64; equal texts have equal signatures."""
    return base64.b64encode(hashlib.shake_256(f"emulator:{secret}".encode()).digest(48)).decode()
