"""The shared words: secrets, scopes, rules, catalogs, principals and the four answers. Standard library only."""
