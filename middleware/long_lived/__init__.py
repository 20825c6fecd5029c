"""WebSockets and streaming responses: their tokens are verified again for as long as they are open."""
