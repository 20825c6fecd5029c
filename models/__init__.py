"""Storage: SQLModel tables and their constraints, the engine and its sessions, every query, and migrations."""
