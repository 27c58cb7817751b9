"""What a file of media says about itself.

A process can be killed between any two writes. So whoever finds the file later is told by the file
alone what it is and where its time begins; the manifest repeats it for people.
"""

import msgspec


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """As JSON in a chunk of a WAV file or a box of an MP4 file; players pass over it."""

    t0_ms: int
    """Unix milliseconds of the file's time 0."""
    kind: str
    """As in the manifest."""
    user_id: int | None = None
    name: str = ""
    channel_id: str = ""
    width: int | None = None
    height: int | None = None

    @property
    def whose(self) -> tuple[str, int | None, str]:
        """The same for all files of one voice."""
        return self.kind, self.user_id, self.channel_id

    def encode(self) -> bytes:
        """An even number of bytes, as RIFF wants it."""
        text = msgspec.json.encode(self)
        return text + b" " * (len(text) % 2)

    def at(self, t0_ms: int) -> "Label":
        """The label of the same file with another t0."""
        return msgspec.structs.replace(self, t0_ms=t0_ms)


_decode_label = msgspec.json.Decoder(Label).decode


def decode_label(data: bytes) -> Label | None:
    """The label that `Label.encode` wrote; None if it is something else."""
    try:
        return _decode_label(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
