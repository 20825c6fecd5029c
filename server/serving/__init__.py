"""Processes, sockets and connections of ``spacekey serve``."""
