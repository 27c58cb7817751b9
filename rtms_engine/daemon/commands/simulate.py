"""``rtms-engine simulate``: the fake Zoom by itself, against any webhook URL."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...model.products import PRODUCTS, product_named
from ...model.reasons import explain
from ...simulator import LiveMeeting, load_script
from ...simulator.simulate import Simulation
from ...simulator.simulate import simulate as play
from .. import logging, process


@click.command()
@click.argument("webhook_url")
@click.option("--client-id", required=True, envvar=["ZM_RTMS_CLIENT", "ZOOM_CLIENT_ID"], help="Of the app.")
@click.option(
    "--client-secret",
    required=True,
    envvar=["ZM_RTMS_SECRET", "ZOOM_CLIENT_SECRET"],
    help="Checks the signatures of handshakes.",
)
@click.option(
    "--secret-token",
    required=True,
    envvar=["ZM_RTMS_WEBHOOK_SECRET", "ZOOM_SECRET_TOKEN"],
    help="Signs the webhooks.",
)
@click.option(
    "--script",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="What happens in the meeting (JSON). Without it: the meeting of the demo.",
)
@click.option(
    "--product",
    type=click.Choice([product.name for product in PRODUCTS]),
    default="meeting",
    show_default=True,
)
@click.option(
    "--streams", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many meetings."
)
@click.option("--interval", type=click.FloatRange(0), default=0.0, help="Seconds from one start to the next.")
@click.option(
    "--speed", type=click.FloatRange(0.01, 1000), default=1.0, show_default=True, help="2: twice as fast."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the fake Zoom listens.")
@click.option("--port", type=int, default=0, help="0: any free one.")
@click.option("--tls/--no-tls", default=True, show_default=True, help="wss:// or ws://.")
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("simulator-ca.pem"),
    show_default=True,
    help="Where to write the certificate that the receiver must trust ([rtms] ca_file).",
)
def simulate(
    webhook_url: str,
    client_id: str,
    client_secret: str,
    secret_token: str,
    script: Path | None,
    product: str,
    streams: int,
    interval: float,
    speed: float,
    host: str,
    port: int,
    tls: bool,
    ca_file: Path,
) -> None:
    """Be Zoom: announce meetings to WEBHOOK_URL, serve them, and say what the receiver did.

    The receiver must allow this machine as a server: with TLS by [rtms] allowed_hosts and ca_file,
    without by allow_insecure_loopback. Exits with 1 if it broke the protocol, did not answer, or
    never came.
    """
    logging.configure("warning")
    console = Console(soft_wrap=True)

    def announce(meeting: LiveMeeting) -> None:
        console.print(
            f"Stream {meeting.stream_id} is announced; its signaling is {meeting.server_url}", highlight=False
        )

    simulation = process.run(
        play(
            webhook_url=webhook_url,
            client_id=client_id,
            client_secret=client_secret,
            secret_token=secret_token,
            script=load_script(script) if script else None,
            product=product_named(product),
            speed=speed,
            streams=streams,
            interval_s=interval,
            tls=tls,
            ca_file=ca_file if tls else None,
            host=host,
            port=port,
            on_start=announce,
        )
    )
    _show(simulation, console)
    if simulation.undelivered or simulation.client_errors or simulation.never_joined:
        raise SystemExit(1)


def _show(simulation: Simulation, console: Console) -> None:
    table = Table("Media", "Frames sent", "Bytes")
    for kind, count in simulation.frames.items():
        table.add_row(kind, str(count), f"{simulation.payload_bytes.get(kind, 0):,}")
    console.print(table)
    answered = f"{simulation.keep_alives_answered} of {simulation.keep_alives_sent} keep-alives answered"
    console.print(f"{answered}, the slowest after {simulation.slowest_answer_s * 1000:.0f} ms.")
    for reason, count in simulation.stop_reasons.items():
        console.print(f"{count} ended with {reason} {explain('stop', reason).name}.")
    for delivery in simulation.undelivered:
        console.print(Text(f"Webhook {delivery.event}: {delivery.status} {delivery.error}", style="red"))
    if simulation.never_joined:
        console.print(
            f"{simulation.never_joined} of {simulation.streams} streams were never joined. Does the receiver "
            "allow this server? It says why in its log.",
            style="red",
            highlight=False,
        )
    for error in simulation.client_errors:
        console.print(Text(f"Against the protocol, {error.leg}: {error.what}", style="red"))
