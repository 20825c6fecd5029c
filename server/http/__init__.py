"""Routes of the server, and what stands around them."""
