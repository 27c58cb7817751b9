"""The programs of examples/, each with a simulated meeting, as a user would run them."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.daemon.test_readme import CONFIG, ENGINE, running, simulate, stopped

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def port(unused_tcp_port):
    return unused_tcp_port


def placed(tmp_path, *names, port=8080):
    """Copies of examples, listening on a free port and keeping nothing beyond the test."""
    for name in names:
        text = (EXAMPLES / name).read_text("utf-8")
        text = text.replace('host = "127.0.0.1"', f'host = "127.0.0.1"\nport = {port}')
        (tmp_path / name).write_text(text)


def test_a_sink_of_your_own_in_25_lines(tmp_path, port):
    placed(tmp_path, "talk_time.py", "talk_time.toml", port=port)
    assert len((tmp_path / "talk_time.py").read_text().splitlines()) <= 25
    with running([*ENGINE, "run", "--config", "talk_time.toml"], tmp_path, port) as engine:
        assert simulate(port, tmp_path, "--no-tls").returncode == 0
        output = stopped(engine)
    assert len(re.findall(r"^ +\d+\.\d s  [A-Z]\w+", output, re.MULTILINE)) == 2


def test_live_captions(tmp_path, port):
    placed(tmp_path, "captions.py")
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port, sink="null"))
    with running([sys.executable, "captions.py", "config.toml"], tmp_path, port) as program:
        assert simulate(port, tmp_path, "--no-tls").returncode == 0
        program.kill()
        output, _ = program.communicate(timeout=60)
    assert (
        len(re.findall(r"^00:\d\d . [A-Z]\w+ \w+: .+", output, re.MULTILINE)) >= 6
    )  # it joins a fast meeting


def test_the_sound_of_each_speaker_to_a_recognizer(tmp_path, port):
    placed(tmp_path, "speech_to_text.py")
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port, sink="speech_to_text:SpeechToText"))
    with running([*ENGINE, "run"], tmp_path, port) as engine:
        assert simulate(port, tmp_path, "--no-tls").returncode == 0
        output = stopped(engine)
    spoken = re.findall(r"^[A-Z]\w+ \w+: spoke for (\d+\.\d) s, at most -\d+ dB", output, re.MULTILINE)
    assert len(spoken) == 2
    assert all(float(seconds) > 1 for seconds in spoken)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg here")
def test_ffmpeg_makes_hls(tmp_path, port):
    placed(tmp_path, "hls.toml", port=port)
    with running([*ENGINE, "run", "--config", "hls.toml"], tmp_path, port) as engine:
        assert simulate(port, tmp_path, "--no-tls").returncode == 0
        output = stopped(engine)
    [playlist] = tmp_path.glob("hls/*/live.m3u8")
    assert "#EXT-X-ENDLIST" in playlist.read_text(), output
    probe = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(playlist)]
    found = subprocess.run(probe, capture_output=True, text=True, check=True).stdout
    assert float(found) == pytest.approx(20, abs=4)


@pytest.mark.skipif(find_spec("pipecat") is None, reason="pipecat-ai is not installed")
def test_a_pipecat_pipeline_hears_the_meeting(tmp_path, port, unused_tcp_port_factory):
    placed(tmp_path, "pipecat_input.py")
    live, token = unused_tcp_port_factory(), "a-token-of-some-length"
    sink = f'tokens = ["{token}"]\nport = {live}\n'
    (tmp_path / "config.toml").write_text(CONFIG.format(port=port, sink="websocket") + sink)
    with running([*ENGINE, "run"], tmp_path, port) as engine:
        command = [sys.executable, "pipecat_input.py", f"ws://127.0.0.1:{live}/live", token]
        with subprocess.Popen(
            command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as pipeline:
            for line in pipeline.stdout:
                if "StartFrame" in line and "reached the end" in line:
                    break
            assert simulate(port, tmp_path, "--no-tls").returncode == 0
            stopped(engine)
            output, _ = pipeline.communicate(timeout=60)
    [seconds] = re.findall(r"^heard (\d+\.\d) s", output, re.MULTILINE)
    assert float(seconds) > 10
