"""Authentication: read credentials from a request and verify them."""
