"""Mutations, beside their inputs and results."""
