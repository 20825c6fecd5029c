"""Whatever is done with addresses, and in whatever order: who gains what is who may.

A state machine over every command and mutation that takes an address, an account or an invitation, against a model that
knows only these ways to gain something: one's own password; a code or a mailed link that is presented; the operator's
word about an account named by its id or by an address it has proven; and an identity provider's word about a subject,
or about an address in its domains. After every step each account has the memberships, password and sessions that the
model says, to the last one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from argon2 import PasswordHasher
from graphql import GraphQLInputObjectType, get_named_type
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlmodel import select
from typer.testing import CliRunner

from spacekey.domain.authentication import Authenticated
from spacekey.domain.clock import utc_now
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.scope import MANAGEMENT_SCOPES
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.queries.mails import delete_mails
from spacekey.models.queries.users import invitation_by_digest
from spacekey.models.tables.mail import WaitingMail
from spacekey.models.tables.user import User, UserSession
from spacekey.models.tables.workspace import Member
from spacekey.resolvers.accounts.links import INVITATION, Letter, write_link_mail
from spacekey.resolvers.accounts.outside import Issuer, Person
from spacekey.resolvers.accounts.sessions import SignedIn, session_outcome
from spacekey.resolvers.addresses import clean_email, sign_in_name_of
from spacekey.resolvers.members.invitations import write_invitation_mail
from spacekey.resolvers.members.outside import sign_in_from_outside
from spacekey.resolvers.outbox import Outbox
from spacekey.resolvers.passwords import hashing as passwords
from spacekey.resolvers.throttle import Attempts
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.server.cli.app import build_app
from support.cli import command_tree
from support.databases import postgres_database, sqlite_database
from support.schema import spacekey_schema
from support.volume import volume
from support.world import FACTS, OPERATOR, Jar, make_world

SCHEMA = spacekey_schema()
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
TEAMSPACE = ("--product", "teamspace", "--plan", "business")
ADDRESSES = ("cto@acme.example", "Bob@Rival.example", "eve@bücher.example", "straße@corp.test")
ROLES = ("viewer", "administrator", "owner")
"""From the weakest; the last two may write members. Each may invite to itself and to those before it."""

ISSUER = Issuer("https://id.acme.example", frozenset({"acme.example", "corp.test"}))
NAMES = (*ADDRESSES, "ada", "strasse@corp.test")
EXAMPLES, STEPS = (400, 60) if os.environ.get("SPACEKEY_FAULTS") == "long" else (volume(short=3, long=8), 20)

COVERED: dict[str, str] = {}
"""Command or mutation → the rule that does it."""

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def covers(*names: str) -> Callable[[F], F]:
    """Say which commands and mutations a rule does."""

    def mark(function: F) -> F:
        COVERED.update(dict.fromkeys(names, function.__name__))
        return function

    return mark


@dataclass
class Account:
    """An account as its holder and the operator know it."""

    id: str
    password: str
    name: str | None
    email: str | None
    proven: bool
    session: Secret | None = None
    sessions: int = 0
    outside: bool = False


@dataclass
class Code:
    """An invitation that was handed out. ``inviter`` is an account's or token's id, or ``operator``."""

    code: str
    workspace: str
    email: str
    role: str
    inviter: str
    alive: bool = True
    id: str = ""
    mailed: str | None = None


@dataclass
class Expected:
    """What there should be."""

    accounts: dict[str, Account] = field(default_factory=dict)
    members: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: list[Code] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)

    def prover(self, email: str) -> Account | None:
        """The account that has proven the address."""
        return next((one for one in self.accounts.values() if one.email == email and one.proven), None)

    def rank(self, workspace: str, inviter: str) -> int:
        """How high the inviter may invite; -1 for nobody."""
        if inviter == "operator":
            return len(ROLES) - 1
        role = self.tokens.get(inviter) or self.members.get((workspace, inviter), "viewer")
        return ROLES.index(role) if role != "viewer" else -1

    def end_void(self) -> None:
        """What an inviter could not make any more ends, for good."""
        for one in self.codes:
            one.alive = one.alive and ROLES.index(one.role) <= self.rank(one.workspace, one.inviter)

    def prove(self, account: Account) -> None:
        """The address is this account's; others that claim it lose it, and the sign-in name that is equal to it."""
        email = account.email or ""
        for other in self.accounts.values():
            if other is account:
                continue
            if other.email == email:
                other.email = None
            owns = other.proven and other.email is not None and sign_in_name_of(other.email) == other.name
            if other.name == sign_in_name_of(email) and not owns:
                other.name = None
        taken = any(one.name == sign_in_name_of(email) for one in self.accounts.values())
        account.name = account.name or (None if taken else sign_in_name_of(email))
        account.proven = True

    def free(self, email: str) -> bool:
        """Whether a new account may be called by this address."""
        return self.prover(email) is None and all(one.name != sign_in_name_of(email) for one in self.accounts.values())


