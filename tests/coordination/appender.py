"""A process that appends as fast as it can, to be killed: ``python -m tests.coordination.appender DIR``.

It prints a line when a call has returned: ``+ id`` an acknowledged start, ``- id`` an ended stream.
"""

import asyncio
import itertools
import sys
import time
from pathlib import Path

from rtms_engine.coordination.sqlite import SqliteJournal
from tests.coordination.signals import started

AT_ONCE = 50


async def append_for_ever(journal: SqliteJournal, numbers: "itertools.count[int]") -> None:
    while True:
        stream_id = f"s{next(numbers)}"
        assert await journal.append(started(stream_id))
        print("+", stream_id, flush=True)
        if stream_id.endswith("7"):
            await journal.stream_ended(stream_id)
            print("-", stream_id, flush=True)


async def main() -> None:
    journal = await SqliteJournal.open(Path(sys.argv[1]), time.time)
    numbers = itertools.count()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(append_for_ever(journal, numbers))


if __name__ == "__main__":
    asyncio.run(main())
