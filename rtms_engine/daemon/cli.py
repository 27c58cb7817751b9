"""The command line: ``rtms-engine COMMAND``. Each command is a module of `rtms_engine.daemon.commands`."""

from typing import Any

import click

from ..errors import CaptureError, ConfigError
from .commands.audit import audit
from .commands.check import check
from .commands.decrypt import decrypt, rewrap
from .commands.demo import demo
from .commands.doctor import doctor
from .commands.explain import explain
from .commands.export import export
from .commands.health import health
from .commands.inspect import inspect
from .commands.purge import purge
from .commands.recover import recover
from .commands.replay import replay
from .commands.run import run
from .commands.simulate import simulate
from .commands.sinks import sinks
from .commands.status import status
from .commands.stream import stream
from .commands.tail import tail
from .commands.token import token
from .commands.why import why

_COMMANDS: tuple[click.Command, ...] = (
    demo,
    run,
    simulate,
    stream,
    export,
    recover,
    decrypt,
    rewrap,
    purge,
    audit,
    replay,
    inspect,
    status,
    tail,
    why,
    token,
    check,
    doctor,
    sinks,
    explain,
    health,
)

_BAD_CONFIG = 2


class _Commands(click.Group):
    """Turns a `ConfigError` or `CaptureError` of any command into its sentences, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            return ctx.exit(_BAD_CONFIG)
        except CaptureError as error:
            click.echo(str(error), err=True)
            return ctx.exit(_BAD_CONFIG)


@click.group(
    cls=_Commands,
    commands=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="rtms-engine")
def main() -> None:
    """Receive Zoom Realtime Media Streams: a meeting in, its recording out.

    \b
    The usual first steps:
      rtms-engine demo                        a meeting from the simulator, recorded; no account needed
      cp config.example.toml config.toml      then put in the credentials of your Zoom app
      rtms-engine check                       is the configuration good?
      rtms-engine run                         wait for Zoom's webhooks

    "rtms-engine export DIR --mp4 meeting.mp4" makes one file to watch of a recording.
    "rtms-engine why STREAM" says why a stream is as it is.
    When Zoom answers with a number, "rtms-engine explain status 3" says what it means.
    """  # noqa: D301 - click keeps the lines of a paragraph that begins so
