"""An emulator of Vertex AI, Cloud Storage, Text-to-Speech and the metadata server.

Requests are checked as strictly as Google checks them. `python -m vertex_compat.emulator --help` explains how
to run it alone and lists the model names that produce faults. Tests run it on a thread:

    with Emulator() as emulator:
        ...

Not emulated: every image is one pixel, and every sound is silence.

It implements only Google's side and imports nothing from the translators, so it cannot repeat their mistakes.
"""

from vertex_compat.emulator.app import App
from vertex_compat.emulator.journal import Call
from vertex_compat.emulator.server import Emulator

__all__ = ["App", "Call", "Emulator"]
