"""HTTP routes and middleware of the server, the OpenAPI document, and the models of requests and responses."""
