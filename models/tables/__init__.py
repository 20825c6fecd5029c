"""The tables, their constraints, and the records that are read from them."""
