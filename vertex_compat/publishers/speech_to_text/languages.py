"""Language names of clients and the locales that Speech-to-Text takes.

https://cloud.google.com/speech-to-text/docs/models/chirp-3, read on 2026-11-27. OpenAI's clients send ISO 639
codes, and Speech-to-Text refuses a language without its region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

AUTO: Final = "auto"
"""Lets the model find out the language."""

LOCALES: Final = {
    "af": "af-ZA",
    "am": "am-ET",
    "ar": "ar-XA",
    "as": "as-IN",
    "ast": "ast-ES",
    "az": "az-AZ",
    "bg": "bg-BG",
    "bn": "bn-BD",
    "ca": "ca-ES",
    "cmn": "cmn-Hans-CN",
    "cs": "cs-CZ",
    "cy": "cy-GB",
    "da": "da-DK",
    "de": "de-DE",
    "el": "el-GR",
    "en": "en-US",
    "es": "es-ES",
    "et": "et-EE",
    "eu": "eu-ES",
    "fa": "fa-IR",
    "fi": "fi-FI",
    "fil": "fil-PH",
    "fr": "fr-FR",
    "gl": "gl-ES",
    "gu": "gu-IN",
    "ha": "ha-NG",
    "he": "iw-IL",
    "he-il": "iw-IL",
    "hi": "hi-IN",
    "hr": "hr-HR",
    "hu": "hu-HU",
    "hy": "hy-AM",
    "id": "id-ID",
    "is": "is-IS",
    "it": "it-IT",
    "iw": "iw-IL",
    "ja": "ja-JP",
    "jv": "jv-ID",
    "ka": "ka-GE",
    "kk": "kk-KZ",
    "km": "km-KH",
    "kn": "kn-IN",
    "ko": "ko-KR",
    "ky": "ky-KG",
    "lb": "lb-LU",
    "lo": "lo-LA",
    "lt": "lt-LT",
    "lv": "lv-LV",
    "mi": "mi-NZ",
    "mk": "mk-MK",
    "ml": "ml-IN",
    "mn": "mn-MN",
    "mr": "mr-IN",
    "ms": "ms-MY",
    "mt": "mt-MT",
    "my": "my-MM",
    "nb": "no-NO",
    "nb-no": "no-NO",
    "ne": "ne-NP",
    "nl": "nl-NL",
    "no": "no-NO",
    "nso": "nso-ZA",
    "or": "or-IN",
    "pa": "pa-Guru-IN",
    "pa-in": "pa-Guru-IN",
    "pl": "pl-PL",
    "pt": "pt-BR",
    "ro": "ro-RO",
    "ru": "ru-RU",
    "sk": "sk-SK",
    "sl": "sl-SI",
    "sq": "sq-AL",
    "sr": "sr-RS",
    "sv": "sv-SE",
    "sw": "sw-KE",
    "ta": "ta-IN",
    "te": "te-IN",
    "th": "th-TH",
    "tl": "fil-PH",
    "tr": "tr-TR",
    "uk": "uk-UA",
    "uz": "uz-UZ",
    "vi": "vi-VN",
    "wo": "wo-SN",
    "xh": "xh-ZA",
    "yo": "yo-NG",
    "yue": "yue-Hant-HK",
    "zh": "cmn-Hans-CN",
    "zh-cn": "cmn-Hans-CN",
    "zh-hans": "cmn-Hans-CN",
    "zh-hant": "cmn-Hant-TW",
    "zh-hk": "yue-Hant-HK",
    "zh-tw": "cmn-Hant-TW",
    "zu": "zu-ZA",
}
"""A client's name of a language, in lower case → its locale. Any other name is sent as it is."""

UNSPACED: Final = frozenset({"cmn", "ja", "km", "lo", "my", "th", "yue", "zh"})
"""Languages whose sentences are written without a space between them."""


def codes(names: Sequence[str]) -> list[str]:
    """Return the locales of the languages that may be spoken; `auto` if none is named."""
    return [LOCALES.get(name.lower().replace("_", "-"), name) for name in names] or [AUTO]


def separator(locale: str) -> str:
    """Return the text between two sentences of a language."""
    return "" if locale.lower().partition("-")[0] in UNSPACED else " "
