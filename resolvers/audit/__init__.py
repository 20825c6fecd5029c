"""The audit log: writing it, verifying its chains, and refused requests."""
