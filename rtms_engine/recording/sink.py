"""The sink ``recording``: the asynchronous face of a `Recorder`."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import structlog

from ..errors import SinkError, VaultError
from ..sinks.base import Ending, Item, SinkSpec, StreamInfo
from ..sinks.delivery import Delivery, Overflow
from ..vault.files import adopt
from . import manifest
from .encoding import Align, Sound, SoundFormat
from .folder import Folder
from .recorder import Recorder
from .store import RecordingStore
from .threads import in_closing_thread

_log = structlog.get_logger()


class RecordingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be chosen about recordings."""

    directory: str = "recordings"
    """Where they go, one folder per stream below ``{date}/{meeting}/``."""
    format: SoundFormat = "wav"
    """Of the sound, when the stream is over; until then, and after a crash, it is in WAV files."""
    align: Align = "full"
    """``full``: every file of sound spans the whole stream; ``trimmed``: from its first sound to its last."""


class RecordingSink:
    """Records one stream into a folder of its own.

    Cancelling a verb does not stop the thread that serves it; the next verb waits for it.
    """

    def __init__(self, config: RecordingConfig) -> None:
        self._root = Path(config.directory)
        self._sound = Sound(config.format, config.align)
        self._recorder: Recorder | None = None
        self._failure = ""
        self._one_at_a_time = threading.Lock()

    async def open(self, stream: StreamInfo) -> None:
        """Make the folder and its manifest, or go on in the one of a resumed stream. Raises SinkError if the disk does not let us."""
        await asyncio.to_thread(self._open, stream)

    async def write(self, batch: Sequence[Item]) -> None:
        """Put a batch into its files. Raises SinkError if the disk does not let us."""
        await asyncio.to_thread(self._write, batch)

    async def close(self, ending: Ending) -> None:
        """Finish the files, or erase them if Zoom's user has revoked the right to them.

        What a full disk holds is finished as far as it goes. Raises SinkError if something that was
        well until then could not be finished, or could not be erased.
        """
        await in_closing_thread(self._close, ending)

    def _open(self, stream: StreamInfo) -> None:
        with self._one_at_a_time, self._speaking_of_the_disk():
            self._recorder = _continued(self._root, stream, self._sound) if stream.resumed else None
            if self._recorder is None:
                self._recorder = Recorder(Folder.create(self._root, stream), stream, self._sound)

    def _write(self, batch: Sequence[Item]) -> None:
        with self._one_at_a_time, self._speaking_of_the_disk():
            self._failure = "a defect of the engine; the log tells more"
            self._opened().write(batch)
            self._failure = ""

    def _close(self, ending: Ending) -> None:
        with self._one_at_a_time, self._speaking_of_the_disk():
            earlier = self._failure
            problems = self._opened().close(ending, earlier)
        if problems and not earlier:
            raise SinkError(f"the recording in {self._opened().folder.path} is incomplete: {problems}")

    def _opened(self) -> Recorder:
        if self._recorder is None:
            raise RuntimeError("the recording was not opened")
        return self._recorder

    @contextlib.contextmanager
    def _speaking_of_the_disk(self) -> Iterator[None]:
        """Name the folder and what is wrong with it."""
        try:
            yield
        except OSError as error:
            folder = self._recorder.folder.path if self._recorder else self._root
            self._failure = f"cannot write to {folder}: {error.strerror or error}"
            raise SinkError(self._failure) from error


def _continued(root: Path, stream: StreamInfo, sound: Sound) -> Recorder | None:
    """Goes on with the newest recording of a stream that was not deleted; None if there is none, somebody
    else still writes to it (an instance of this sink that hangs, for one), or its key cannot be had.
    """
    for path in reversed(manifest.recordings_of(root, stream.entity_id, stream.stream_id)):
        if manifest.load(path):
            try:
                adopt(path)
                return Recorder(Folder(path), stream, sound)
            except BlockingIOError:
                return None
            except VaultError as error:
                _log.error("RecordingLocked", stream_id=stream.stream_id, reason=str(error))
                return None
    return None


_DELIVERY = Delivery(
    linger_s=0.75,  # a batch costs the same however long it is; who is killed loses at most the last second
    overflow=Overflow(audio="spill", video="spill", share="spill"),
    timeout_s=0.0,
    retries=0,
    restarts=0,
    close_timeout_s=6 * 3600.0,
)
"""What is lost here is lost; a slow disk is waited for, and a full one is not tried again: what there is
is finished when the stream ends. To encode the sound of hours and of dozens may take a quarter of an hour."""

SPEC = SinkSpec(
    "recording",
    RecordingSink,
    RecordingConfig,
    directory=lambda config: config.directory,
    store=lambda config: RecordingStore(Path(config.directory)),
    delivery=_DELIVERY,
    encrypts=True,
)
