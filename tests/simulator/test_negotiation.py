"""The rules of V1.md §4.1 and §4.2, with the status of every breach (§9.4)."""

from typing import Any

import pytest

from rtms_engine.model.media import ALL_KINDS, MediaKind
from rtms_engine.simulator.negotiation import Refused, effective_params, requested_kinds

AUDIO, VIDEO, SHARE, TRANSCRIPT, CHAT = MediaKind

BREACHES: list[tuple[MediaKind, Any, int]] = [
    (AUDIO, [], 18),
    (AUDIO, {"content_type": 3}, 19),
    (AUDIO, {"sample_rate": 16000}, 20),
    (AUDIO, {"sample_rate": None}, 20),
    (AUDIO, {"codec": 4, "sample_rate": 1}, 20),
    (AUDIO, {"codec": 2, "sample_rate": 1}, 20),
    (AUDIO, {"channel": 2}, 21),
    (AUDIO, {"channel": 3}, 21),
    (AUDIO, {"codec": 5}, 22),
    (AUDIO, {"codec": "L16"}, 22),
    (AUDIO, {"data_opt": 3}, 23),
    (AUDIO, {"send_rate": 30}, 24),
    (AUDIO, {"send_rate": 0}, 24),
    (AUDIO, {"codec": 4, "sample_rate": 3, "send_rate": 100}, 24),
    (VIDEO, "h264", 25),
    (VIDEO, {"content_type": 2}, 26),
    (VIDEO, {"codec": 4}, 27),
    (VIDEO, {"resolution": 5}, 28),
    (VIDEO, {"data_opt": 5}, 29),
    (VIDEO, {"codec": 7, "fps": 31}, 30),
    (VIDEO, {"codec": 7, "fps": 5}, 30),
    (VIDEO, {"codec": 5, "fps": 25}, 30),
    (SHARE, 5, 31),
    (SHARE, {"content_type": 5}, 32),
    (SHARE, {"codec": 1}, 33),
    (SHARE, {"resolution": 0}, 34),
    (SHARE, {"codec": 5, "fps": 6}, 35),
    (TRANSCRIPT, [], 36),
    (TRANSCRIPT, {"content_type": 3}, 37),
    (TRANSCRIPT, {"src_language": 37}, 43),
    (TRANSCRIPT, {"enable_lid": 1}, 36),
    (CHAT, [], 38),
    (CHAT, {"content_type": 0}, 39),
]


@pytest.mark.parametrize(("kind", "asked", "status"), BREACHES)
def test_each_breach_has_its_status(kind: MediaKind, asked: Any, status: int) -> None:
    """One wrong value, one status."""
    key = "deskshare" if kind is SHARE else kind.value
    with pytest.raises(Refused) as refused:
        effective_params([kind], {key: asked})
    assert refused.value.status == status


def test_params_must_be_an_object() -> None:
    """Status 17."""
    with pytest.raises(Refused) as refused:
        effective_params([AUDIO], 5)
    assert refused.value.status == 17


def test_defaults_are_those_of_v1() -> None:
    """What is left out is filled in; the SDK even sends null for all of it."""
    assert effective_params(ALL_KINDS, None) == {
        AUDIO: {
            "content_type": 2,
            "sample_rate": 1,
            "channel": 1,
            "codec": 1,
            "data_opt": 1,
            "send_rate": 20,
        },
        VIDEO: {"content_type": 3, "codec": 5, "resolution": 2, "data_opt": 3, "fps": 5},
        SHARE: {"content_type": 3, "codec": 5, "resolution": 3, "fps": 1},
        TRANSCRIPT: {"content_type": 5, "src_language": 9, "enable_lid": True},
        CHAT: {"content_type": 5},
    }


@pytest.mark.parametrize(
    ("kind", "asked", "in_effect"),
    [
        (AUDIO, {"send_rate": 2000}, {"send_rate": 1000}),
        (AUDIO, {"codec": 4, "sample_rate": 3, "channel": 2}, {"codec": 4, "channel": 2}),
        (AUDIO, {"codec": 2, "sample_rate": 0}, {"codec": 2}),
        (VIDEO, {"fps": 25}, {"codec": 5, "fps": 5}),
        (VIDEO, {"fps": 25, "codec": 7}, {"codec": 7, "fps": 25}),
        (SHARE, {"fps": 4}, {"codec": 5, "fps": 1}),
        (SHARE, {"fps": 5, "codec": 5}, {"codec": 5, "fps": 5}),
        (SHARE, {"fps": 15, "codec": 7}, {"codec": 7, "fps": 15}),
        (VIDEO, {"unheard_of": 1}, {"codec": 5}),
    ],
)
def test_what_is_asked_is_not_always_what_is_got(
    kind: MediaKind, asked: dict[str, Any], in_effect: dict[str, Any]
) -> None:
    """Clamped, fallen back to JPG, or taken as it is (V1.md §4.2)."""
    params = effective_params([kind], {"deskshare" if kind is SHARE else kind.value: asked})[kind]
    assert in_effect.items() <= params.items()


def test_params_of_other_kinds_do_not_matter() -> None:
    """Samples send the full set on every socket."""
    assert CHAT in effective_params([CHAT], {"audio": {"codec": 99}})


@pytest.mark.parametrize(
    ("media_type", "status"),
    [(None, 7), ("1", 7), (True, 7), (0, 7), (64, 7), (9, 14), (25, 14), (33, 14), (2, 10), (4, 11), (8, 12)],
)
def test_media_types_that_are_refused(media_type: Any, status: int) -> None:
    """Unknown ones, OR-ed ones, and those without a scope."""
    with pytest.raises(Refused) as refused:
        requested_kinds(media_type, {AUDIO, CHAT})
    assert refused.value.status == status


def test_media_types_that_are_accepted() -> None:
    """One bit, or 32 for all that is granted."""
    assert requested_kinds(1, {AUDIO, CHAT}) == {AUDIO}
    assert requested_kinds(32, {AUDIO, CHAT}) == {AUDIO, CHAT}
