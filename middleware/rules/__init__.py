"""Declarations of routes, and the pure decision about a principal."""
