"""Statements, by what they ask for."""
