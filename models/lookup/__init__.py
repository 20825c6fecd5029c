"""Reads for verification: the facts about one token, in one statement."""
