"""Authentication: credentials from a request, and what a verifier says of them."""
