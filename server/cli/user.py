"""``spacekey user``: accounts, and whose address is proven."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from spacekey.domain.text_input import decode_text, one_line

from ._connection import run
from ._options import Account, AsArray, AsJson, AsLines, DryRun, Limit, NoWait, Wide, Yes
from .common.output import Facts, Format, Listing, say, show_one
from .common.run import USAGE, Failure, confirmed, operator

if TYPE_CHECKING:
    from spacekey.resolvers.accounts.erasure import Erased
    from spacekey.resolvers.system import System

STANDARD_INPUT = "standard input"
PASSWORD_BYTES_MAX = 65_536


def list_(
    email: Annotated[
        str | None, typer.Option("--email", metavar="EMAIL", help="Only accounts with this address, proven or not.")
    ] = None,
    limit: Limit = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
    wide: Wide = False,
) -> None:
    """List accounts, the newest first, with their ids and whether their address is proven."""
    form = Format(as_json, as_lines, wide, limit)

    async def work(system: System) -> None:
        from spacekey.resolvers.accounts.users import user_list

        from .common.facts import user_facts
        from .common.lookup import every

        columns = ("id", "email", "email_proven", "sign_in_name", "name", "created_at")
        with Listing(form, *columns, drop=("created_at", "sign_in_name", "email_proven", "name", "email")) as listing:
            async for user in every(lambda page: user_list(system, operator(), page, email)):
                if not listing.add(user_facts(user)):
                    return

    run(work)


def create(
    email: Annotated[
        str, typer.Argument(metavar="EMAIL", help="The account's address and sign-in name. It counts as proven.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="The person's name; left out: what precedes the @.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password's one line from standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account with a password; it is asked for, never an argument."""
    chosen_password = _password(password_stdin)

    async def work(system: System) -> Facts:
        from spacekey.resolvers.accounts.users import create_user

        from .common.facts import user_facts

        chosen = name or email.split("@")[0]
        return user_facts(await create_user(system, operator(), email=email, name=chosen, password=chosen_password))

    show_one(run(work), as_json)


def prove(
    account: Annotated[str, typer.Argument(metavar="ID", help="The account's id (usr_…).")],
    as_json: AsJson = False,
) -> None:
    """Say that an account's address is its holder's: from then on it is matched with what others enter.

    Other accounts that claim the address lose it, and one that signs in by it signs in by its id instead.
    """

    async def work(system: System) -> Facts:
        from spacekey.domain.ids import USER, id_prefix
        from spacekey.resolvers.accounts.users import prove_email
        from spacekey.resolvers.addresses import shown_account

        from .common.facts import user_facts
        from .common.lookup import account_called

        if id_prefix(account) != USER:
            raise Failure("ID: write the account's id (usr_…). 'spacekey user list --email EMAIL' shows it.", USAGE)
        found = await account_called(system, account)
        proven = await prove_email(system, operator(), found.id)
        say(f"{shown_account(proven)} is proven to be {proven.id}'s.")
        return user_facts(proven)

    show_one(run(work), as_json)


def reset_password(
    account: Account,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password's one line from standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give an account another password; all of its sessions end."""
    chosen = _password(password_stdin)

    async def work(system: System) -> Facts:
        from spacekey.resolvers.accounts.users import reset_password

        from .common.facts import user_facts
        from .common.lookup import account_called

        found = await account_called(system, account)
        return user_facts(await reset_password(system, operator(), found.id, password=chosen))

    show_one(run(work), as_json)


def erase(
    account: Annotated[str, typer.Argument(metavar="ID", help="The person's id (usr_…).")],
    yes: Yes = False,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person: their account, sessions, memberships, names and addresses end everywhere; their id stays.

    Tokens that they made go on working. The audit log keeps what was done, without names, and still verifies.
    """

    async def work(system: System) -> Facts:
        from spacekey.models.queries.users import user_by_id
        from spacekey.resolvers.accounts.erasure import erase_user
        from spacekey.resolvers.addresses import shown_account
        from spacekey.server.timestamps import written

        async with system.store.reading() as session:
            found = await user_by_id(session, account)
        if found is None:
            raise Failure(f"There is no user with the id '{account}'. Write an id (usr_…).")
        say(f"Person {found.id} '{found.name}' ({shown_account(found)}).")
        if dry_run:
            from spacekey.resolvers.impact import rehearse

            _, gone = await rehearse(
                system, found.id, lambda rehearsed: erase_user(rehearsed, operator(), found.id, wait=False)
            )
            say("Nothing was changed. This is what would happen:")
            return {"dry_run": True, **_erased(gone)}
        confirmed("Their names and addresses go everywhere, for good. Erase this person?", yes=yes)
        gone = await erase_user(system, operator(), found.id, wait=not no_wait)
        return {**_erased(gone), "effective_at": written(gone.effective_at)}

    show_one(run(work, takes_away=True), as_json)


def _erased(gone: Erased) -> Facts:
    return {
        "id": gone.user_id,
        "memberships_ended": gone.memberships,
        "tokens": gone.tokens,
        "events": gone.events,
    }


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return one_line(decode_text(sys.stdin.buffer.read(PASSWORD_BYTES_MAX), STANDARD_INPUT), STANDARD_INPUT)
    if not sys.stdin.isatty():
        raise Failure("There is no terminal to ask for the password; pipe it in with --password-stdin.", USAGE)
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
