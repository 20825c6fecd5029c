"""Object types."""
