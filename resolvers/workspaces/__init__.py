"""Workspaces, spaces, roles, and the lists of what is in them."""
