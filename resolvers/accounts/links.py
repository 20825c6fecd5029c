"""Links by mail: to choose another password, and to prove an address.

A request only notes what was asked for, so it does the same and takes the same time whatever the address is. The mail
is written when it is sent, with a new secret of which the database keeps the SHA-256. A link counts once, for one
account, and only while that account still has the address that it was sent to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.network import network_of
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput, NotFound
from spacekey.domain.secret import Secret, opaque_secret
from spacekey.models.queries import identities as identity_queries
from spacekey.models.queries import mails as mail_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.mail import MailedLink, WaitingMail
from spacekey.models.tables.user import User
from spacekey.resolvers.access.caller import MemberCaller, RequestFacts
from spacekey.resolvers.addresses import clean_email, shown_account
from spacekey.resolvers.audit.log import Attribution, record
from spacekey.resolvers.passwords.hashing import Turn, check_password
from spacekey.resolvers.system import System

from .sessions import check_takes_passwords
from .users import prove, words_around

PASSWORD, PROOF, INVITATION = "password", "proof", "invitation"
LIFETIMES: Mapping[str, timedelta] = {PASSWORD: timedelta(minutes=30), PROOF: timedelta(hours=24)}
"""How long a link counts after its mail was sent."""

WAITING_MAX = 10_000
"""How many mails of a kind wait at most."""

ADDRESS_WEIGHT = 3.0
"""Weight of a link among the attempts for one address: three mails at once, then one every 90 seconds."""

NO_MAIL = "This server sends no mail. Ask its operator."
_LINK = "the link"


@dataclass(frozen=True, slots=True)
class Letter:
    """Mail to be sent. ``link`` is the path and fragment of its link, which holds a secret."""

    to: str
    subject: str
    before: str
    link: str
    after: str

    def __repr__(self) -> str:
        return f"Letter({self.subject!r})"


async def ask_for_password_link(system: System, request: RequestFacts, *, email: str) -> None:
    """Have a link mailed to the address with which to choose another password, if an account has proven the address.

    The answer is the same for every address, and so is the work that is done before it.

    :raises InvalidInput: if the text is no address, or the server sends no mail or takes no passwords.
    :raises TooManyAttempts: after too many links for this address or from this network.
    :raises ServiceUnavailable: if too much mail is waiting.
    """
    check_takes_passwords(system)
    check_mail(system, "email")
    address = clean_email("email", email)
    counted = {f"mail from {network_of(request.ip)}": 1.0, f"mail to {address}": ADDRESS_WEIGHT}
    system.attempts.count(system.clock(), counted)
    await enqueue(system, PASSWORD, address)


async def ask_for_proof_link(system: System, caller: MemberCaller) -> None:
    """Have a link mailed to the address that the caller's account claims, with which the caller proves it.

    :raises InvalidInput: if the server sends no mail.
    :raises Conflict: if the account has no address, or has proven it.
    :raises TooManyAttempts: after too many links for this address or account.
    """
    check_mail(system, "email")
    async with system.store.reading() as session:
        user = await user_queries.user_by_id(session, caller.id)
    if user is None:
        raise NotFound("account")
    if user.email is None or user.email_proven_at is not None:
        raise Conflict("There is no address to prove; enter one first.", ConflictCode.ADDRESS_UNUSABLE)
    counted = {f"mail of {caller.id}": 1.0, f"mail to {user.email}": ADDRESS_WEIGHT}
    system.attempts.count(system.clock(), counted)
    await enqueue(system, PROOF, user.id)


async def set_password_by_link(system: System, request: RequestFacts, *, link: str, password: str) -> User:
    """Set the password of the account whose link this is. Its sessions end, and so do its links.

    :raises NotFound: if the link is unknown, was used or has expired, or the account has another address now.
    :raises InvalidInput: if the password is not acceptable; the link can be used again.
    :raises TooManyAttempts: after too many links from this network.
    """
    check_takes_passwords(system)
    by_network = {f"links from {network_of(request.ip)}": 1.0}
    system.attempts.count(system.clock(), by_network)
    digest = Secret(link.strip()).digest()
    async with system.store.reading() as session:
        user = await _linked(session, system, digest, PASSWORD)
    await check_password("password", password, about=await words_around(system, user))
    hashed = await system.passwords.hash(password, Turn(network_of(request.ip)))
    async with system.store.changing() as session:
        if await user_queries.lock_user(session, user.id) is None:
            raise NotFound(_LINK)
        user = await _linked(session, system, digest, PASSWORD)
        if user.email_proven_at is None or await identity_queries.issuers_of_user(session, user.id):
            raise NotFound(_LINK)
        user.password_hash = hashed
        session.add(user)
        await mail_queries.delete_links(session, user.id, PASSWORD)
        await user_queries.delete_sessions_of_user(session, user.id)
        await _record(session, system, request, user, "user.reset_password")
    system.attempts.take_back(system.clock(), by_network)
    return user


async def prove_by_link(system: System, caller: MemberCaller, *, link: str) -> User:
    """Prove the address of the caller's account by the link that was mailed to it.

    The caller must be the account that asked for it. The owner of a mailbox who opens a link that another account asked
    for proves nothing for that account.

    :raises NotFound: if the link is unknown, of another account, was used or has expired, or the address changed.
    :raises Conflict: if another account has proven the address meanwhile.
    """
    digest = Secret(link.strip()).digest()
    async with system.store.changing() as session:
        if await user_queries.lock_user(session, caller.id) is None:
            raise NotFound(_LINK)
        user = await _linked(session, system, digest, PROOF)
        if user.id != caller.id:
            raise NotFound(_LINK)
        await mail_queries.delete_links(session, user.id, PROOF)
        if user.email_proven_at is None:
            lost = await prove(session, system, user)
            await _record(session, system, caller.request, user, "user.prove_email", lost)
    return user


async def enqueue(system: System, kind: str, about: str) -> None:
    """Note that a mail is asked for, in a transaction of its own; one that waits already is not asked for twice.

    :raises ServiceUnavailable: if too many wait.
    """
    try:
        async with system.store.changing() as session:
            await enqueue_in(session, system, kind, about)
    except Conflict:
        pass  # it was asked for at the same time
    wake(system)


async def enqueue_in(session: AsyncSession, system: System, kind: str, about: str) -> None:
    """Note that a mail is asked for, inside the caller's transaction; call :func:`wake` after it.

    One that waits already is replaced, with the same statements: so the wait does not tell whether there is an account.
    """
    await mail_queries.delete_mails(session, [about], kind)
    if await mail_queries.count_waiting_mails(session, kind) >= WAITING_MAX:
        raise ServiceUnavailable(f"{WAITING_MAX} mails wait to be sent; look at the mail server", 60)
    now = system.clock()
    session.add(WaitingMail(kind=kind, about=about, created_at=now, next_try_at=now))
    await session.flush()


def wake(system: System) -> None:
    """Have mail sent that was asked for."""
    if system.outbox is not None:
        system.outbox.wake()


def check_mail(system: System, field: str) -> None:
    """Raise if the server sends no mail.

    :raises InvalidInput: saying so.
    """
    if system.outbox is None:
        raise InvalidInput(field, NO_MAIL, InputCode.NOT_ALLOWED)


async def write_link_mail(session: AsyncSession, system: System, mail: WaitingMail) -> Letter | None:
    """Return the mail with a new link, inside the caller's transaction; None if there is no address to write to.

    A link that was made for the account before is replaced.
    """
    if mail.kind == PASSWORD:
        user = await user_queries.user_by_proven_email(session, mail.about)
        if user is not None and await identity_queries.issuers_of_user(session, user.id):
            return None  # it has no password here
    else:
        user = await user_queries.user_by_id(session, mail.about)
        if user is not None and user.email_proven_at is not None:
            return None
    if user is None or user.email is None:
        return None
    await user_queries.hold_user(session, user.id)
    secret = opaque_secret(system.entropy)
    await mail_queries.delete_links(session, user.id, mail.kind)
    session.add(
        MailedLink(
            digest=secret.digest(),
            user_id=user.id,
            kind=mail.kind,
            email=user.email,
            expires_at=system.clock() + LIFETIMES[mail.kind],
        )
    )
    await session.flush()
    if mail.kind == PASSWORD:
        return Letter(
            user.email,
            "Choose another password",
            "Someone, probably you, asked to choose another password for this address.",
            f"/password#{secret.reveal()}",
            "The link can be used once, within 30 minutes. All sessions of the account end with it. "
            "If it was not you, ignore this mail: nothing was changed.",
        )
    return Letter(
        user.email,
        "Prove your e-mail address",
        f"The account {user.id} says that this address is its own. Open the link in a browser in which you are "
        "signed in with that account:",
        f"/account#{secret.reveal()}",
        "The link can be used once, within 24 hours. If it is not your account, ignore this mail.",
    )


async def _linked(session: AsyncSession, system: System, digest: bytes, kind: str) -> User:
    """Return the account of a link that counts.

    :raises NotFound: if there is none.
    """
    found = await mail_queries.link_by_digest(session, digest)
    if found is None or found.kind != kind or system.clock() >= found.expires_at:
        raise NotFound(_LINK)
    user = await user_queries.user_by_id(session, found.user_id)
    if user is None or user.email != found.email:
        raise NotFound(_LINK)
    return user


async def _record(
    session: AsyncSession,
    system: System,
    request: RequestFacts,
    user: User,
    action: str,
    after: dict[str, object] | None = None,
) -> None:
    await record(
        session,
        system,
        Attribution(Actor(ActorKind.PERSON, user.id, shown_account(user)), "mailed link", request),
        chain=SYSTEM_CHAIN,
        action=action,
        target_id=user.id,
        target_name=shown_account(user),
        after=after or None,
    )
