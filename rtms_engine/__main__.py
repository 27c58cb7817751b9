"""``python -m rtms_engine`` is ``rtms-engine``."""

from .daemon.cli import main

main(prog_name="rtms-engine")
