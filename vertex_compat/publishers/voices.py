"""Names of voices: Gemini's, and the counterparts of OpenAI's.

https://cloud.google.com/text-to-speech/docs/gemini-tts and .../docs/list-voices-and-types
"""

from __future__ import annotations

from typing import Final

GEMINI: Final = frozenset(
    {
        "Achernar",
        "Achird",
        "Algenib",
        "Algieba",
        "Alnilam",
        "Aoede",
        "Autonoe",
        "Callirrhoe",
        "Charon",
        "Despina",
        "Enceladus",
        "Erinome",
        "Fenrir",
        "Gacrux",
        "Iapetus",
        "Kore",
        "Laomedeia",
        "Leda",
        "Orus",
        "Puck",
        "Pulcherrima",
        "Rasalgethi",
        "Sadachbia",
        "Sadaltager",
        "Schedar",
        "Sulafat",
        "Umbriel",
        "Vindemiatrix",
        "Zephyr",
        "Zubenelgenubi",
    }
)

ON_GEMINI: Final = {
    "alloy": "Kore",
    "ash": "Charon",
    "ballad": "Enceladus",
    "cedar": "Algieba",
    "coral": "Aoede",
    "echo": "Puck",
    "fable": "Fenrir",
    "marin": "Callirrhoe",
    "nova": "Leda",
    "onyx": "Orus",
    "sage": "Sulafat",
    "shimmer": "Zephyr",
    "verse": "Achird",
}
"""OpenAI's voices → similar ones of Gemini's."""

ON_CLOUD: Final = {
    "alloy": "en-US-Studio-O",
    "ash": "en-US-Wavenet-A",
    "ballad": "en-GB-Wavenet-B",
    "cedar": "en-US-Wavenet-B",
    "coral": "en-US-Wavenet-C",
    "echo": "en-US-Studio-M",
    "fable": "en-GB-Studio-B",
    "marin": "en-US-Wavenet-E",
    "nova": "en-US-Studio-O",
    "onyx": "en-US-Wavenet-D",
    "sage": "en-US-Wavenet-G",
    "shimmer": "en-US-Wavenet-F",
    "verse": "en-US-Wavenet-I",
}
"""OpenAI's voices → voices of Cloud Text-to-Speech, the same as LiteLLM's where it has one."""
