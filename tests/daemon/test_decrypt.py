"""What is encrypted at rest, from the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rtms_engine.capture.reader import CaptureReader
from rtms_engine.daemon.cli import main
from rtms_engine.daemon.doctor import verdicts
from rtms_engine.model.frames import TranscriptSegment
from rtms_engine.recording import manifest
from rtms_engine.vault import files
from rtms_engine.vault.files import Appended
from tests.capture.support import image, records
from tests.recording.support import ANA, STREAM, T0, folder_in, killed, ramp, recorded, sound
from tests.vault.support import OTHER, vault

CONFIG = """
[[apps]]
client_id = "ID"
client_secret = "SECRET"
secret_token = "TOKEN"
[state]
directory = "{folder}/state"
[encryption]
key_file = "{folder}/master.key"
[[sinks]]
type = "recording"
directory = "{folder}/recordings"
{more}
"""
SAID = [
    sound(0, ramp(1)),
    TranscriptSegment(STREAM.stream_id, ANA, T0 + 900, 0.0, "the secret sentence", T0, T0 + 900),
]


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "master.key").write_text("11" * 32)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(folder=tmp_path, more=""))
    return str(path)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


def unlocked(tmp_path: Path):
    return files.unlocked(vault(tmp_path / "state" / "keys", covers=(tmp_path / "recordings",)))


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


async def test_every_command_that_reads_can_read_it(tmp_path: Path, config: str, recordings: Path) -> None:
    """With the keys of a configuration; and says which are missing without."""
    with unlocked(tmp_path):
        await killed(recordings, SAID)
        captures = tmp_path / "captured"
        captures.mkdir()
        capture = captures / "one.rtmscap"
        key = files.key_of_folder(folder_in(recordings))
        Appended(capture, key).append(image(records()))
        with CaptureReader(capture) as reader:
            assert reader.size == len(image(records()))
    folder = folder_in(recordings)
    locked = run("recover", recordings)
    assert locked.exit_code == 1
    assert "no key is configured" in locked.output
    assert "failed" in run("recover", recordings, "--config", config).output
    assert manifest.load(folder).state == "failed"
    assert run("export", folder, "--mp4", tmp_path / "no.mp4").exit_code == 1
    exported = run("export", folder, "--mp4", tmp_path / "yes.mp4", "--config", config)
    assert exported.exit_code == 0, exported.output
    assert (tmp_path / "yes.mp4").read_bytes()[4:8] == b"ftyp"
    assert "no key is configured" in run("inspect", capture).output
    inspected = run("inspect", capture, "--config", config)
    assert inspected.exit_code == 0, inspected.output
    out = run("decrypt", folder, "--out", tmp_path / "plain", "--config", config)
    assert out.exit_code == 0, out.output
    assert "the secret sentence" in (tmp_path / "plain" / "transcript.jsonl").read_text()
    assert run("decrypt", folder, "--out", tmp_path / "plain", "--config", config).exit_code == 2
    assert run("decrypt", capture, "--out", tmp_path / "plain.rtmscap", "--config", config).exit_code == 0
    assert (tmp_path / "plain.rtmscap").read_bytes() == image(records())


async def test_what_cannot_be_decrypted_is_named(tmp_path: Path, config: str, recordings: Path) -> None:
    with unlocked(tmp_path):
        folder = await recorded(recordings, SAID)
    raw = (folder / "transcript.jsonl").read_bytes()
    (folder / "transcript.jsonl").write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
    result = run("decrypt", folder, "--out", tmp_path / "plain", "--config", config)
    assert result.exit_code == 1
    assert "transcript.jsonl: incomplete: it is not what was encrypted" in result.output
    assert (tmp_path / "plain" / "audio" / "mixed.wav").exists()
    [key] = (tmp_path / "state" / "keys").iterdir()
    key.unlink()
    result = run("decrypt", folder, "--out", tmp_path / "again", "--config", config)
    assert result.exit_code == 1
    assert "has deleted this" in result.output


async def test_another_master_key(tmp_path: Path, config: str, recordings: Path) -> None:
    """In front of the old one, `rewrap`, and the old one is not needed any more."""
    with unlocked(tmp_path):
        folder = await recorded(recordings, SAID)
    master = tmp_path / "master.key"
    master.write_text("22" * 32)
    locked = run("rewrap", "--config", config)
    assert (locked.exit_code, "1 keys cannot be opened" in locked.output) == (1, True)
    master.write_text("22" * 32 + "\n" + "11" * 32 + "\n")
    assert "1 keys wrapped anew" in run("rewrap", "--config", config).output
    master.write_text("22" * 32)
    result = run("decrypt", folder, "--out", tmp_path / "plain", "--config", config)
    assert result.exit_code == 0, result.output
    assert "there is none" in run("rewrap", "--set", f"state.directory={tmp_path}/state").output


def test_check_says_what_stays_in_plain(tmp_path: Path, config: str) -> None:
    Path(config).write_text(
        CONFIG.format(folder=tmp_path, more='[[sinks]]\ntype = "exec"\ncommand = ["cat"]')
    )
    result = run("check", "--config", config)
    assert result.exit_code == 0
    assert "sinks.exec writes to exec in plain: [encryption] does not reach it" in result.output
    assert "sinks.recording writes" not in result.output
    assert "1111" not in result.output


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("encryption.key=password", "encryption.key: give either key or key_file"),
        ("encryption.key_file=/nowhere", "encryption.key_file: key_file cannot be read: No such file"),
        ("state.directory=", "encryption.directory: must be set if [state] directory is empty"),
    ],
)
def test_check_refuses(config: str, said: str, problem: str) -> None:
    result = run("check", "--config", config, "--set", said)
    assert result.exit_code == 2
    assert problem in result.output


def test_check_refuses_a_bad_key(tmp_path: Path, config: str) -> None:
    """And does not show it."""
    (tmp_path / "master.key").write_text("correct-horse-battery")
    result = run("check", "--config", config)
    assert result.exit_code == 2
    assert "encryption.key_file: must be 32 random bytes" in result.output
    assert "horse" not in result.output


@pytest.mark.parametrize(
    ("verdict", "level", "says"),
    [
        (verdicts.encryption([], {}, "keys", None), "OK", "in plain"),
        (verdicts.encryption(["a"], {"a": 3}, "keys", 0o700), "OK", "3 keys"),
        (verdicts.encryption(["a", "b"], {"a": 1, "b": 2}, "keys", 0o700), "WARN", "2 keys are wrapped"),
        (verdicts.encryption(["a"], {"b": 2}, "keys", 0o700), "FAIL", "2 keys need the master key b"),
        (verdicts.encryption([], {"b": 2}, "keys", 0o700), "FAIL", "2 keys need the master key b"),
        (verdicts.encryption(["a"], {"a": 2}, "keys", 0o755), "FAIL", "others may read"),
    ],
)
def test_the_doctor_looks_at_keys(verdict: verdicts.Verdict, level: str, says: str) -> None:
    assert verdict.level == level
    assert says in verdict.text


async def test_the_doctor_finds_them(tmp_path: Path, config: str, recordings: Path) -> None:
    with files.unlocked(vault(tmp_path / "state" / "keys", OTHER, covers=(recordings,))):
        await recorded(recordings, SAID)
    result = run("doctor", "--offline", "--config", config, "--json")
    assert f"1 keys need the master key {OTHER.id}, which is not given" in result.output
