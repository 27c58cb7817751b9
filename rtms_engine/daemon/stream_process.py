"""``python -m rtms_engine.daemon.stream_process FD``: a process of an engine that has several.

Not to be started by hand: FD is a socket that the engine (`rtms_engine.processes.pool`) hands down.
"""

import os
import random
import signal
import socket
import sys
import time

import structlog

from .. import cores
from ..processes.channel import Channel
from ..processes.host import Host
from ..processes.messages import Configure, Noted
from ..stream_factory import StreamFactory
from ..telemetry.story import Note, hearing
from ..telemetry.tap import tap
from ..vault.files import unlock
from . import logging, process


def main() -> None:
    """Serve until the engine has nothing more to do, or is gone."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the engine, which tells us
    process.run(_serve(socket.socket(fileno=int(sys.argv[1]))))


async def _serve(end: socket.socket) -> None:
    host = Host(
        lambda said: _configured(said, lambda stream_id, entry: channel.send(Noted(stream_id, entry)))
    )
    channel = await Channel.open(end, host.hear, _engine_is_gone)
    await host.run(channel)


def _configured(said: Configure, note: Note) -> StreamFactory:
    logging.configure(said.config.log.level, said.config.log.format)
    tap(hearing(note, _unix_ms))
    structlog.contextvars.bind_contextvars(process=said.number)
    if said.config.server.pin_to_core:
        cores.settle(said.number)
    factory = StreamFactory(said.config, _unix_ms, random.random)
    unlock(factory.vault)
    return factory


def _unix_ms() -> int:
    return int(time.time() * 1000)  # noqa: TID251 - a composition root


def _engine_is_gone() -> None:
    """The next engine takes up the streams, and must be the only one that writes."""
    os._exit(os.EX_UNAVAILABLE)


if __name__ == "__main__":
    main()
