"""A command that is fed through its standard input, and how it ends.

It has a process group of its own, an environment of chosen variables, no shell and no standard output.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import cores
from ..errors import SinkError

_LAST_WORDS = 4096
"""Bytes of the standard error that are kept."""
_LONGEST_LINE = 200
_TERM_S = 5.0
"""Between SIGTERM and SIGKILL."""


def _be_private() -> None:
    """What it writes is the meeting's. uvloop does not know the argument ``umask``."""
    os.umask(0o077)


class ChildFailed(Exception):
    """The command ended, or takes nothing any more; the text says how, with its last line of error."""


class Child:
    """One running command. Use `start`; it must be ended by `finish` or `kill`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process
        self._last_words = b""
        self._listening = asyncio.get_running_loop().create_task(self._listen(), name=f"exec:{name}/stderr")

    def __repr__(self) -> str:
        return f"<Child {self.name} pid={self._process.pid} status={self._process.returncode}>"

    @classmethod
    async def start(cls, argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> "Child":
        """Start a command. Raises SinkError if there is none of that name."""
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=folder,
                env=dict(environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_be_private,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise SinkError(f"cannot start {argv[0]}: {why}") from error
        cores.roam(process.pid)
        return cls(Path(argv[0]).name, process)

    async def write(self, data: bytes, stall_s: float) -> None:
        """Feed it. Raises ChildFailed if it is gone, or takes nothing for ``stall_s`` seconds."""
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was started with one
        if self._process.returncode is not None or stdin.is_closing():
            await self.kill()
            raise ChildFailed(self._story())
        try:
            stdin.write(data)
            async with asyncio.timeout(stall_s):
                await stdin.drain()
        except TimeoutError:
            await self.kill()
            raise ChildFailed(f"{self.name} took nothing for {stall_s:g} s") from None
        except ConnectionError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # it closed its input; perhaps it is about to end
                    await self._process.wait()
            await self.kill()
            raise ChildFailed(self._story()) from None

    async def finish(self, stop_s: float) -> None:
        """Close its input and wait for it to end; after ``stop_s`` seconds tell it to, then make it.

        Raises ChildFailed if it did not end well. Cancelling kills it.
        """
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was started with one
        stdin.close()
        try:
            for number, patience_s in ((None, stop_s), (signal.SIGTERM, _TERM_S)):
                if number is not None:
                    self._signal(number)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await self._process.wait()
                        break
        finally:
            await self.kill()
        if self._process.returncode:
            raise ChildFailed(self._story())

    async def kill(self) -> None:
        """End it and all that it has started at once, and leave no zombie."""
        self._signal(signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):  # a grandchild of another group may hold the pipe open
                await asyncio.shield(self._listening)
        self._listening.cancel()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _story(self) -> str:
        lines = [line for line in self._last_words.decode("utf-8", "replace").splitlines() if line.strip()]
        said = (
            "".join(c if c.isprintable() else " " for c in lines[-1][:_LONGEST_LINE]) if lines else "nothing"
        )
        return f"{self.name} ended with status {self._process.returncode}; its last words: {said}"

    async def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it was started with one
        while data := await self._process.stderr.read(_LAST_WORDS):
            self._last_words = (self._last_words + data)[-_LAST_WORDS:]
