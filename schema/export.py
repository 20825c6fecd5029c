"""The schema as a file: ``python -m spacekey.schema.export`` writes ``schema.graphql`` anew."""

from __future__ import annotations

from pathlib import Path

from .build import build_schema

SCHEMA_FILE = Path(__file__).parent / "schema.graphql"
COMMAND = "python -m spacekey.schema.export"


def printed_schema() -> str:
    """The schema definition language of what the server serves."""
    return build_schema().as_str().rstrip() + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(printed_schema(), encoding="utf-8")
