import pytest

from rtms_engine.coordination.memory import MemoryJournal
from tests.coordination.contract import JournalContract
from tests.coordination.signals import Clock, started


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def opened(self, clock):
        async def opened():
            return MemoryJournal(clock)

        return opened


async def test_its_face():
    journal = MemoryJournal(Clock())
    await journal.append(started())
    assert repr(journal) == "<MemoryJournal deliveries=1 streams=1>"
