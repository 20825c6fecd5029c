"""Sections of a product file, one function each: from checked TOML to the parts of a product."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from .key_format import (
    ALPHABETS,
    ENTROPY_BITS_MIN,
    KEY_LENGTH_MAX,
    LENGTHS_APART_MAX,
    OWN_SECRETS,
    SENDABLE,
    KeyFormat,
    KeyHash,
)
from .principal import Kind, Limit
from .product import OWNER_ROLE, Plan, Preset, Role, Shorthand, UseCase
from .product_table import Table
from .scope import MANAGEMENT_SCOPES, OPERATOR_NAMESPACE, SCOPE_FORM, is_plain_name, is_scope_name
from .suggest import did_you_mean


def read_scopes(table: Table) -> dict[str, str]:
    """Return the description of each scope, in the file's order."""
    scopes: dict[str, str] = {}
    for name in table.names():
        scopes[name] = table.text(name)
        if not is_scope_name(name):
            table.note(table.wrong(name, f"is not a scope name: {SCOPE_FORM}"))
        if name in MANAGEMENT_SCOPES:
            remedy = "is a management scope of Spacekey's own; a product can grant it, not define it"
            table.note(table.wrong(name, remedy))
        if name.startswith(OPERATOR_NAMESPACE):
            remedy = f"begins with '{OPERATOR_NAMESPACE}', as only scopes of services do; rename it"
            table.note(table.wrong(name, remedy))
    if not scopes:
        table.note(table.wrong("", 'define at least one scope, like "jobs:read" = "List jobs"'))
    return scopes


def read_shorthands(table: Table, scopes: Collection[str]) -> dict[str, Shorthand]:
    """Return the shorthands of ``scopes``; ``every_scope = true`` means all of them, but no management scopes."""
    shorthands = {}
    for name, entry in table.entries():
        with entry.noting():
            if not is_scope_name(name):
                raise table.wrong(name, f"is not a shorthand name: {SCOPE_FORM}")
            names = entry.strings("scopes", default=())
            if entry.flag("every_scope") == bool(names):
                entry.mismatch("scopes", "give either a list of scopes or every_scope = true")
            shorthands[name] = Shorthand(
                name,
                entry.text("title", default=name),
                entry.text("description", default=""),
                frozenset(known(entry, "scopes", names or tuple(scopes), scopes, "scope")),
            )
            entry.done()
    return shorthands


def read_presets(table: Table, scopes: Collection[str]) -> dict[str, Preset]:
    """Return the presets of single scopes."""
    presets = {}
    for name, entry in table.entries():
        with entry.noting():
            if not is_plain_name(name):
                raise table.wrong(name, "is not a preset name: use lower-case words")
            names = known(entry, "scopes", entry.strings("scopes"), scopes, "scope")
            if not names:
                entry.mismatch("scopes", "list at least one scope")
            presets[name] = Preset(
                name, entry.text("title", default=name), entry.text("description", default=""), names
            )
            entry.done()
    return presets


def read_roles(table: Table, scopes: Collection[str], shorthands: Collection[str]) -> dict[str, Role]:
    """Return the roles.

    Among them must be the owner, who holds every management scope so that no workspace is locked out.
    """
    roles = {}
    names = {*scopes, *shorthands, *MANAGEMENT_SCOPES}
    for name, entry in table.entries():
        with entry.noting():
            if not is_plain_name(name):
                raise table.wrong(name, "is not a role name: use lower-case words")
            grants = list(known(entry, "grants", entry.strings("grants", default=()), names, "scope or shorthand"))
            if entry.flag("every_scope"):
                grants += scopes
            if entry.flag("every_management_scope"):
                grants += MANAGEMENT_SCOPES
            title, description = entry.text("title", default=name), entry.text("description", default="")
            roles[name] = Role(name, title, description, tuple(dict.fromkeys(grants)))
            if name == OWNER_ROLE and not set(MANAGEMENT_SCOPES).issubset(grants):
                entry.mismatch("", "the owner must hold every management scope; add every_management_scope = true")
            entry.done()
    if OWNER_ROLE not in table.names():
        remedy = "every product needs the role 'owner', which can correct any other setting"
        table.note(table.wrong(OWNER_ROLE, remedy))
    return roles


def read_plans(table: Table, scopes: Collection[str]) -> dict[str, Plan]:
    """Return the plans; a number that is left out is no bound."""
    plans = {}
    for name, entry in table.entries():
        with entry.noting():
            if not is_plain_name(name):
                raise table.wrong(name, "is not a plan name: use lower-case words")
            title, tokens_max = entry.text("title", default=name), entry.count("tokens_max", default=None)
            allowed, self_service = entry.strings("scopes", default=None), entry.flag("self_service")
            per_minute = entry.count("per_minute", default=None)
            burst = entry.count("burst", default=None)
            entry.done()
            if (per_minute is None) != (burst is None) or per_minute == 0 or burst == 0:
                raise entry.wrong("burst", "give per_minute and burst together, both 1 or more, or neither")
            plans[name] = Plan(
                name=name,
                title=title,
                tokens_max=tokens_max,
                scopes=None if allowed is None else frozenset(known(entry, "scopes", allowed, scopes, "scope")),
                limit=None if per_minute is None or burst is None else Limit(per_minute, burst),
                self_service=self_service,
            )
    if not table.names():
        table.note(table.wrong("", "define at least one plan"))
    return plans


