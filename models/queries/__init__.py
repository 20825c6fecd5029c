"""Database queries, by topic."""
