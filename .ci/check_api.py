"""Schemathesis against the API of an engine that has recorded a meeting and runs another, for about a minute.

    check_api.py SCHEMATHESIS

SCHEMATHESIS is the program. It is asked twice: with ids that it makes up, and with those of the streams.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from rtms_engine import (
    ApiConfig,
    AppConfig,
    Config,
    Engine,
    RtmsConfig,
    ServerConfig,
    SinkConfig,
    StateConfig,
)
from rtms_engine.simulator import App, FakeZoom, synthetic_script

APP = App("client-id", "client-secret", "secret-token")
SEED = "1"
NOT_BY_SHAPE = ("announceStream", "createDirectConnection", "chooseVideo")
"""What they take depends on more than a schema says: on the product, on allowed hosts; and 7.0 is no user_id."""
ENDLESS = ("followStream", "followMedia")
"""Of a stream that runs they go on for as long as it does."""


async def main(schemathesis: str, folder: Path) -> int:
    """The sum of the exit codes."""
    async with FakeZoom([APP], tls=False) as zoom:
        config = Config(
            apps=[AppConfig.of(APP.client_id, APP.client_secret, APP.secret_token)],
            server=ServerConfig(host="127.0.0.1", port=0),
            rtms=RtmsConfig(allowed_hosts=("127.0.0.1",), allow_insecure_loopback=True),
            sinks=[SinkConfig("recording", options={"directory": str(folder / "recordings")})],
            api=ApiConfig(port=0, requests_per_s=100_000.0),
            state=StateConfig(directory=str(folder / "state")),
        )
        async with Engine(config) as engine:
            ended = await zoom.start(synthetic_script(duration_ms=4_000), engine.webhook_url, speed=4.0)
            await zoom.start(synthetic_script(duration_ms=600_000), engine.webhook_url)
            await ended.ended()
            while ended.stream_id in engine.live_streams():  # noqa: ASYNC110 - an engine has no event for that
                await asyncio.sleep(0.1)
            live = next(iter(engine.live_streams()))
            failures = await ask(schemathesis, engine.api_url or "", folder, {})
            paths = {"path": "audio/mixed.wav", "id": ended.stream_id}
            for stream_id in (ended.stream_id, live):
                ids = {"stream_id": stream_id, **paths}
                failures += await ask(schemathesis, engine.api_url or "", folder, ids)
            return failures


async def ask(schemathesis: str, url: str, folder: Path, parameters: dict[str, str]) -> int:
    """Run it once. Returns its exit code."""
    config = folder / "schemathesis.toml"
    lines = [f'"path.{name}" = "{value}"' for name, value in parameters.items()]
    names = ", ".join(f'"{name}"' for name in NOT_BY_SHAPE)
    lines += [
        "[[operations]]",
        f"include-operation-id = [{names}]",
        "[operations.checks]",
        'positive_data_acceptance = { expected-statuses = ["2xx", 400, 401, 403, 404, 409, 429, "5xx"] }',
    ]
    config.write_text("[parameters]\n" + "\n".join(lines) + "\n")
    left_out = [f"--exclude-operation-id={name}" for name in (*ENDLESS, "deleteStream") if parameters]
    program = await asyncio.create_subprocess_exec(
        schemathesis,
        f"--config-file={config}",
        "run",
        f"{url}/api/openapi.json",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=10",
        "--request-timeout=10",
        f"--seed={SEED}",
        "--no-color",
        *left_out,
    )
    return await program.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(min(asyncio.run(main(sys.argv[1], Path(directory))), 1))
