"""Passwords: hashing, and which are too weak."""
