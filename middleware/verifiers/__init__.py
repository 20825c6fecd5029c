"""Verifiers that turn secrets into principals: cached, in memory, several issuers, a remote Spacekey."""
