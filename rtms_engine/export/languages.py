"""The languages that Zoom transcribes, as MP4 spells them: three letters (ISO 639-2/T, ISO/IEC 14496-12 §8.4.2)."""

from collections import Counter
from collections.abc import Iterable

import msgspec

_THREE_LETTERS = {
    "ar": "ara", "bn": "ben", "yue": "yue", "ca": "cat", "zh": "zho", "cs": "ces", "da": "dan", "nl": "nld",
    "en": "eng", "et": "est", "fi": "fin", "fr": "fra", "de": "deu", "he": "heb", "hi": "hin", "hu": "hun",
    "id": "ind", "it": "ita", "ja": "jpn", "ko": "kor", "ms": "msa", "fa": "fas", "pl": "pol", "pt": "por",
    "ro": "ron", "ru": "rus", "es": "spa", "sv": "swe", "tl": "tgl", "ta": "tam", "te": "tel", "th": "tha",
    "tr": "tur", "uk": "ukr", "vi": "vie",
}  # fmt: skip
"""By the first part of a BCP 47 tag; Cantonese is of ISO 639-3."""


class _Said(msgspec.Struct):
    """What must be known of a sentence."""

    text: str = ""
    lang: str = ""


_decode = msgspec.json.Decoder(_Said).decode


def language_of(lines: Iterable[bytes]) -> str:
    """The language in which most is said, of the lines of a ``transcript.jsonl``, in three letters; ``und`` if
    none of them says one. Pure.
    """
    spoken: Counter[str] = Counter()
    for line in lines:
        try:
            said = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if known := _THREE_LETTERS.get(said.lang.partition("-")[0].lower()):
            spoken[known] += len(said.text)
    return max(spoken, key=lambda one: spoken[one], default="und")
