"""Links by mail count once, for one account, while it has the address; asking for one tells nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import event
from sqlmodel import select

from spacekey.domain.authentication import Reason, Rejected
from spacekey.domain.refusal import Conflict, InvalidInput, NotFound, SignInFailed, TooManyAttempts
from spacekey.models.engine.store import Store
from spacekey.models.queries import mails as mail_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.mail import MailedLink, WaitingMail
from spacekey.models.tables.user import Invitation, User
from spacekey.resolvers.accounts.erasure import erase_user
from spacekey.resolvers.accounts.links import (
    INVITATION,
    Letter,
    ask_for_password_link,
    ask_for_proof_link,
    prove_by_link,
    set_password_by_link,
    write_link_mail,
)
from spacekey.resolvers.accounts.outside import Issuer, Person
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from spacekey.resolvers.accounts.users import reset_password, update_account
from spacekey.resolvers.members.invitations import accept_invitation, write_invitation_mail
from spacekey.resolvers.members.members import Invited, add_member
from spacekey.resolvers.members.outside import sign_in_from_outside
from spacekey.resolvers.outbox import Outbox
from spacekey.resolvers.throttle import Attempts
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

ADA, EVE = "ada@acme.example", "eve@evil.example"
ANOTHER = "eleven copper kettles in a row"


def mailing(store: Store) -> World:
    """A world whose server sends mail."""
    world = make_world(store)
    world.system = replace(world.system, outbox=Outbox(), attempts=Attempts(burst=1_000))
    return world


async def letters(world: World) -> list[Letter]:
    """The letters that are sent now."""
    written = []
    async with world.system.store.changing() as session:
        for mail in (await session.exec(select(WaitingMail))).all():
            write = write_invitation_mail if mail.kind == INVITATION else write_link_mail
            written.append(await write(session, world.system, mail))
            await mail_queries.delete_mails(session, [mail.about])
    return [one for one in written if one is not None]


def secret_in(letter: Letter) -> str:
    return letter.link.partition("#")[2]


async def password_link(world: World, email: str = ADA) -> str:
    await ask_for_password_link(world.system, FACTS, email=email)
    (letter,) = await letters(world)
    assert letter.to == email
    return secret_in(letter)


async def account(world: World, user_id: str) -> User:
    async with world.system.store.reading() as session:
        found = await user_queries.user_by_id(session, user_id)
        assert found is not None
        return found


async def test_a_forgotten_password_is_replaced_by_a_link_to_the_proven_address(store: Store) -> None:
    world = mailing(store)
    ada = await world.user(ADA)
    session = await sign_in(world.system, FACTS, email=ADA, password=PASSWORD)
    link = await password_link(world)
    with pytest.raises(InvalidInput):
        await set_password_by_link(world.system, FACTS, link=link, password="short")
    changed = await set_password_by_link(world.system, FACTS, link=link, password=ANOTHER)
    assert changed.id == ada.id
    assert await session_outcome(world.system, session.secret) == Rejected(Reason.UNKNOWN)
    with pytest.raises(SignInFailed):
        await sign_in(world.system, FACTS, email=ADA, password=PASSWORD)
    await sign_in(world.system, FACTS, email=ADA, password=ANOTHER)
    with pytest.raises(NotFound):
        await set_password_by_link(world.system, FACTS, link=link, password=PASSWORD)


async def statements_of(world: World, email: str) -> list[str]:
    """The statements that asking for a link for this address sends to the database."""
    said: list[str] = []
    engine = world.system.store.engine.sync_engine

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        await ask_for_password_link(world.system, FACTS, email=email)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return said


async def test_asking_does_the_same_for_every_address(store: Store) -> None:
    """Statement by statement: an address that is unknown, claimed, proven, and one whose account has no password."""
    world = mailing(store)
    await world.user(ADA)
    eve = await world.user(EVE)
    await update_account(world.system, eve, email="claimed@acme.example")
    issuer = Issuer("https://id.example", frozenset({"id.example"}))
    await sign_in_from_outside(world.system, FACTS, issuer, Person("1", "X", "x@id.example", email_verified=True))
    emails = ("unknown@acme.example", ADA, "claimed@acme.example", "x@id.example")
    asked = {email: await statements_of(world, email) for email in emails}
    assert len({tuple(one) for one in asked.values()}) == 1, asked
    assert asked[ADA]
    # ADA's mail waits, because the mail server is down; the others, which have no address, are gone.
    async with world.system.store.changing() as session:
        await mail_queries.delete_mails(session, [one for one in asked if one != ADA])
    again = [await statements_of(world, email) for email in (ADA, "unknown@acme.example")]
    assert again == [asked[ADA]] * 2
    assert [one.to for one in await letters(world)] == [ADA]


async def test_a_link_ends_with_its_time_its_address_its_password_and_the_next_link(store: Store) -> None:
    world = mailing(store)
    ada = await world.user(ADA)

    async def is_dead(link: str) -> None:
        with pytest.raises(NotFound):
            await set_password_by_link(world.system, FACTS, link=link, password=ANOTHER)

    link = await password_link(world)
    await password_link(world)
    await is_dead(link)
    link = await password_link(world)
    world.clock.forward(minutes=30)
    await is_dead(link)
    link = await password_link(world)
    await reset_password(world.system, OPERATOR, ada.id, password=PASSWORD)
    await is_dead(link)
    link = await password_link(world)
    await update_account(world.system, ada, email="other@acme.example")
    await update_account(world.system, ada, email=ADA)
    await is_dead(link)
    for made_up in ("", "x", "A" * 43):
        await is_dead(made_up)


async def test_a_link_of_one_kind_is_none_of_the_other(store: Store) -> None:
    world = mailing(store)
    ada = await world.user(ADA)
    link = await password_link(world)
    with pytest.raises(NotFound):
        await prove_by_link(world.system, ada, link=link)
    eve = await world.user(EVE)
    await update_account(world.system, eve, email="eve@acme.example")
    await ask_for_proof_link(world.system, eve)
    (letter,) = await letters(world)
    with pytest.raises(NotFound):
        await set_password_by_link(world.system, FACTS, link=secret_in(letter), password=ANOTHER)


async def test_an_address_is_proven_by_its_link_for_the_account_that_asked(store: Store) -> None:
    """The owner of the address opens the link of someone else's account: nothing is proven for that account."""
    world = mailing(store)
    eve = await world.user(EVE)
    victim = await world.user("victim@acme.example")
    await update_account(world.system, eve, email=ADA)
    await ask_for_proof_link(world.system, eve)
    (letter,) = await letters(world)
    assert letter.to == ADA
    with pytest.raises(NotFound):
        await prove_by_link(world.system, victim, link=secret_in(letter))
    assert (await account(world, eve.id)).email_proven_at is None
    proven = await prove_by_link(world.system, eve, link=secret_in(letter))
    assert proven.email_proven_at is not None
    with pytest.raises(NotFound):
        await prove_by_link(world.system, eve, link=secret_in(letter))
    with pytest.raises(Conflict):
        await ask_for_proof_link(world.system, eve)


