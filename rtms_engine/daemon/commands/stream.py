"""``rtms-engine stream``: start, stop, pause or resume a stream through Zoom's REST API."""

import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import click

from ...config import AppConfig, Config, load_config
from ...errors import ConfigError, RtmsError
from ...model.products import MEETING, SESSION, Product
from ...schema import nearest
from ...zoom_api.calls import Action
from ...zoom_api.client import ZoomApi
from .. import logging, process
from .options import config_options

_DONE: dict[Action, str] = {
    "start": "Zoom will start streaming {}; a webhook tells when and where.",
    "stop": "Zoom will stop streaming {}.",
    "pause": "Zoom will pause the stream of {}.",
    "resume": "Zoom will resume the stream of {}.",
}


@click.command()
@click.argument("action", type=click.Choice(get_args(Action)))
@click.argument("meeting_id")
@click.option("--session", is_flag=True, help="MEETING_ID is that of a Video SDK session.")
@click.option("--app", "app_name", metavar="NAME", help="Whose stream; needed if there are several [[apps]].")
@click.option("--user", metavar="ID", help="The Zoom user whose app it is. Without it: the API's own user.")
@config_options
def stream(
    action: Action,
    meeting_id: str,
    session: bool,
    app_name: str | None,
    user: str | None,
    config: Path | None,
    overrides: Mapping[str, str],
) -> None:
    """Start, stop, pause or resume the stream of a running meeting.

    MEETING_ID is the meeting's number or UUID. Needs account_id, api_client_id and api_client_secret in
    [[apps]]; Video SDK needs no account_id. Exits with 1 if Zoom refuses.

    \b
    rtms-engine stream start 1234567890
    rtms-engine stream stop "4gxPtJMKQuexGn0Bw3Ta1A=="
    """  # noqa: D301 - click keeps the lines of a paragraph that begins so
    loaded = load_config(config, overrides=overrides)
    app = _chosen(loaded, app_name)
    logging.configure("warning")
    product = SESSION if session else MEETING
    try:
        process.run(_control(loaded, app, product, meeting_id, action, user))
    except ConfigError:
        raise
    except RtmsError as error:
        raise click.ClickException(str(error)) from error
    click.echo(_DONE[action].format(meeting_id))


async def _control(
    config: Config, app: AppConfig, product: Product, meeting_id: str, action: Action, user: str | None
) -> None:
    api = ZoomApi(
        api_url=config.zoom.api_url,
        oauth_url=config.zoom.oauth_url,
        unix_s=time.time,  # noqa: TID251 - a composition root
        random=random.random,
    )
    async with api:
        await api.control(app, product, meeting_id, action, participant_user_id=user)


def _chosen(config: Config, name: str | None) -> AppConfig:
    apps = {app.name: app for app in config.apps}
    if name is None and len(apps) == 1:
        return config.apps[0]
    if name is None:
        raise click.UsageError(f"there are several apps; choose one with --app: {', '.join(apps)}")
    if name not in apps:
        raise click.BadParameter(f"{name!r} is no app of the configuration{nearest(name, apps)}")
    return apps[name]
