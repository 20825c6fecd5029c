"""What a route declares, and the pure decision whether a principal satisfies it."""
