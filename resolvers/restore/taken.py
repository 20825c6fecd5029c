"""What events took away, folded to the last state of each object: what was disabled and enabled again is enabled.

:data:`REPLAYED` and :data:`NOT_REPLAYED` are together all actions of the audit log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spacekey.models.tables.audit import AuditEvent

Facts = dict[str, Any]
SUCCESS = "success"


@dataclass(slots=True)
class Last:
    """The last state of an object's facts that events changed, and the id of the last of these events."""

    facts: Facts = field(default_factory=dict)
    event_id: str = ""

    def update(self, event: AuditEvent, facts: Mapping[str, Any] | None) -> None:
        """Take over what an event changed."""
        self.facts.update(facts or {})
        self.event_id = event.id


@dataclass(slots=True)
class Made:
    """An object that was made after the backup, and is not in the database."""

    what: str
    id: str
    facts: Facts


@dataclass(slots=True)
class Taken:
    """What the events of one chain took away, by the ids of the objects.

    :param workspace: the workspace's own facts; ``deleted`` is true if it was deleted.
    :param roles: name → ``entry``, the configuration of the role; None if it was removed.
    :param members: person → ``role``; None if the person left.
    :param addresses: addresses for which invitations were replaced; empty for one that is not known any more.
    :param accounts: what ended for a person: ``password``, ``email``, ``erased``.
    :param services: ``revoked``, ``ends_at``, ``secret_ended_at``.
    """

    tokens: dict[str, Last] = field(default_factory=dict)
    workspace: Last = field(default_factory=Last)
    roles: dict[str, Last] = field(default_factory=dict)
    spaces: dict[str, Last] = field(default_factory=dict)
    members: dict[str, Last] = field(default_factory=dict)
    invitations: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    portal_sessions: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, Last] = field(default_factory=dict)
    services: dict[str, Last] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)


def taken_away(events: Iterable[AuditEvent]) -> Taken:
    """Return what these events of one chain took away. Events that record an attempt that failed took nothing."""
    taken = Taken()
    for event in events:
        if event.outcome == SUCCESS:
            _HANDLERS.get(event.action, _nothing)(taken, event)
    return taken


def _last(found: dict[str, Last], key: str) -> Last:
    return found.setdefault(key, Last())


def _nothing(_taken: Taken, _event: AuditEvent) -> None:
    """Replay nothing."""


def _made(taken: Taken, event: AuditEvent) -> None:
    what = event.action.partition(".")[0]
    taken.made[event.target_id] = Made(_NAMES.get(what, what), event.target_id, dict(event.after or {}))


_NAMES = {"user": "account"}


def _token(taken: Taken, event: AuditEvent) -> None:
    _last(taken.tokens, event.target_id).update(event, event.after)


def _workspace(taken: Taken, event: AuditEvent) -> None:
    after = dict(event.after or {})
    for name, entry in (after.pop("roles", None) or {}).items():
        _last(taken.roles, name).update(event, {"entry": entry})
    if after:
        taken.workspace.update(event, after)


def _workspace_deleted(taken: Taken, event: AuditEvent) -> None:
    taken.workspace.update(event, {"deleted": True})


def _role(taken: Taken, event: AuditEvent) -> None:
    for name, entry in (event.after or {}).items():
        _last(taken.roles, name).update(event, {"entry": entry})


def _space_deleted(taken: Taken, event: AuditEvent) -> None:
    _last(taken.spaces, event.target_id).update(event, None)
    taken.made.pop(event.target_id, None)


def _member(taken: Taken, event: AuditEvent) -> None:
    after = event.after or {}
    _last(taken.members, event.target_id).update(event, {"role": after.get("role")})
    if after.get("invitation"):
        taken.invitations[after["invitation"]] = event.id


def _invited(taken: Taken, event: AuditEvent) -> None:
    """An invitation replaces the ones that were pending for its address."""
    if event.before is None:  # else a role that it is for was renamed
        taken.addresses["" if event.target_erased else event.target_name] = event.id


def _invitation_ended(taken: Taken, event: AuditEvent) -> None:
    ended = (event.after or {}).get("invitations_ended", [event.target_id])
    taken.invitations.update(dict.fromkeys(ended, event.id))


def _portal_session(taken: Taken, event: AuditEvent) -> None:
    taken.portal_sessions[event.target_id] = event.id


def _password(taken: Taken, event: AuditEvent) -> None:
    _last(taken.accounts, event.target_id).update(event, {"password": True})


def _erased(taken: Taken, event: AuditEvent) -> None:
    _last(taken.accounts, event.target_id).update(event, {"erased": True})
    taken.made.pop(event.target_id, None)


def _account(taken: Taken, event: AuditEvent) -> None:
    changed = {"email": True} if "email" in (event.after or {}).get("changed", ()) else {}
    _last(taken.accounts, event.target_id).update(event, {"links": True, **changed})


def _service_revoked(taken: Taken, event: AuditEvent) -> None:
    _last(taken.services, event.target_id).update(event, {"revoked": True})
    taken.made.pop(event.target_id, None)


def _service_rotated(taken: Taken, event: AuditEvent) -> None:
    grace = (event.after or {}).get("grace_seconds", 0)
    last = _last(taken.services, event.target_id)
    last.update(event, {"ends": [*last.facts.get("ends", ()), (event.at, grace)]})


def _secret_ended(taken: Taken, event: AuditEvent) -> None:
    """The event does not say which of the service's secrets ended, so all of them do."""
    last = _last(taken.services, event.target_id)
    last.update(event, {"ends": [*last.facts.get("ends", ()), (event.at, 0)]})


_HANDLERS: dict[str, Callable[[Taken, AuditEvent], None]] = {
    "member.add": _member,
    "member.change_role": _member,
    "member.end_invitations": _invitation_ended,
    "member.invite": _invited,
    "member.join": _member,
    "member.remove": _member,
    "member.withdraw_invitation": _invitation_ended,
    "portal_session.end": _portal_session,
    "role.remove": _role,
    "role.set": _role,
    "service.create": _made,
    "service.end_secret": _secret_ended,
    "service.revoke": _service_revoked,
    "service.rotate": _service_rotated,
    "space.create": _made,
    "space.delete": _space_deleted,
    "token.create": _made,
    "token.delete": _token,
    "token.disable": _token,
    "token.enable": _token,
    "token.import": _made,
    "token.revoke": _token,
    "token.rotate": _token,
    "token.update": _token,
    "user.accept_invitation": _made,
    "user.change_password": _password,
    "user.create": _made,
    "user.erase": _erased,
    "user.join": _made,
    "user.link": _password,
    "user.prove_email": _account,
    "user.reset_password": _password,
    "user.update": _account,
    "workspace.create": _made,
    "workspace.delete": _workspace_deleted,
    "workspace.update": _workspace,
}

REPLAYED = frozenset(_HANDLERS)
"""Actions that are looked at: they take something away, give it back, or make what a restore loses."""

NOT_REPLAYED = frozenset(
    (
        "audit.checkpoint",
        "audit.restore",
        "portal_session.open",
        "session.end",
        "session.end_others",
        "session.sign_in",
        "session.sign_out",
        "settings.staleness",
        "space.update",
        "token.refused",
    )
)
"""Actions after which no one can do less, and those of sessions: all sessions of people end after a restore."""
