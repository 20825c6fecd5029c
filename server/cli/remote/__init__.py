"""Commands on a server: what they ask is answered by its GraphQL API, for the token that they were given."""
