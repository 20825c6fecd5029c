"""Verification reads: what is asked of the database for one token."""
