"""The sink that writes what Zoom's samples write: a file for each track, with the bytes as they came.

In ``{directory}/{path_safe(stream_id)}/``:

* ``{user_id}.raw`` for each voice and ``mixed.raw`` for Zoom's mix: PCM without a header, one packet behind
  the other. There is no silence where Zoom sent nothing; who wants time to be true takes ``recording``.
  With other codecs ``.alaw``, ``.g722`` and ``.opus`` (Opus packets, each behind its length in two bytes).
* ``combined.h264`` for the camera, or with single-participant video ``{user_id}.h264``; ``share.h264``. Pictures
  are files of their own: ``camera/{timestamp_ms}.jpg``, ``share/{timestamp_ms}.jpg``.
* ``transcript.vtt``, ``.srt`` and ``.txt``, made from ``transcript.jsonl`` every now and then; ``chat.jsonl``.

Besides, ``.stream.json`` says whose stream it is. A stream that comes back is appended to. One that is revoked
leaves nothing.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from ..errors import SinkError
from ..model.frames import AudioFrame, ChatMessage, ShareFrame, Speaker, TranscriptSegment, VideoFrame
from ..model.ids import path_safe
from ..model.media import AudioCodec
from ..model.reasons import Outcome
from ..recording.folder import Folder
from ..recording.text import VTT_HEADER, Sentence, Transcript, json_lines, srt, vtt
from ..vault import files
from ..vault.files import adopt, replacing
from . import folders
from .base import Ending, Item, SinkSpec, StreamInfo
from .lines import item_line

SUBTITLES_S = 10.0
"""How often the subtitles are written anew while somebody speaks."""
_SUFFIXES: dict[AudioCodec, str] = {"l16": ".raw", "g711": ".alaw", "g722": ".g722", "opus": ".opus"}


_decode_sentence = msgspec.json.Decoder(Sentence).decode


class RawConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of ``[[sinks]] type = "raw"``."""

    directory: str = "raw"
    """Where the folders of the streams lie; it is made if it is missing, for its owner alone."""