async def test_a_proof_for_an_address_that_changed_proves_nothing(store: Store) -> None:
    world = mailing(store)
    eve = await world.user(EVE)
    await update_account(world.system, eve, email="eve@acme.example")
    await ask_for_proof_link(world.system, eve)
    (letter,) = await letters(world)
    await update_account(world.system, eve, email=ADA)
    with pytest.raises(NotFound):
        await prove_by_link(world.system, eve, link=secret_in(letter))
    assert (await account(world, eve.id)).email_proven_at is None


async def invited(world: World, email: str = ADA) -> tuple[str, str]:
    """The code that the inviter sees, and the one in the mail."""
    workspace = await world.workspace("teamspace")
    owner = await world.member(workspace, "owner")
    made = await add_member(world.system, owner, workspace.id, email=email, role="viewer")
    assert isinstance(made, Invited)
    (letter,) = await letters(world)
    assert letter.to == email
    return made.invitation.reveal(), secret_in(letter)


async def test_the_code_in_the_mail_proves_the_address_and_the_inviters_does_not(store: Store) -> None:
    world = mailing(store)
    shown, _ = await invited(world, "first@acme.example")
    joined = await accept_invitation(world.system, FACTS, None, code=shown, password=PASSWORD)
    assert joined.user.email_proven_at is None
    shown, mailed = await invited(world)
    assert shown != mailed
    joined = await accept_invitation(world.system, FACTS, None, code=mailed, password=PASSWORD)
    assert (joined.user.email, joined.user.email_proven_at is None) == (ADA, False)
    for code in (shown, mailed):
        with pytest.raises(NotFound):
            await accept_invitation(world.system, FACTS, None, code=code, password=PASSWORD)


