"""The GraphQL API: Strawberry types, inputs, queries and mutations. Each field calls one resolver."""
