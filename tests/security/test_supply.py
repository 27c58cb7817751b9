"""What is installed, and by which hashes."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def test_the_bill_of_materials(tmp_path):
    """Every component once, with its version; every dependency is a component."""
    path = tmp_path / "sbom.json"
    subprocess.run([sys.executable, ROOT / ".ci" / "sbom.py", path], check=True)
    bill = json.loads(path.read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    refs = [one["bom-ref"] for one in (bill["metadata"]["component"], *bill["components"])]
    assert len(refs) == len(set(refs))
    assert {f"pkg:pypi/{name}@{version(name)}" for name in ("aiohttp", "msgspec", "websockets")} <= set(refs)
    assert all({one["ref"], *one["dependsOn"]} <= set(refs) for one in bill["dependencies"])


def test_the_lock_pins_every_package_by_hash():
    """And holds all that the engine requires without extras."""
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()[1:]
    pinned = [re.fullmatch(r"([a-z0-9._-]+)==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    assert all(pinned)
    names = {one[1].replace("_", "-") for one in pinned}
    assert {"aiohttp", "av", "click", "msgspec", "numpy", "structlog", "websockets"} <= names


def test_the_lock_is_in_step_with_the_project():
    """What pyproject.toml asks for is pinned, and as new as it asks; `python .ci/lock.py` makes it so."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()[1:]
    pinned = {canonicalize_name(name): rest for name, _, rest in (line.partition("==") for line in lines)}
    wrong = [
        str(wanted)
        for wanted in map(Requirement, project["dependencies"])
        if pinned.get(canonicalize_name(wanted.name), "").partition(" ")[0] not in wanted.specifier
    ]
    assert not wrong
