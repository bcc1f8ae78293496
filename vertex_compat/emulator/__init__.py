"""A Vertex AI to run against, with Cloud Storage, Text-to-Speech and the metadata server, all strict.

`python -m vertex_compat.emulator --help` says how to run it by itself and which model names make it fail;
tests run it on a thread:

    with Emulator() as emulator:
        ...

Not here: images but for a pixel, sounds but for silence; connections are not kept alive.

It speaks only Vertex's side and imports nothing of the translators, so that it cannot share their mistakes.
"""

from vertex_compat.emulator.app import App
from vertex_compat.emulator.journal import Call
from vertex_compat.emulator.server import Emulator

__all__ = ["App", "Call", "Emulator"]