class Orders(RuleBasedStateMachine):
    """One database, Bob's workspace in it, and everything that can be done."""

    fresh: ClassVar[Callable[[], AbstractContextManager[str]]]
    """Gives the URL of a database of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.database = ExitStack()
        self.url = self.database.enter_context(type(self).fresh())
        self.app = build_app()
        self.opened: SignedIn | None = None
        self.done: set[str] = set()
        self.runner = asyncio.Runner()
        self.world = make_world(Store(self.url))
        self.world.system = replace(
            self.world.system,
            clock=utc_now,
            attempts=Attempts(burst=1_000_000),
            passwords=passwords.Passwords(HASHER),
            outbox=Outbox(),
        )
        self.outside: dict[str, Account] = {}
        self.expected = Expected()
        self.numbers = itertools.count(1)
        self.workspaces: list[str] = []

    def teardown(self) -> None:
        self.runner.run(self.world.system.store.aclose())
        self.runner.close()
        self.database.close()

    # what people and the operator have at hand

    def password(self) -> str:
        return f"nine yellow umbrellas outside {next(self.numbers)}"

    def command(self, *words: str, password: str | None = None, env: dict[str, str] | None = None) -> Any:
        """What a command answers, None when it is refused."""
        clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("SPACEKEY_")}
        stdin = None if password is None else f"{password}\n"
        settings_now = {**clean, "SPACEKEY_DATABASE_URL": self.url, **(env or {})}
        done = CliRunner().invoke(self.app, [*words, "--json"], input=stdin, env=settings_now)
        assert done.exit_code in (0, 1, 2), (words, done.output, done.exception)
        return json.loads(done.stdout) if done.exit_code == 0 else None

    def ask(self, mutation: str, caller: Account | str | None, success: str, **values: Any) -> dict[str, Any]:
        """A mutation's answer to an account that is signed in, a token, or a stranger."""
        principal, jar = None, Jar()
        if isinstance(caller, Account):
            jar = Jar(self.session(caller))
            assert jar.secret is not None
            outcome = self.runner.run(session_outcome(self.world.system, jar.secret, ISSUER.name))
            assert isinstance(outcome, Authenticated)
            principal = outcome.principal
        elif caller is not None:
            scopes = frozenset(MANAGEMENT_SCOPES)
            principal = Principal(caller, Kind.WORKSPACE, scopes, "program", self.workspaces[0])
        kind = f"{mutation[0].upper()}{mutation[1:]}Input"
        taken, given = (f"($input: {kind}!)", "(input: $input)") if values else ("", "")
        document = f"""mutation{taken} {{ answer: {mutation}{given} {{ __typename ... on {success} }} }}"""
        asked = self.world.ask(SCHEMA, document, principal=principal, variables={"input": values}, jar=jar)
        answer = self.runner.run(asked)
        self.opened = jar.opened
        return (answer["data"] or {}).get("answer") or {"__typename": "Refused", **answer}

    def session(self, account: Account) -> Secret:
        """The account's session; opened with its id and password where there is none."""
        if account.session is None:
            answer = self.ask(
                "signIn", None, "SignInSuccess { user { id } }", email=account.id, password=account.password
            )
            assert answer["user"]["id"] == account.id
            self.signed_in(account)
        assert account.session is not None
        return account.session

    def signed_in(self, account: Account) -> None:
        assert self.opened is not None
        account.session = self.opened.secret
        account.sessions += 1

    def pick(self, data: st.DataObject, among: Iterable[T]) -> T | None:
        """One of them, None where there are none."""
        found = list(among)
        return data.draw(st.sampled_from(found)) if found else None

    def accounts(self) -> list[Account]:
        return list(self.expected.accounts.values())

    def joined(self, workspace: str, account_id: str, role: str) -> None:
        self.expected.members[workspace, account_id] = role

    # where everybody begins

    @initialize()
    def begin(self) -> None:
        bob = self.make_account(ADDRESSES[1])
        made = self.command("workspace", "create", "rival", *TEAMSPACE, "--owner", bob.id)
        self.workspaces.append(made["id"])
        self.joined(made["id"], bob.id, "owner")
        token = self.runner.run(
            create_token(self.world.system, OPERATOR, NewToken(made["id"], "t", ("administrator",)))
        )
        self.expected.tokens[token.view.token.id] = "administrator"

    def make_account(self, address: str) -> Account:
        password, email = self.password(), clean_email("email", address)
        made = self.command("user", "create", address, "--password-stdin", password=password)
        account = Account(made["id"], password, None, email, proven=False)
        self.expected.accounts[account.id] = account
        self.expected.prove(account)
        return account

    # the operator

    @covers("user create")
    @rule(address=st.sampled_from(ADDRESSES))
    def operator_makes_an_account(self, address: str) -> None:
        if self.expected.prover(clean_email("email", address)) is None:
            self.make_account(address)
        else:
            assert self.command("user", "create", address, "--password-stdin", password=self.password()) is None

    @covers("user prove", "user list")
    @rule(data=st.data())
    def operator_proves(self, data: st.DataObject) -> None:
        account = self.pick(data, self.accounts())
        if account is None:
            return
        prover = self.expected.prover(account.email) if account.email else None
        done = self.command("user", "prove", account.id)
        assert (done is not None) == (account.email is not None and prover in (None, account))
        if done is not None and not account.proven:
            self.expected.prove(account)

    @covers("user reset-password")
    @rule(address=st.sampled_from(ADDRESSES))
    def operator_resets_by_address(self, address: str) -> None:
        prover, password = self.expected.prover(clean_email("email", address)), self.password()
        done = self.command("user", "reset-password", address, "--password-stdin", password=password)
        assert (done is None) == (prover is None or prover.outside)
        if done is not None:
            assert prover is not None
            assert done["id"] == prover.id
            prover.password, prover.session, prover.sessions = password, None, 0

    @covers("member add")
    @rule(data=st.data(), address=st.sampled_from(ADDRESSES), role=st.sampled_from(ROLES))
    def operator_adds(self, data: st.DataObject, address: str, role: str) -> None:
        workspace = data.draw(st.sampled_from(self.workspaces))
        prover = self.expected.prover(clean_email("email", address))
        done = self.command("member", "add", address, "-w", workspace, "--role", role)
        if prover is None:
            self.handed_out(done["invitation"], workspace, address, role, "operator")
        elif (workspace, prover.id) in self.expected.members:
            assert done is None
        else:
            assert (done["user_id"], done["invitation"]) == (prover.id, None)
            self.joined(workspace, prover.id, role)
            self.replaced(workspace, address)

    @rule(data=st.data(), role=st.sampled_from(ROLES))
    def operator_adds_by_id(self, data: st.DataObject, role: str) -> None:
        workspace, account = data.draw(st.sampled_from(self.workspaces)), self.pick(data, self.accounts())
        if account is None or (workspace, account.id) in self.expected.members:
            return
        assert self.command("member", "add", account.id, "-w", workspace, "--role", role)["user_id"] == account.id
        self.joined(workspace, account.id, role)
        if account.proven and account.email:
            self.replaced(workspace, account.email)

    @covers("workspace create")
    @precondition(lambda self: len(self.workspaces) < 4)
    @rule(address=st.sampled_from(ADDRESSES))
    def operator_makes_a_workspace(self, address: str) -> None:
        slug = f"w{next(self.numbers)}"
        prover = self.expected.prover(clean_email("email", address))
        done = self.command("workspace", "create", slug, *TEAMSPACE, "--owner", address)
        self.workspaces.append(done["id"])
        if prover is None:
            self.handed_out(done["invitation"], done["id"], address, "owner", "operator")
        else:
            assert done["owner_id"] == prover.id
            self.joined(done["id"], prover.id, "owner")

    @covers("demo")
    @precondition(lambda self: "demo" not in self.done)
    @rule(address=st.sampled_from(ADDRESSES))
    def operator_makes_the_demo(self, address: str) -> None:
        prover, password = self.expected.prover(clean_email("email", address)), self.password()
        self.done.add("demo")
        done = self.command("demo", env={"SPACEKEY_OWNER_EMAIL": address, "SPACEKEY_OWNER_PASSWORD": password})
        owner = done["owner"]["id"]
        if prover is None:
            account = Account(owner, password, None, clean_email("email", address), proven=False)
            self.expected.accounts[owner] = account
            self.expected.prove(account)
        else:
            assert owner == prover.id
        for one in done["workspaces"]:
            self.joined(one["id"], owner, "owner")

    @covers("member set-role", "member remove")
    @rule(data=st.data(), role=st.sampled_from([*ROLES, None]))
    def operator_changes_a_member_by_address(self, data: st.DataObject, role: str | None) -> None:
        workspace, address = data.draw(st.sampled_from(self.workspaces)), data.draw(st.sampled_from(ADDRESSES))
        prover = self.expected.prover(clean_email("email", address))
        words = ("set-role", address, "--role", role) if role else ("remove", address)
        done = self.command("member", *words, "-w", workspace, "--yes")
        before = self.expected.members.get((workspace, prover.id)) if prover else None
        if before is None or (before == "owner" and role != "owner" and self.owners(workspace) == 1):
            assert done is None
            return
        assert prover is not None
        assert done["user_id"] == prover.id
        self.changed(workspace, prover.id, role)

    @covers("invitation withdraw", "invitation list")
    @rule(data=st.data())
    def operator_withdraws(self, data: st.DataObject) -> None:
        code = self.pick(data, (one for one in self.expected.codes if one.alive))
        if code is not None:
            assert self.command("invitation", "withdraw", code.email, "-w", code.workspace, "--yes") is not None
            code.alive = False

    @rule(data=st.data())
    def operator_revokes_the_program(self, data: st.DataObject) -> None:
        token = self.pick(data, self.expected.tokens)
        if token is not None and data.draw(st.booleans()):
            assert self.command("token", "revoke", token, "--yes") is not None
            self.expected.tokens[token] = "viewer"
            self.expected.end_void()

    # members and programs

    @covers("addMember")
    @rule(data=st.data(), address=st.sampled_from(ADDRESSES), role=st.sampled_from(ROLES))
    def somebody_invites(self, data: st.DataObject, address: str, role: str) -> None:
        places = [(place, who) for place, who in self.expected.members if place in self.workspaces]
        places += [(self.workspaces[0], token) for token in self.expected.tokens]
        workspace, inviter = data.draw(st.sampled_from(places))
        email = clean_email("email", address)
        rank, prover = self.expected.rank(workspace, inviter), self.expected.prover(email)
        present = next((one for one in self.waiting(workspace, email)), None)
        answer = self.ask(
            "addMember",
            self.expected.accounts.get(inviter, inviter),
            "AddMemberSuccess { invitationCode }",
            workspaceId=workspace,
            email=address,
            role=role,
        )
        allowed = rank >= ROLES.index(role) and (present is None or rank >= ROLES.index(present.role))
        member = prover is not None and (workspace, prover.id) in self.expected.members
        assert (answer["__typename"] == "AddMemberSuccess") == (allowed and not member), answer
        if answer["__typename"] == "AddMemberSuccess":
            self.handed_out(answer["invitationCode"], workspace, address, role, inviter)
            (letter,) = self.letters()
            assert letter.to == email
            self.expected.codes[-1].mailed = letter.link.partition("#")[2]

    @covers("withdrawInvitation")
    @rule(data=st.data())
    def somebody_withdraws(self, data: st.DataObject) -> None:
        code = self.pick(data, self.expected.codes)
        members = [who for place, who in self.expected.members if code is not None and place == code.workspace]
        who = self.pick(data, members)
        if code is None or who is None:
            return
        answer = self.ask(
            "withdrawInvitation", self.expected.accounts[who], "WithdrawInvitationSuccess { __typename }", id=code.id
        )
        allowed = code.alive and self.expected.rank(code.workspace, who) >= ROLES.index(code.role)
        assert (answer["__typename"] == "WithdrawInvitationSuccess") == allowed, answer
        code.alive = code.alive and not allowed

    @covers("changeMemberRole", "removeMember")
    @rule(data=st.data(), role=st.sampled_from([*ROLES, None]))
    def a_member_changes_another(self, data: st.DataObject, role: str | None) -> None:
        workspace = data.draw(st.sampled_from(self.workspaces))
        here = [who for place, who in self.expected.members if place == workspace]
        actor, other = self.pick(data, here), self.pick(data, here)
        if actor is None or other is None:
            return
        rank, before = self.expected.rank(workspace, actor), self.expected.members[workspace, other]
        mutation, more = ("changeMemberRole", {"role": role}) if role else ("removeMember", {})
        success = "ChangeMemberRoleSuccess" if role else "RemoveMemberSuccess"
        answer = self.ask(
            mutation,
            self.expected.accounts[actor],
            f"{success} {{ effectiveAt }}",
            workspaceId=workspace,
            userId=other,
            **more,
        )
        allowed = rank >= max(ROLES.index(before), ROLES.index(role or "viewer"))
        lasting = before != "owner" or role == "owner" or self.owners(workspace) > 1
        assert (answer["__typename"] == success) == (allowed and lasting), answer
        if allowed and lasting:
            self.changed(workspace, other, role)

    @covers("updateAccount")
    @rule(data=st.data(), email=st.sampled_from([*ADDRESSES, None]), name=st.sampled_from([*NAMES, None]))
    def a_holder_changes_the_account(self, data: st.DataObject, email: str | None, name: str | None) -> None:
        account = self.pick(data, self.accounts())
        if account is None:
            return
        values: dict[str, str] = {}
        if email is not None:
            values["email"] = email
        if name is not None:
            values["signInName"] = name
        answer = self.ask("updateAccount", account, "UpdateAccountSuccess { user { id } }", **values)
        folded = None if name is None else sign_in_name_of(clean_email("n", name) if "@" in name else name)
        holder = next((one for one in self.accounts() if one.name == folded), None) if folded else None
        prover = self.expected.prover(clean_email("n", name)) if name and "@" in name else None
        free = folded == account.name or {id(holder), id(prover)} <= {id(None), id(account)}
        assert (answer["__typename"] == "UpdateAccountSuccess") == free, answer
        if not free:
            return
        account.name = folded or account.name
        if email is not None and clean_email("e", email) != account.email:
            account.email, account.proven = clean_email("e", email), False

    @covers("acceptInvitation")
    @rule(data=st.data(), signed_in=st.booleans(), by_mail=st.booleans())
    def somebody_accepts(self, data: st.DataObject, signed_in: bool, by_mail: bool) -> None:
        code = self.pick(data, self.expected.codes)
        if code is None:
            return
        by_mail = by_mail and code.mailed is not None
        text = code.mailed if by_mail else code.code
        success = "AcceptInvitationSuccess { user { id } workspaceId }"
        account = self.pick(data, self.accounts()) if signed_in else None
        if account is not None:
            answer = self.ask("acceptInvitation", account, success, code=text)
            member = (code.workspace, account.id) in self.expected.members
            assert (answer["__typename"] == "AcceptInvitationSuccess") == (code.alive and not member), answer
            assert self.opened is None
        else:
            password = self.password()
            answer = self.ask("acceptInvitation", None, success, code=text, password=password)
            assert (answer["__typename"] == "AcceptInvitationSuccess") == code.alive, answer
            if code.alive:
                name = sign_in_name_of(code.email) if self.expected.free(code.email) else None
                account = Account(answer["user"]["id"], password, name, code.email, proven=False)
                assert account.id not in self.expected.accounts
                self.expected.accounts[account.id] = account
                self.signed_in(account)
        if answer["__typename"] == "AcceptInvitationSuccess":
            assert account is not None
            assert (answer["user"]["id"], answer["workspaceId"]) == (account.id, code.workspace)
            self.joined(code.workspace, account.id, code.role)
            code.alive = False
            prover = self.expected.prover(code.email)
            if by_mail and account.email == code.email and prover is None:
                self.expected.prove(account)

    @covers("signIn")
    @rule(data=st.data(), typed=st.sampled_from(NAMES))
    def somebody_signs_in(self, data: st.DataObject, typed: str) -> None:
        knows = self.pick(data, (one for one in self.accounts() if not one.outside))
        if knows is None:
            return
        answer = self.ask("signIn", None, "SignInSuccess { user { id } }", email=typed, password=knows.password)
        folded = sign_in_name_of(clean_email("n", typed) if "@" in typed else typed)
        assert (answer["__typename"] == "SignInSuccess") == (knows.name == folded), answer
        if answer["__typename"] == "SignInSuccess":
            assert answer["user"]["id"] == knows.id
            self.signed_in(knows)

    # mail, and people from outside

    @covers("requestPasswordReset", "resetPassword")
    @rule(address=st.sampled_from(ADDRESSES))
    def somebody_forgot_a_password(self, address: str) -> None:
        prover, password = self.expected.prover(clean_email("email", address)), self.password()
        answer = self.ask("requestPasswordReset", None, "RequestPasswordResetSuccess { delayed }", email=address)
        assert answer["__typename"] == "RequestPasswordResetSuccess"
        found = self.letters()
        assert [one.to for one in found] == ([prover.email] if prover is not None and not prover.outside else [])
        for one in found:
            link = one.link.partition("#")[2]
            success = "ResetPasswordSuccess { signInName }"
            answer = self.ask("resetPassword", None, success, link=link, password=password)
            assert prover is not None
            assert answer["signInName"] == (prover.name or prover.id)
            prover.password, prover.session, prover.sessions = password, None, 0

    @covers("requestEmailProof", "proveEmail")
    @rule(data=st.data())
    def a_holder_proves_an_address_by_mail(self, data: st.DataObject) -> None:
        account, other = self.pick(data, self.accounts()), self.pick(data, self.accounts())
        if account is None or other is None:
            return
        answer = self.ask("requestEmailProof", account, "RequestEmailProofSuccess { delayed }")
        asked = account.email is not None and not account.proven
        assert (answer["__typename"] == "RequestEmailProofSuccess") == asked
        for one in self.letters():
            assert one.to == account.email
            link, success = one.link.partition("#")[2], "ProveEmailSuccess { user { id } }"
            if other is not account:
                assert self.ask("proveEmail", other, success, link=link)["__typename"] == "NotFound"
            free = self.expected.prover(account.email or "") is None
            answer = self.ask("proveEmail", account, success, link=link)
            assert (answer["__typename"] == "ProveEmailSuccess") == free
            if free:
                self.expected.prove(account)

    @rule(subject=st.sampled_from(("1", "2")), address=st.sampled_from(ADDRESSES), verified=st.booleans())
    def somebody_comes_from_outside(self, subject: str, address: str, verified: bool) -> None:
        email = clean_email("email", address)
        is_proof = verified and ISSUER.proves(email)
        prover, account = self.expected.prover(email), self.outside.get(subject)
        person = Person(subject, "Somebody", address, email_verified=verified)
        opened = self.runner.run(sign_in_from_outside(self.world.system, FACTS, ISSUER, person))
        if account is None and is_proof and prover is not None and not prover.outside:
            account = prover
            account.outside, account.session, account.sessions = True, None, 0
        elif account is None:
            account = Account(opened.user.id, "", None, email, proven=False, outside=True)
            assert account.id not in self.expected.accounts
            self.expected.accounts[account.id] = account
            if is_proof and prover is None:
                self.expected.prove(account)
        elif is_proof and prover in (None, account) and not (account.email == email and account.proven):
            account.email, account.proven = email, False
            self.expected.prove(account)
        elif not is_proof and not account.proven:
            account.email = email
        self.outside[subject] = account
        assert opened.user.id == account.id
        account.session = opened.secret
        account.sessions += 1

    def letters(self) -> list[Letter]:
        """The letters that are sent now."""

        async def write() -> list[Letter]:
            found = []
            async with self.world.system.store.changing() as session:
                for mail in (await session.exec(select(WaitingMail))).all():
                    writes = write_invitation_mail if mail.kind == INVITATION else write_link_mail
                    found.append(await writes(session, self.world.system, mail))
                    await delete_mails(session, [mail.about])
            return [one for one in found if one is not None]

        return self.runner.run(write())

    # what holds after every step

    @invariant()
    def nothing_else_was_gained(self) -> None:
        if not self.workspaces:
            return
        users, members, sessions = self.runner.run(self.rows())
        assert {(one.workspace_id, one.user_id): one.role for one in members} == self.expected.members
        assert {one.id for one in users} == set(self.expected.accounts)
        for user in users:
            account = self.expected.accounts[user.id]
            found = (user.email, user.email_proven_at is not None, user.sign_in_name)
            assert found == (account.email, account.proven, account.name)
            if account.outside:
                assert user.password_hash is None
            else:
                assert HASHER.verify(user.password_hash or "", account.password)
            assert sum(one.user_id == user.id for one in sessions) == account.sessions

    async def rows(self) -> tuple[Sequence[User], Sequence[Member], Sequence[UserSession]]:
        async with self.world.system.store.reading() as session:
            users = (await session.exec(select(User))).all()
            members = (await session.exec(select(Member))).all()
            return users, members, (await session.exec(select(UserSession))).all()

    # how the model follows

    def handed_out(self, code: str, workspace: str, address: str, role: str, inviter: str) -> None:
        self.replaced(workspace, address)
        made = Code(code, workspace, clean_email("email", address), role, inviter)
        made.id = self.runner.run(self.id_of(code))
        self.expected.codes.append(made)

    async def id_of(self, code: str) -> str:
        async with self.world.system.store.reading() as session:
            found = await invitation_by_digest(session, Secret(code).digest())
            assert found is not None
            return found.id

    def waiting(self, workspace: str, email: str) -> list[Code]:
        return [one for one in self.expected.codes if one.alive and (one.workspace, one.email) == (workspace, email)]

    def replaced(self, workspace: str, address: str) -> None:
        for one in self.waiting(workspace, clean_email("email", address)):
            one.alive = False

    def changed(self, workspace: str, account_id: str, role: str | None) -> None:
        if role is None:
            del self.expected.members[workspace, account_id]
        else:
            self.expected.members[workspace, account_id] = role
        self.expected.end_void()

    def owners(self, workspace: str) -> int:
        return sum(place == workspace and role == "owner" for (place, _), role in self.expected.members.items())


