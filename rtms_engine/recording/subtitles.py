"""``transcript.vtt`` and ``transcript.srt`` while the stream runs, at a cost that does not grow with it.

What is new is appended. That leaves out corrections and names that came late, so the files are made
anew at the end, and meanwhile when something in them is wrong and the transcript has grown by half since
they were: all in all as often as a sentence is written, whatever the length of the meeting.
"""

from collections.abc import Sequence

from ..model.frames import TranscriptOperation
from .folder import Folder
from .text import VTT_HEADER, NameOf, Sentence, Transcript, srt, vtt

VTT, SRT = "transcript.vtt", "transcript.srt"

_GROWN = 1.5


class Subtitles:
    """The two files of one recording. What blocks raises OSError."""

    def __init__(self, folder: Folder, transcript: Transcript) -> None:
        self._folder = folder
        self._transcript = transcript
        self._cues = 0
        """How many sentences were put into the files."""
        self._made_at = 0
        """How many messages there were when the files were last made anew."""
        self._t0_ms: int | None = None
        """What the files count from; None: nobody knows, an earlier engine made them."""
        self._is_right = True

    def extend(self, lines: Sequence[Sentence], t0_ms: int, name_of: NameOf) -> None:
        """Take notice of new lines of the log. Blocks."""
        new = [line for line in lines if _is_new(line)]
        self._is_right = self._is_right and len(new) == len(lines)
        is_due = not self._is_right and self._transcript.taken >= self._made_at * _GROWN
        if is_due or t0_ms != self._t0_ms:
            self.make(t0_ms, name_of)
            return
        self._folder.append(VTT, vtt(new, t0_ms, name_of).encode())
        self._folder.append(SRT, ("\n" + srt(new, t0_ms, name_of, self._cues + 1)).encode())
        self._cues += len(new)

    def make(self, t0_ms: int, name_of: NameOf) -> None:
        """Make them anew, in order, if there is a transcript: corrections and late names are in. Blocks."""
        if not self._transcript.taken:
            return
        sentences = self._transcript.in_order()
        self._folder.replace(VTT, (VTT_HEADER + vtt(sentences, t0_ms, name_of)).encode(), lasting=False)
        self._folder.replace(SRT, srt(sentences, t0_ms, name_of).encode(), lasting=False)
        self._cues, self._made_at, self._t0_ms = len(sentences), self._transcript.taken, t0_ms
        self._is_right = True


def _is_new(line: Sentence) -> bool:
    """Whether it says nothing of a sentence that may be in the files."""
    is_first = line.rev == 1 and line.operation is TranscriptOperation.UPDATE
    return is_first or line.operation is TranscriptOperation.NEW
