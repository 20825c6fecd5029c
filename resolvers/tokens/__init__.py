"""Tokens: create, list, edit, rotate, revoke and verify them, and record their usage."""
