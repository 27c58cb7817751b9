"""Events and frames as values."""

import typing

import msgspec
import pytest

from rtms_engine.model.events import Participant, ParticipantJoined, StreamEvent
from rtms_engine.model.frames import KIND_OF_FRAME, Frame
from rtms_engine.model.media import MediaKind, MediaParams

EVENTS = typing.get_args(StreamEvent)


def test_an_event_as_json():
    event = ParticipantJoined(5, Participant(16778240, "John"))
    assert msgspec.to_builtins(event) == {
        "type": "participant_joined",
        "timestamp_ms": 5,
        "participant": {"user_id": 16778240, "name": "John"},
    }
    assert msgspec.json.decode(msgspec.json.encode(event), type=StreamEvent) == event


def test_every_event_has_a_type_of_its_own():
    tags = [event.__struct_config__.tag for event in EVENTS]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize("value", [*EVENTS, *typing.get_args(Frame)])
def test_values_are_frozen_and_have_zooms_time(value):
    assert value.__struct_config__.frozen
    assert "timestamp_ms" in value.__struct_fields__


def test_every_kind_has_a_frame_and_parameters():
    assert sorted(KIND_OF_FRAME.values()) == sorted(MediaKind)
    assert set(KIND_OF_FRAME) == set(typing.get_args(Frame))
    assert MediaParams.__struct_fields__ == tuple(kind.value for kind in MediaKind)
    for kind in MediaKind:
        assert MediaParams().of(kind) is not None
