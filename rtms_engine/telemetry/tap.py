"""Listens to what is logged, beside where it is written."""

import structlog
from structlog.contextvars import merge_contextvars
from structlog.types import Processor


def tap(processor: Processor) -> None:
    """Let a processor hear every event, with what is bound to it, from now on. Again: without effect.

    It belongs to what ``structlog`` is configured to do: who configures it anew taps it anew.
    """
    processors = [one for one in structlog.get_config()["processors"] if one is not processor]
    bound = next((index + 1 for index, one in enumerate(processors) if one is merge_contextvars), 0)
    structlog.configure(processors=[*processors[:bound], processor, *processors[bound:]])


def untap(processor: Processor) -> None:
    """Let it hear nothing any more."""
    processors = [one for one in structlog.get_config()["processors"] if one is not processor]
    structlog.configure(processors=processors)
