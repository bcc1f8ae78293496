"""The segments of a Speech-to-Text response: sentences, with speaker, times and words.

A result may be a minute of speech. Its words have times, and no other part of it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vertex_compat.json_values import items, text
from vertex_compat.publishers.speech_to_text import languages
from vertex_compat.types import JSON, DeltaFields

SENTENCE_ENDS: Final = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u0964", "\u061f")

_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def seconds(duration: object) -> float | None:
    """Return the seconds of a ProtoJSON duration such as `1.560s`, None if it is none."""
    match = _DURATION.fullmatch(text(duration))
    return float(match[1]) if match else None


def fields_of_results(response: JSON) -> Iterator[DeltaFields]:
    """Yield, for each result with words, the fields of a delta: `content` and `segments`."""
    space = ""
    for result in items(response.get("results")):
        best = next(iter(items(result.get("alternatives"))), {})
        if transcript := text(best.get("transcript")).strip():
            yield {"content": space + transcript, "segments": list(_segments(transcript, best, result))}
            space = languages.separator(text(result.get("languageCode")))


def _segments(transcript: str, alternative: JSON, result: JSON) -> Iterator[JSON]:
    """Yield the sentences of a result.

    It is one segment if it has no words, or if a word cannot be found in its text.
    """
    language = text(result.get("languageCode")) or None
    words = items(alternative.get("words"))
    ends = _ends(transcript, words)
    if not ends:
        yield {"text": transcript, "end": seconds(result.get("resultEndOffset")), "language": language}
        return
    start = first = 0
    for index, word in enumerate(words):
        is_last = index + 1 == len(words)
        speaker = text(word.get("speakerLabel"))
        if is_last or text(words[index + 1].get("speakerLabel")) != speaker or _ends_sentence(word):
            end = len(transcript) if is_last else ends[index]
            yield {
                "text": transcript[start:end].strip(),
                "speaker": speaker or None,
                "language": language,
                "words": [_word(item) for item in words[first : index + 1]],
            }
            start, first = end, index + 1


def _ends(transcript: str, words: list[JSON]) -> list[int]:
    """Return where each word ends in the transcript; empty if a word is not there."""
    ends: list[int] = []
    position = 0
    for word in words:
        start = transcript.find(text(word.get("word")), position)
        if start < 0:
            return []
        position = start + len(text(word.get("word")))
        ends.append(position)
    return ends


def _ends_sentence(word: JSON) -> bool:
    return text(word.get("word")).endswith(SENTENCE_ENDS)


def _word(word: JSON) -> JSON:
    """Return a word with its times. ProtoJSON omits an offset of 0."""
    start = seconds(word.get("startOffset")) or 0.0
    end = seconds(word.get("endOffset"))
    return {"word": text(word.get("word")), "start": start, "end": start if end is None else end}
