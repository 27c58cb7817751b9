"""The JSON Schema of ``manifest.json``, for those who read it: ``manifest.schema.json``, in the package.

It comes from the types in `manifest`; ``python -m rtms_engine.recording.manifest_schema`` writes it anew
when they have changed.
"""

from pathlib import Path

import msgspec

from .manifest import SCHEMA_VERSION, Manifest, Tombstone

PATH = Path(__file__).with_name("manifest.schema.json")


def schema() -> bytes:
    """The schema of the current version, as JSON."""
    either, parts = msgspec.json.schema_components([Manifest, Tombstone], ref_template="#/$defs/{name}")
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"manifest.json of a recording, version {SCHEMA_VERSION}",
        "oneOf": list(either),
        "$defs": parts,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


if __name__ == "__main__":
    PATH.write_bytes(schema())
