"""SQLModel tables and their constraints, every query by name, engine and sessions, migrations."""