class RawSink:
    """Writes the files of one stream. Blocks: it is declared so."""

    _stream: StreamInfo

    def __init__(self, config: RawConfig) -> None:
        self._root = Path(config.directory)
        self._folder = Folder(self._root)
        self._transcript = Transcript()
        self._subtitles_at: float | None = None
        self._unwritten = False
        self._batch: Sequence[Item] = ()
        self._sentences: list[Sentence] = []

    def open(self, stream: StreamInfo) -> None:
        """Make the folder, or go on in it. Raises SinkError if that is not possible."""
        self._stream = stream
        self._folder = Folder(self._root / path_safe(stream.stream_id))
        with self._translated():
            folders.prepare(self._folder.path, stream)
            adopt(self._folder.path)
            self._remember()

    def write(self, batch: Sequence[Item]) -> None:
        """Add a batch to the files, or nothing of it. Raises SinkError if the disk does not let us."""
        with self._translated(), _Additions(self._folder) as additions:
            segments = [item for item in batch if isinstance(item, TranscriptSegment)]
            for item in batch:
                self._add(item, additions)
            if segments:
                if batch is not self._batch:  # else it is tried again, and these are in the transcript
                    self._batch = batch
                    self._sentences = [
                        self._transcript.take(segment, segment.timestamp_ms) for segment in segments
                    ]
                additions.append("transcript.jsonl", json_lines(self._sentences))
                self._unwritten = True
        if segments and self._is_time(segments[-1].received_at):
            with self._translated():
                self._write_subtitles()

    def close(self, ending: Ending) -> None:
        """Write the last subtitles; or delete everything if the stream was revoked."""
        with self._translated():
            if ending.stop_reason.outcome is Outcome.ERASE:
                folders.delete(self._folder.path)
            elif self._unwritten:
                self._write_subtitles()

    def _remember(self) -> None:
        """Read what an earlier sink has heard; its last line may be cut off."""
        path = self._folder.path / "transcript.jsonl"
        log = files.read(path) if path.exists() else b""
        for line in log.splitlines():
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._transcript.read(_decode_sentence(line))
        if not log.endswith(b"\n") and log:
            self._folder.append(path.name, b"\n")

    def _add(self, item: Item, additions: "_Additions") -> None:
        match item:
            case AudioFrame(params=params, payload=payload):
                if params.codec == "opus":
                    payload = len(payload).to_bytes(2, "big") + payload
                stem = "mixed" if item.mixed else _stem(item.speaker)
                additions.append(stem + _SUFFIXES[params.codec], payload)
            case VideoFrame(codec="h264", payload=payload):
                alone = self._stream.media.video.mode == "single_participant"
                additions.append(f"{_stem(item.speaker) if alone else 'combined'}.h264", payload)
            case ShareFrame(codec="h264", payload=payload):
                additions.append("share.h264", payload)
            case VideoFrame() | ShareFrame():
                folder = "share" if isinstance(item, ShareFrame) else "camera"
                additions.store(f"{folder}/{item.timestamp_ms}", f".{item.codec}", item.payload)
            case ChatMessage():
                additions.append("chat.jsonl", json_lines([item_line(item, media=False)]))

    def _is_time(self, now: float) -> bool:
        if self._subtitles_at is not None and now - self._subtitles_at < SUBTITLES_S:
            return False
        self._subtitles_at = now
        return True

    def _write_subtitles(self) -> None:
        t0_ms = self._stream.started_ms
        sentences = self._transcript.in_order()
        numbered = srt(sentences, t0_ms, _name_of)
        texts = {
            "transcript.vtt": VTT_HEADER + vtt(sentences, t0_ms, _name_of),
            "transcript.srt": numbered,
            "transcript.txt": _plain(numbered),
        }
        for name, text in texts.items():
            self._folder.replace(name, text.encode("utf-8", "replace"), lasting=False)
        self._unwritten = False

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SinkError(f"cannot write to {self._folder.path}: {error.strerror or error}") from error


class _Additions:
    """What one batch adds: all of it, or if the block fails nothing."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._appended: dict[str, list[bytes]] = {}
        self._sizes: dict[Path, int] = {}
        self._stored: list[Path] = []

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file, at the end of the block."""
        self._appended.setdefault(name, []).append(data)

    def store(self, stem: str, suffix: str, data: bytes) -> None:
        """Write a file of its own."""
        claimed = self._folder.claim(stem, suffix)
        self._stored.append(claimed)
        with replacing(claimed, lasting=False) as file:
            file.write(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self._undo()
            return
        try:
            for name, parts in self._appended.items():
                path = self._folder.path / name
                self._sizes[path] = files.size_of(path) if path.exists() else 0
                self._folder.append(name, b"".join(parts))
        except OSError:
            self._undo()
            raise

    def _undo(self) -> None:
        for path, size in self._sizes.items():
            with contextlib.suppress(OSError):  # what has failed may fail again; the first says why
                files.truncate(path, size)
        for path in self._stored:
            path.unlink(missing_ok=True)


def _stem(speaker: Speaker) -> str:
    return path_safe(speaker.channel_id) if speaker.channel_id else str(speaker.user_id)


def _plain(srt: str) -> str:
    """``[00:00:01] Name: text``, a line for each subtitle."""
    cues = (cue.split("\n") for cue in srt.split("\n\n") if cue.strip())
    return "".join(f"[{times.partition(',')[0]}] {text}\n" for _, times, text, *_ in cues)


def _name_of(speaker: Speaker) -> str:
    return speaker.name


SPEC = SinkSpec(
    "raw",
    RawSink,
    RawConfig,
    directory=lambda config: config.directory,
    blocking=True,
    store=lambda config: folders.FolderStore(Path(config.directory)),
    encrypts=True,
)
