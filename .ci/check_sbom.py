"""Holds a bill of materials against CycloneDX's own schema: exits non-zero, with what is wrong, if it does not fit.

``python .ci/check_sbom.py sbom.json``, with ``cyclonedx-python-lib[json-validation]`` installed.
"""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main(path: Path) -> None:
    """Strictly: fields that the schema does not know are wrong too."""
    problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(path.read_text("utf-8"))
    if problem is not None:
        sys.exit(f"{path} is no CycloneDX 1.5: {str(problem)[:2000]}")
    print(f"{path} is CycloneDX 1.5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
