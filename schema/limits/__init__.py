"""Limits on the size of a document and the cost of an operation."""
