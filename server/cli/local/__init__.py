"""Commands on the database: what they ask is answered by the resolvers, for the operator."""
