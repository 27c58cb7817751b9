"""Writes a bill of materials (CycloneDX 1.5, JSON): the engine and all that it needs and that is installed.

``python .ci/sbom.py sbom.json``; made of the metadata of the installed packages, without a network.
"""

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ROOT = "rtms-engine"


def needs(name: str) -> set[str]:
    """The packages that a package requires and that are there; extras count where they are installed."""
    found = {_normal(match[0]) for line in distribution(name).requires or () if (match := _NAME.match(line))}
    return {one for one in found if _is_there(one)}


def bill(root: str = _ROOT) -> dict[str, Any]:
    """The document."""
    todo, known = [root], {}
    while todo:
        name = todo.pop()
        if name not in known:
            known[name] = sorted(needs(name) - {name})
            todo += known[name]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": _component(root, "application")},
        "components": [_component(name, "library") for name in sorted(known) if name != root],
        "dependencies": [
            {"ref": _purl(name), "dependsOn": [_purl(one) for one in known[name]]} for name in sorted(known)
        ],
    }


def _component(name: str, kind: str) -> dict[str, Any]:
    found = distribution(name)
    licence = found.metadata.get("License-Expression")
    about = {"licenses": [{"expression": licence}]} if licence else {}
    purl = _purl(name)
    return {"type": kind, "bom-ref": purl, "name": name, "version": found.version, "purl": purl, **about}


def _purl(name: str) -> str:
    return f"pkg:pypi/{name}@{distribution(name).version}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_there(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(bill(), indent=1) + "\n", "utf-8")
