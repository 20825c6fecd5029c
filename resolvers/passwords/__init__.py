"""Password hashing and strength checks."""
