"""Tokens, from their creation to their usage."""
