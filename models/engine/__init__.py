"""The database: its address, its connections, and one word for "it cannot answer"."""
