"""The printed schema is the one that is served."""

from spacekey.schema.export import COMMAND, SCHEMA_FILE, printed_schema


def test_the_printed_schema_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == printed_schema(), f"the schema has changed; run: {COMMAND}"