@contextmanager
def sqlite_copy(template: Path) -> Iterator[str]:
    """A database file that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield sqlite_database(Path(folder), template)


@pytest.mark.long
@pytest.mark.repeats
def test_whoever_gains_something_presented_a_code_or_was_named(
    database_kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "PasswordHasher", lambda: HASHER)
    if database_kind == SQLITE:
        fresh = partial(sqlite_copy, request.getfixturevalue("sqlite_template"))
    else:
        fresh = partial(postgres_database, request.getfixturevalue("postgres"))
    monkeypatch.setattr(Orders, "fresh", staticmethod(fresh), raising=False)
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Orders,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=checks, database=None
        ),
    )


PEOPLE = re.compile(r"e-?mail|account|\buser|member|invit|person|password|sign.?in|owner", re.IGNORECASE)
"""What a command or mutation is about that can give something to a person, by its name or by what it takes."""

GIVES_NOTHING = {
    "changePassword": "takes the present password",
    "endSession": "of the caller's own",
    "endOtherSessions": "of the caller's own",
    "member list": "reads",
    "member show": "reads",
    "createPortalSession": "its person is the host's, and no account",
    "endPortalSessions": "its person is the host's, and no account",
    "createToken": "its owner is a workspace or space, and no person",
    "user erase": "takes away, and is named by id",
    "createWorkspace": "makes the caller the owner of something new",
}


def commands_of_people() -> Iterator[str]:
    root = command_tree()
    for group, command in root.commands.items():
        for name, leaf in getattr(command, "commands", {"": command}).items():
            taken = [f"{one.name} {one.metavar}" for one in leaf.params]
            if PEOPLE.search(" ".join([group, *taken])):
                yield f"{group} {name}".strip()


def mutations_of_people() -> Iterator[str]:
    mutation = SCHEMA._schema.mutation_type
    assert mutation is not None
    for name, field_of in mutation.fields.items():
        kinds = [get_named_type(one.type) for one in field_of.args.values()]
        taken = [key for kind in kinds if isinstance(kind, GraphQLInputObjectType) for key in kind.fields]
        if PEOPLE.search(" ".join([name, *taken])):
            yield name


def test_every_command_and_mutation_of_people_is_in_the_machine() -> None:
    found = {*commands_of_people(), *mutations_of_people(), "demo"}
    assert found - set(GIVES_NOTHING) == set(COVERED)
