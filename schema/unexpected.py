"""What nobody expected says nothing but that it was logged."""

from __future__ import annotations

from graphql import GraphQLError
from strawberry.extensions import MaskErrors

from spacekey.domain.errors import Unavailable
from spacekey.domain.refusal import Refusal

from .errors import error_of

INTERNAL = "INTERNAL"


class MaskUnexpected(MaskErrors):
    """Masks bugs, with a code; outages and refusals that no field caught keep their own."""

    def __init__(self) -> None:
        super().__init__(should_mask_error=_is_unexpected, error_message="Something went wrong here; it was logged.")

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        """The same place, and nothing of what happened there."""
        masked = super().anonymise_error(error)
        if isinstance(error.original_error, Unavailable | Refusal):
            known = error_of(error.original_error)
            masked.message, masked.extensions = known.message, known.extensions
        else:
            masked.extensions = {"code": INTERNAL}
        return masked


def _is_unexpected(error: GraphQLError) -> bool:
    """What fields raise on purpose is a GraphQLError; anything else may say too much."""
    return error.original_error is not None and not isinstance(error.original_error, GraphQLError)
