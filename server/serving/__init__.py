"""Processes and sockets of ``spacekey serve``."""
