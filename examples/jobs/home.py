"""Whose jobs a request is about: the token says it, never the client."""

from starlette.requests import HTTPConnection

from spacekey.domain.principal import Principal

from .board import Board, BoardError, Boards


def board_of(connection: HTTPConnection) -> Board:
    """The board of the caller's space, or of its workspace when the token belongs to no space.

    :raises BoardError: for a caller without either, such as a signed-in member.
    """
    principal: Principal = connection.scope["user"]
    home = principal.space_id or principal.workspace_id
    if home is None:
        raise BoardError("use a token of a space or a workspace")
    boards: Boards = connection.app.state.boards
    return boards.of(home)