async def test_the_code_in_the_mail_proves_nothing_for_another_address(store: Store) -> None:
    world = mailing(store)
    eve = await world.user(EVE)
    _, mailed = await invited(world)
    await accept_invitation(world.system, FACTS, eve, code=mailed)
    found = await account(world, eve.id)
    assert (found.email, found.email_proven_at is None) == (EVE, False)
    _, mailed = await invited(world)
    await update_account(world.system, eve, email=ADA)
    await accept_invitation(world.system, FACTS, eve, code=mailed)
    assert (await account(world, eve.id)).email_proven_at is not None, "the account claims it, and has the mail"


async def test_an_address_that_another_account_has_proven_stays_with_it(store: Store) -> None:
    world = mailing(store)
    ada = await world.user(ADA)
    _, mailed = await invited(world)
    joined = await accept_invitation(world.system, FACTS, None, code=mailed, password=PASSWORD)
    assert joined.user.email_proven_at is None
    assert (await account(world, ada.id)).email_proven_at is not None


async def test_asking_is_bounded_by_address_and_network_alike_for_all(store: Store) -> None:
    world = mailing(store)
    await world.user(ADA)
    for email in (ADA, "unknown@acme.example"):
        world.system = replace(world.system, attempts=Attempts())
        for _ in range(3):
            await ask_for_password_link(world.system, FACTS, email=email)
        elsewhere = replace(FACTS, ip="198.51.100.1")
        await ask_for_password_link(world.system, elsewhere, email=email)
        with pytest.raises(TooManyAttempts):
            await ask_for_password_link(world.system, elsewhere, email=email)


async def test_without_mail_there_is_nothing_to_ask_for(store: Store) -> None:
    world = make_world(store)
    ada = await world.user(ADA)
    with pytest.raises(InvalidInput, match="sends no mail"):
        await ask_for_password_link(world.system, FACTS, email=ADA)
    with pytest.raises(InvalidInput, match="sends no mail"):
        await ask_for_proof_link(world.system, ada)


async def test_neither_links_nor_codes_are_in_the_database_or_a_repr(store: Store) -> None:
    world = mailing(store)
    await world.user(EVE)
    await ask_for_password_link(world.system, FACTS, email=EVE)
    (letter,) = await letters(world)
    _, mailed = await invited(world)
    async with store.reading() as session:
        rows = [*(await session.exec(select(MailedLink))).all(), *(await session.exec(select(Invitation))).all()]
    assert len(rows) == 2
    for secret in (secret_in(letter), mailed):
        assert not [one for one in rows if secret in repr(one.model_dump())]
        assert secret not in repr(letter)


async def test_an_erasure_takes_links_and_waiting_mail(store: Store) -> None:
    world = mailing(store)
    ada = await world.user(ADA)
    await password_link(world)
    await ask_for_password_link(world.system, FACTS, email=ADA)
    await erase_user(world.system, OPERATOR, ada.id)
    async with store.reading() as session:
        assert (await session.exec(select(MailedLink))).all() == []
        assert (await session.exec(select(WaitingMail))).all() == []


async def test_an_account_from_outside_gets_no_password_by_mail(store: Store) -> None:
    world = mailing(store)
    await world.user(ADA)
    link = await password_link(world)
    issuer = Issuer("https://id.example", frozenset({"acme.example"}))
    await sign_in_from_outside(world.system, FACTS, issuer, Person("1", "Ada", ADA, email_verified=True))
    with pytest.raises(NotFound):  # the link was mailed before the account got its identity from outside
        await set_password_by_link(world.system, FACTS, link=link, password=ANOTHER)
    await ask_for_password_link(world.system, FACTS, email=ADA)
    assert await letters(world) == []
