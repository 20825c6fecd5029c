"""The shared words: secrets, scopes, rules, products, principals and the four answers. Standard library only."""
