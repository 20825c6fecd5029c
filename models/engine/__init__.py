"""Database engine: URLs, connections, sessions, and one exception for every kind of outage."""
