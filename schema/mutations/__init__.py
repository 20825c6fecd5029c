"""Mutations, with their inputs and results."""
