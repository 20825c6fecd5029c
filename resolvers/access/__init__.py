"""The caller, what it may do, and what it may hand on."""
