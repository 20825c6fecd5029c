"""Choice of the board for a request: by its token, never by what the client sends."""

from starlette.requests import HTTPConnection

from spacekey import Principal

from .board import Board, BoardError, Boards


def board_of(connection: HTTPConnection) -> Board:
    """Return the board of the caller's space, or of its workspace if the token belongs to no space.

    :raises BoardError: for a caller without either, such as a signed-in member.
    """
    principal: Principal = connection.scope["user"]
    home = principal.space_id or principal.workspace_id
    if home is None:
        raise BoardError("use a token of a space or a workspace")
    boards: Boards = connection.app.state.boards
    return boards.of(home)
