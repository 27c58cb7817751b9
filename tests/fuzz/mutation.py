"""Inputs that are nearly right: what a corpus holds, cut, repeated, spliced and bent. Pure, from a seed."""

import random
from collections.abc import Sequence

_INTERESTING = (b"\0", b"\xff", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\1", b"\0\0\0\1")
_WORDS = (
    *(
        b"null",
        b"true",
        b"-1",
        b"1e999",
        b"-0",
        b"NaN",
        b"9" * 400,
        b"0.1",
        b"[]",
        b"{}",
        b'""',
        b"18446744073709551616",
    ),
    *(
        b"[" * 2000,
        b'{"a":' * 1200,
        b'"\\ud800"',
        b'"\\u0000"',
        b'"../../x"',
        b"\xed\xa0\x80",
        b"\xf0\x9f\x8e\xa4",
    ),
)
LARGEST = 64 * 1024
"""Bytes; an input does not grow beyond."""


def mutated(corpus: Sequence[bytes], dice: random.Random) -> bytes:
    """One of the corpus after one to six changes."""
    data = bytearray(dice.choice(corpus))
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        dice.choice(_CHANGES)(data, corpus, dice)
    return bytes(data[:LARGEST])


def _flip(data: bytearray, _corpus: Sequence[bytes], dice: random.Random) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _byte(data: bytearray, _corpus: Sequence[bytes], dice: random.Random) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.randrange(256)


def _overwrite(data: bytearray, _corpus: Sequence[bytes], dice: random.Random) -> None:
    at, piece = dice.randint(0, len(data)), dice.choice(_INTERESTING)
    data[at : at + len(piece)] = piece


def _number(data: bytearray, _corpus: Sequence[bytes], dice: random.Random) -> None:
    size = dice.choice((1, 2, 4, 8))
    at = dice.randint(0, max(len(data) - size, 0))
    value = dice.choice(
        (0, 1, dice.getrandbits(8 * size), 2 ** (8 * size) - 1, 2 ** (8 * size - 1), len(data))
    )
    data[at : at + size] = (value % 2 ** (8 * size)).to_bytes(size, dice.choice(("big", "little")))


def _word(data: bytearray, _corpus: Sequence[bytes], dice: random.Random) -> None:
    at = dice.randint(0, len(data))
    data[at : at + dice.choice((0, 0, 1, 4, 16))] = dice.choice(_WORDS)


def _delete(data: bytearray, _corpus: Sequence[bytes], dice: random.Random) -> None:
    at = dice.randint(0, len(data))
    del data[at : at + dice.randint(1, 64)]


def _cut(data: bytearray, _corpus: Sequence[bytes], dice: random.Random) -> None:
    del data[dice.randint(0, len(data)) :]


def _repeat(data: bytearray, _corpus: Sequence[bytes], dice: random.Random) -> None:
    at = dice.randint(0, len(data))
    piece = data[at : at + dice.randint(1, 64)]
    data[at:at] = piece * dice.choice((1, 2, 16))


def _splice(data: bytearray, corpus: Sequence[bytes], dice: random.Random) -> None:
    other = dice.choice(corpus)
    start = dice.randint(0, len(other))
    at = dice.randint(0, len(data))
    data[at : at + dice.choice((0, 8, 64))] = other[start : start + dice.randint(1, 512)]


_CHANGES = (_flip, _byte, _overwrite, _number, _word, _delete, _cut, _repeat, _splice)
