"""Relay's global object identification: ids are Spacekey's own, they are global already."""

import strawberry


@strawberry.interface(description="Anything with an id of its own.")
class Node:
    """An object that ``node(id)`` finds."""

    id: strawberry.ID = strawberry.field(description="Opaque and unique among all kinds.")
