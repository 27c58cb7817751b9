"""The media of a script as timed wire messages, for the parameters that were negotiated.

Pure: files are read once, when a `Media` is made. A `Frame` is a message that lacks only the
stream's own clock, so that all streams which play one script with the same parameters share it.
"""

import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from ..model.media import MediaKind
from . import pictures, sound
from .pictures import Picture
from .script import Camera, Script, Share, Utterance

Params = Mapping[str, Any]

MIXED, PER_PARTICIPANT, ACTIVE_SPEAKER, SINGLE_PARTICIPANT = 1, 2, 3, 4
"""MEDIA_DATA_OPTION (V1.md §9.8)."""
MOST_SPEAKERS = 3
"""At most so many participants in one interval (V1.md §4.2.1, data_opt)."""
TRANSCRIPT_DELAY_MS = 400
"""How long after an utterance its line comes."""

MESSAGE_TYPE = {
    MediaKind.AUDIO: 14,
    MediaKind.VIDEO: 15,
    MediaKind.SHARE: 16,
    MediaKind.TRANSCRIPT: 17,
    MediaKind.CHAT: 18,
}


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message of media; times are milliseconds of the script."""

    kind: MediaKind
    due_ms: int
    """When it exists, so that it can be sent: a packet of sound at its end."""
    timestamp_ms: int
    user_id: int
    is_key: bool
    """Whether a receiver can begin with it."""
    size: int
    """Bytes of payload."""
    digest: int
    """CRC-32 of the payload."""
    head: bytes
    """The message up to its times."""
    times: tuple[tuple[bytes, int], ...]

    def encode(self, epoch_ms: int) -> bytes:
        """The message of a stream whose millisecond 0 is ``epoch_ms``."""
        return self.head + b"".join([b',"%s":%d' % (key, epoch_ms + ms) for key, ms in self.times]) + b"}}"


class _Who(NamedTuple):
    user_id: int
    user_name: str


class _Shot(NamedTuple):
    """A camera's or a share's pictures at their own rate."""

    who: _Who
    start_ms: int
    end_ms: int
    fps: int
    codec: int
    pictures: list[Picture]


_MIX = _Who(0, "")
_due = attrgetter("due_ms")


class Media:
    """A script with its files loaded."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._cameras = [_camera_shot(script, camera) for camera in script.video]
        self._shares = [_share_shot(script, share) for share in script.share]
        self._clips = {
            utterance.file: sound.read_pcm(script.path(utterance.file), 16000)
            for utterance in script.utterances
            if utterance.file
        }
        self._made: dict[tuple[Any, ...], list[Frame]] = {}

    def cameras(self) -> list[tuple[int, int, int]]:
        """Whose camera is on, from when, until when."""
        return [(shot.who.user_id, shot.start_ms, shot.end_ms) for shot in self._cameras]

    def frames(self, kind: MediaKind, params: Params, *, channels: bool = False) -> list[Frame]:
        """Everything that is sent of one kind, in the order in which it is due.

        Args:
            kind: of media.
            params: the effective ``media_params`` of this kind, Zoom's numbers.
            channels: name a ``channel_id`` too (Contact Center).
        """
        key = (kind, channels, *sorted(params.items()))
        if key not in self._made:
            made = sorted(self._make(kind, dict(params), channels), key=_due)
            self._made[key] = made
        return self._made[key]

    def _make(self, kind: MediaKind, params: dict[str, Any], channels: bool) -> Iterator[Frame]:
        match kind:
            case MediaKind.AUDIO if params["data_opt"] == MIXED:
                return self._mixed_audio(params)
            case MediaKind.AUDIO:
                return self._audio(params, channels)
            case MediaKind.VIDEO:
                return self._video(params)
            case MediaKind.SHARE:
                return (frame for shot in self._shares for frame in _picture_frames(kind, shot, params))
            case MediaKind.TRANSCRIPT:
                return self._transcript(channels)
            case MediaKind.CHAT:
                return self._chat()

    # --- audio (V1.md §6.3) ---

    def _pcm(self, utterance: Utterance, rate_hz: int) -> sound.Pcm:
        span_ms = utterance.end_ms - utterance.start_ms
        if not utterance.file:
            return sound.stamped_pcm(utterance.user_id, utterance.start_ms, utterance.end_ms, rate_hz)
        clip = self._clips[utterance.file][: span_ms * 16]
        return clip if rate_hz == 16000 else sound.resampled(clip, 16000, rate_hz)

    def _audio(self, params: dict[str, Any], channels: bool) -> Iterator[Frame]:
        utterances = self.script.utterances
        channel = {who.user_id: str(n + 1) for n, who in enumerate(self.script.participants)}
        for rank, utterance in enumerate(utterances):
            earlier = [
                other
                for other_rank, other in enumerate(utterances)
                if (other.start_ms, other_rank) < (utterance.start_ms, rank)
                and other.end_ms > utterance.start_ms
            ]
            extra = {"channel_id": channel[utterance.user_id]} if channels else {}
            pcm = self._pcm(utterance, sound.RATE_HZ[params["sample_rate"]])
            for frame in _sound_frames(
                _Who(utterance.user_id, utterance.user_name), utterance.start_ms, pcm, params, extra
            ):
                if sum(other.end_ms > frame.timestamp_ms for other in earlier) < MOST_SPEAKERS:
                    yield frame

    def _mixed_audio(self, params: dict[str, Any]) -> Iterator[Frame]:
        rate_hz = sound.RATE_HZ[params["sample_rate"]]
        said = self.script.utterances
        clips = [(one.start_ms * rate_hz // 1000, self._pcm(one, rate_hz)) for one in said]
        pcm = sound.mixed(clips, self.script.duration_ms * rate_hz // 1000)
        return _sound_frames(_MIX, 0, pcm, params, {})

    # --- video (V1.md §6.4) ---

    def _video(self, params: dict[str, Any]) -> Iterator[Frame]:
        frames = (frame for shot in self._cameras for frame in _picture_frames(MediaKind.VIDEO, shot, params))
        if params["data_opt"] == SINGLE_PARTICIPANT:
            return frames
        switches = self._switches()
        starts = [at_ms for at_ms, _ in switches]
        return (
            frame
            for frame in frames
            if switches[bisect_right(starts, frame.timestamp_ms) - 1][1] == frame.user_id
        )

    def _switches(self) -> list[tuple[int, int]]:
        """From when on whose camera is shown: the active speaker's, if it is on; else it stays."""
        moments = {said.start_ms: said.user_id for said in self.script.utterances}
        moments |= {at_ms: 0 for _, *span in self.cameras() for at_ms in span if at_ms not in moments}
        switches, shown = [(-1, 0)], 0
        for at_ms, speaker in sorted(moments.items()):
            on = [user_id for user_id, start_ms, end_ms in self.cameras() if start_ms <= at_ms < end_ms]
            if speaker in on:
                shown = speaker
            elif shown not in on:
                shown = on[0] if on else 0
            switches.append((at_ms, shown))
        return switches

    # --- text (V1.md §6.6, §6.7) ---

    def _transcript(self, channels: bool) -> Iterator[Frame]:
        channel = {who.user_id: str(n + 1) for n, who in enumerate(self.script.participants)}
        for said in self.script.utterances:
            if said.text:
                extra = {"channel_id": channel[said.user_id]} if channels else {}
                yield _frame(
                    MediaKind.TRANSCRIPT,
                    _Who(said.user_id, said.user_name),
                    min(said.end_ms + TRANSCRIPT_DELAY_MS, self.script.duration_ms),
                    said.start_ms,
                    said.text,
                    extra={"language": said.language, **extra},
                    times=((b"start_time", said.start_ms), (b"end_time", said.end_ms)),
                )

    def _chat(self) -> Iterator[Frame]:
        for n, line in enumerate(self.script.chat):
            content = {
                "operation_type": 1,
                "message_id": f"message-{n + 1}",
                "chat_session": {"type": 1, "id": "everyone"},
                "sender": {"user_id": line.user_id, "user_name": line.user_name},
                **line.extra,
            }
            yield _frame(MediaKind.CHAT, _MIX, line.at_ms, line.at_ms, line.text, extra=content)


def _frame(
    kind: MediaKind,
    who: _Who,
    due_ms: int,
    timestamp_ms: int,
    data: bytes | str,
    *,
    extra: Mapping[str, Any],
    times: tuple[tuple[bytes, int], ...] = (),
    is_key: bool = True,
) -> Frame:
    payload = data.encode() if isinstance(data, str) else data
    content: dict[str, Any] = {} if kind is MediaKind.CHAT else {"user_id": who.user_id}
    if who.user_name:
        content["user_name"] = who.user_name
    message = {"msg_type": MESSAGE_TYPE[kind], "content": {**content, **extra, "data": data}}
    head = msgspec.json.encode(message)[:-2]
    stamps = ((b"timestamp", timestamp_ms), *times)
    user_id = extra["sender"]["user_id"] if kind is MediaKind.CHAT else who.user_id
    return Frame(kind, due_ms, timestamp_ms, user_id, is_key, len(payload), zlib.crc32(payload), head, stamps)


def _sound_frames(
    who: _Who, start_ms: int, pcm: sound.Pcm, params: dict[str, Any], extra: Mapping[str, Any]
) -> Iterator[Frame]:
    send_rate_ms: int = params["send_rate"]
    end_ms = start_ms + len(pcm) * 1000 // sound.RATE_HZ[params["sample_rate"]]
    for timestamp_ms, data in zip(count(start_ms, send_rate_ms), sound.packets(pcm, params), strict=False):
        due_ms = min(timestamp_ms + send_rate_ms, end_ms)
        content = {**extra, "length": len(data)}
        yield _frame(MediaKind.AUDIO, who, due_ms, timestamp_ms, data, extra=content)


# --- pictures ---


def _camera_shot(script: Script, camera: Camera) -> _Shot:
    units = pictures.access_units(script.path(camera.file).read_bytes())
    once_ms = len(units) * 1000 // camera.fps
    end_ms = min(camera.end_ms or camera.start_ms + once_ms, script.duration_ms)
    who = _Who(camera.user_id, camera.user_name)
    return _Shot(who, camera.start_ms, end_ms, camera.fps, pictures.H264, units)


def _share_shot(script: Script, share: Share) -> _Shot:
    who = _Who(share.user_id, share.user_name)
    files = [script.path(file).read_bytes() for file in share.files]
    codec = pictures.codec_of(files[0])
    if codec == pictures.H264:
        return _Shot(who, share.start_ms, share.end_ms, share.fps, codec, pictures.access_units(files[0]))
    shown = max((share.end_ms - share.start_ms) * share.fps // 1000, 1)
    held = [Picture(files[n * len(files) // shown]) for n in range(shown)]
    return _Shot(who, share.start_ms, share.end_ms, share.fps, codec, held)


def _picture_frames(kind: MediaKind, shot: _Shot, params: dict[str, Any]) -> Iterator[Frame]:
    """A shot in the codec that was negotiated.

    What is already coded so keeps its own rate; what must be converted comes at the negotiated one.
    """
    codec: int = params["codec"]
    fps = params["fps"] if codec == pictures.H264 else min(shot.fps, params["fps"])
    if codec == shot.codec:
        fps = shot.fps
    times = takewhile(lambda ms: ms < shot.end_ms, (shot.start_ms + n * 1000 // fps for n in count()))
    taken = shot.pictures if codec == shot.codec else _converted(shot, codec, fps)
    for n, timestamp_ms in enumerate(times):
        picture = taken[n % len(taken)]
        yield _frame(
            kind,
            shot.who,
            timestamp_ms,
            timestamp_ms,
            picture.data,
            extra={"length": len(picture.data)},
            is_key=picture.is_key,
        )


def _converted(shot: _Shot, codec: int, fps: int) -> Sequence[Picture]:
    shown = max((shot.end_ms - shot.start_ms) * shot.fps // 1000, 1)
    taken = [picture.data for picture in shot.pictures[:shown]]
    return pictures.converted(taken, shot.codec, codec, shot.fps, fps)
