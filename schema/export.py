"""Write the schema as a file: ``python -m spacekey.schema.export`` generates ``schema.graphql``."""

from __future__ import annotations

from pathlib import Path

from .build import build_schema

SCHEMA_FILE = Path(__file__).parent / "schema.graphql"
COMMAND = "python -m spacekey.schema.export"


def printed_schema() -> str:
    """Return the served schema in the schema definition language."""
    return build_schema().as_str().rstrip() + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(printed_schema(), encoding="utf-8")
