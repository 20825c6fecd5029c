"""Callers, their authority in a workspace, and the limits on what they can grant."""
