"""Writes ``requirements.lock``: what pip would install for this Python and platform, pinned by hash.

``python .ci/lock.py`` writes the file; ``pip install --require-hashes -r requirements.lock`` installs exactly
that, and then ``pip install --no-deps .`` the engine. It is for images and servers that are built again and again;
other platforms and extras make their own with the same command: ``python .ci/lock.py .[sinks] other.lock``.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path


def main(what: str = ".", path: str = "requirements.lock") -> None:
    """Ask pip, which resolves and hashes, and write down its answer."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    report = subprocess.run([*pip, "--report", "-", what], capture_output=True, text=True, check=True).stdout
    lines = []
    for one in json.loads(report)["install"]:
        if one["download_info"].get("dir_info") is not None:
            continue  # the engine itself
        digest = one["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(
            f"{one['metadata']['name'].lower()}=={one['metadata']['version']} --hash=sha256:{digest}"
        )
    here = f"Python {platform.python_version()} on {sys.platform} {platform.machine()}"
    Path(path).write_text("\n".join([f"# Made by .ci/lock.py for {here}", *sorted(lines), ""]), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
