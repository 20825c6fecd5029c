"""The one place where expected errors become a message on standard error and an exit code."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from spacekey.domain.errors import SpacekeyError

from .codes import code_of, message_of


class Root(TyperGroup):
    """The command ``spacekey`` itself."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named. A bug still shows its traceback; what is expected never does."""
        try:
            return super().invoke(ctx)
        except SpacekeyError as error:
            print(f"spacekey: {message_of(error)}", file=sys.stderr)
            raise typer.Exit(code_of(error)) from None
