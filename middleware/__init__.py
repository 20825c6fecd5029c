"""The middleware and what it is made of. Apps import it from :mod:`spacekey`, which loads what they use.

Modules with needs of their own are imported by name: ``fastapi``, ``graphql`` (Strawberry), ``limits.redis``,
``observability.opentelemetry``. ``testing`` is for the tests of an app.
"""
