"""Tables, their constraints, and the records read from them."""
