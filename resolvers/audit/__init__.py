"""The audit log: append, verify and export its chains, and record refused requests."""
