"""The GraphQL API: Strawberry types, inputs, queries and mutations. Each field is a door to one resolver."""
