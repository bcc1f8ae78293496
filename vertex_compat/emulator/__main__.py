"""Run the emulator in the foreground."""

import argparse
import os
import sys
import threading

from vertex_compat.emulator.faults import FAULTS, HEADER
from vertex_compat.emulator.server import Emulator


def main() -> None:
    """Serve until interrupted, or with `--until-stdin-closes` until stdin ends."""
    options = _parser().parse_args()
    emulator = Emulator(
        host=options.host, port=options.port, pace=options.pace, token_lifetime=options.token_lifetime
    )
    print(f"listening on {emulator.url}", flush=True)
    if options.until_stdin_closes:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    emulator.serve()


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)  # ends the process from this thread, without waiting for the others


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, FAULTS))
    faults = "\n".join(f"  {name.ljust(width)}  {meaning}" for name, meaning in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m vertex_compat.emulator",
        description=(
            "Vertex AI, Cloud Storage, Text-to-Speech and the GCE metadata server on loopback.\n"
            "The models repeat the prompt; a request that Google would refuse is refused.\n"
            "`python main.py --emulator` starts it together with the function; this starts it alone."
        ),
        epilog=(
            "Point Google's clients at it, with URL and HOST:PORT as it prints them:\n"
            "  GOOGLE_VERTEX_BASE_URL=URL GOOGLE_VERTEX_DEDICATED_BASE_URL=URL\n"
            "  GOOGLE_TEXTTOSPEECH_BASE_URL=URL STORAGE_EMULATOR_HOST=URL\n"
            "  GOOGLE_DISCOVERYENGINE_BASE_URL=URL GOOGLE_LANGUAGE_BASE_URL=URL\n"
            "  GOOGLE_MODELARMOR_BASE_URL=URL GOOGLE_IAMCREDENTIALS_BASE_URL=URL\n"
            "  GCE_METADATA_HOST=HOST:PORT GCE_METADATA_IP=HOST:PORT\n\n"
            "A call needs a token from the metadata server. "
            "GET URL/emulator/calls lists the calls received; DELETE clears the list.\n\n"
            "A model whose name contains not-found or nonexistent does not exist, nor does an endpoint whose "
            "id begins with 404.\nThe model calls a tool when the prompt contains its name or the word tool, "
            "and two tools when it contains parallel.\n\n"
            f"Faults, by a model name that contains emulator-FAULT (gemini-emulator-cut-2) or by the header "
            f"{HEADER}: FAULT:\n{faults}"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8085, help="port; 0 picks a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--pace",
        type=float,
        default=0.05,
        metavar="SECONDS",
        help="between stream events (default: %(default)s)",
    )
    parser.add_argument(
        "--token-lifetime",
        type=float,
        default=3599,
        metavar="SECONDS",
        help="of access tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="end when stdin reaches its end, as when a parent dies",
    )
    return parser


if __name__ == "__main__":
    main()