def read_one_role(
    tokens: Table, token_roles: Collection[str], kinds: Collection[str], presets: Collection[str]
) -> bool:
    """Return whether ``grants = "role"``: a token's grants are exactly one of its roles. The default is ``"any"``."""
    grants = tokens.text("grants", default="any")
    if grants not in ("any", "role"):
        tokens.note(tokens.wrong("grants", 'write "role" when a token holds exactly one role, else "any" or nothing'))
    if grants != "role":
        return False
    if not token_roles:
        remedy = "list the roles a token may hold, since its grants are exactly one of them"
        tokens.note(tokens.wrong("roles", remedy))
    if set(kinds) != {Kind.WORKSPACE}:
        tokens.note(tokens.wrong("kinds", 'write ["workspace"]: a token of a space holds no role'))
    for preset in presets:
        remedy = f"the preset '{preset}' fills in scopes, and tokens hold a role; remove one of them"
        tokens.note(tokens.wrong("grants", remedy))
    return True


def read_key_formats(table: Table) -> dict[str, KeyFormat]:
    """Return the formats of keys that may be imported."""
    formats = {}
    for name, entry in table.entries():
        with entry.noting():
            if not is_plain_name(name) or ":" in name:
                raise table.wrong(name, "is not a name: use lower-case words")
            formats[name] = _key_format(name, entry)
            entry.done()
    return formats


def _key_format(name: str, entry: Table) -> KeyFormat:
    prefix, hashed = entry.text("prefix", default=""), entry.text("hash", default=KeyHash.SHA256.value)
    alphabet = entry.text("alphabet")
    characters = ALPHABETS.get(alphabet, alphabet)
    if not SENDABLE.issuperset(prefix):
        raise entry.wrong("prefix", "write letters, digits and -._~+/, which a Bearer token may have")
    if (
        len(alphabet) > 1
        and alphabet.islower()
        and alphabet.isalnum()
        and alphabet not in ALPHABETS
        and len(alphabet) < 10
    ):
        raise entry.wrong("alphabet", f"unknown alphabet '{alphabet}'; write {', '.join(ALPHABETS)}, or all characters")
    if not SENDABLE.issuperset(characters) or len(set(characters)) < 2:
        raise entry.wrong("alphabet", f"write {', '.join(ALPHABETS)}, or all characters that follow the prefix")
    if hashed not in set(KeyHash):
        raise entry.wrong(
            "hash",
            f"unknown hash '{hashed}'; write {', '.join(KeyHash)}. Slow hashes and those with a salt cannot be found",
        )
    over = entry.text("hashed", default="key")
    if over not in ("key", "secret"):
        raise entry.wrong("hashed", 'write "key" if the whole key was hashed, or "secret" for its random characters')
    shortest, longest = entry.span("length")
    public = entry.count("public", default=0)
    if longest > KEY_LENGTH_MAX or shortest <= len(prefix) + public or longest - shortest > LENGTHS_APART_MAX:
        raise entry.wrong(
            "length",
            f"write the length of a key with its prefix, at most {KEY_LENGTH_MAX}; two lengths are at most "
            f"{LENGTHS_APART_MAX} apart",
        )
    if hashed == KeyHash.SHA512_OF_BYTES and (characters != ALPHABETS["hex"] or (prefix and over == "key")):
        raise entry.wrong("hash", 'only keys in hexadecimal stand for bytes: write alphabet = "hex", without a prefix')
    made = KeyFormat(name, prefix, characters, shortest, longest, public, KeyHash(hashed), over == "secret")
    if made.bits < ENTROPY_BITS_MIN:
        raise entry.wrong(
            "length",
            f"such keys have {made.bits:.0f} random bits; keys with fewer than {ENTROPY_BITS_MIN} cannot be imported",
        )
    if made.overlaps(OWN_SECRETS):
        raise entry.wrong("prefix", "some of these keys look like Spacekey's own secrets; narrow the format")
    return made


def read_use_cases(
    entries: Iterable[Table], grantable: Collection[str], presets: Collection[str], *, one_role: bool = False
) -> list[UseCase]:
    """Return the recommendations; each names either grants or a preset."""
    cases = []
    for entry in entries:
        with entry.noting():
            preset = entry.text("preset", default="") or None
            if preset is not None:
                known(entry, "preset", [preset], presets, "preset")
            grants = entry.strings("grants", default=())
            known(entry, "grants", grants, grantable, "token role" if one_role else "scope, shorthand or token role")
            if bool(grants) == (preset is not None):
                entry.mismatch("grants", "give either grants or a preset")
            if one_role and len(grants) > 1:
                entry.mismatch("grants", "name one role: a token holds exactly one")
            cases.append(UseCase(entry.text("title"), tuple(grants), preset, entry.text("description", default="")))
            entry.done()
    return cases


def known(table: Table, key: str, names: Sequence[str], among: Collection[str], what: str) -> tuple[str, ...]:
    """Return ``names`` without repetitions; note those that are not ``among`` the known ones, with near matches."""
    unknown = [f"unknown {what} '{name}'.{did_you_mean(name, among)}" for name in names if name not in among]
    if unknown:
        table.note(table.wrong(key, " ".join(dict.fromkeys(unknown))))
    return tuple(dict.fromkeys(names))
