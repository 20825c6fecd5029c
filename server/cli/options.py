"""Options and arguments that several commands have, so that they are called the same everywhere."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines: one document, or one object a line for lists.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
NoWait: TypeAlias = Annotated[
    bool, typer.Option("--no-wait", help="Answer before the change holds everywhere; effective_at says when it does.")
]
WorkspaceName: TypeAlias = Annotated[str, typer.Argument(metavar="WORKSPACE", help="A workspace's slug or id.")]
SpaceName: TypeAlias = Annotated[
    str, typer.Argument(metavar="SPACE", help="A space's id, or WORKSPACE/SPACE by their slugs.")
]
Email: TypeAlias = Annotated[
    str, typer.Argument(metavar="EMAIL", help="The e-mail address that the invitation was made for.")
]
Account: TypeAlias = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="An account's id (usr_…), or the address it has proven.")
]
TokenId: TypeAlias = Annotated[str, typer.Argument(metavar="TOKEN", help="A token's id (key_…), never its secret.")]
Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most this many; without it 100 in a table, all with --json.")
]
