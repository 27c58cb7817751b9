"""Carries out the steps of deploy/docker/Dockerfile in a scratch directory, where there is no Docker engine.

COPY and RUN happen below the scratch directory, with its paths in place of the image's; then the program that
came of it runs with the image's CMD, answers the image's HEALTHCHECK, and ends at its STOPSIGNAL.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"


def steps() -> list[tuple[str, str]]:
    """Instruction and arguments, comments away and lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


def build(image: Path) -> dict[str, str]:
    """Carry the steps out. Returns the last of each instruction."""
    here = "/"
    for word, rest in steps():
        if word == "WORKDIR":
            here = rest
            (image / here.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "COPY" and "--from" not in rest:
            *sources, target = rest.split()
            for source in sources:
                place = image / here.lstrip("/") / target
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, place)
        elif word == "RUN":
            script = re.sub(r"(?<=\s)/(?=opt|var)", f"{image}/", rest).replace(
                "python3 ", f"{sys.executable} "
            )
            script = re.sub(r"-o \d+ -g \d+ ", "", script)  # only root may give files away
            subprocess.run(["/bin/sh", "-ec", script], cwd=image / here.lstrip("/"), check=True)
    return dict(steps())


def try_out(image: Path, last: dict[str, str]) -> None:
    """Run it as the image would."""
    shutil.rmtree(image / "source")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    environment = {
        "PATH": f"{image}/opt/rtms-engine/bin:{os.defpath}",
        "ZM_RTMS_CLIENT": "id",
        "ZM_RTMS_SECRET": "secret",
        "ZM_RTMS_WEBHOOK_SECRET": "token",
        "RTMS_ENGINE__SERVER__PORT": str(port),
        "RTMS_ENGINE__API__PORT": "0",
    }
    program = json.loads(last["ENTRYPOINT"])
    check = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
    state = image / "var/lib/rtms-engine"

    def is_healthy() -> bool:
        return (
            subprocess.run(check, env=environment, cwd=state, capture_output=True, check=False).returncode
            == 0
        )

    assert not is_healthy(), "nothing runs yet"
    with subprocess.Popen([*program, *json.loads(last["CMD"])], env=environment, cwd=state) as process:
        until = time.monotonic() + 30
        while not is_healthy():
            assert time.monotonic() < until, "it does not become healthy"
            assert process.poll() is None, "it has ended"
        process.send_signal(signal.Signals[last["STOPSIGNAL"]])
        assert process.wait(30) == 0, process.returncode
    assert {path.name for path in state.iterdir()} <= {"rtms-state", "recordings"}, list(state.iterdir())


def main() -> None:
    """In a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch)
        try_out(image, build(image))
    print("The image's steps work, and its program is healthy.")


main()
