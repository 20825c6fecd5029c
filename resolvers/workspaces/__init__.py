"""Workspaces, spaces and roles, and the lists of a workspace's contents."""
