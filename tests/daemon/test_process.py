"""The process around the engine."""

import subprocess
import sys

PROGRAM = """
import asyncio, gc
from rtms_engine.daemon.process import run

async def main():
    print(gc.get_freeze_count() > 10_000, gc.get_threshold()[0], type(asyncio.get_running_loop()).__module__)

run(main())
"""


def test_what_was_imported_is_not_collected_again():
    """And the loop is the fast one."""
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert told.stdout == "True 20000 uvloop\n"
