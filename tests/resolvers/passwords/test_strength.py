"""Which passwords are refused: those mostly made of what is guessed first, and no others."""

from __future__ import annotations

import asyncio
import random
import string
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacekey.domain.refusal import InvalidInput
from spacekey.models.engine.store import Store
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.sessions import change_password
from spacekey.resolvers.accounts.users import create_user, reset_password
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, Membership, add_member
from spacekey.resolvers.passwords import hashing as passwords
from spacekey.resolvers.passwords.common_words import common_stems
from spacekey.resolvers.passwords.hashing import LENGTH_MAX, check_password
from spacekey.resolvers.passwords.strength import left_over
from support.processes import OWNER_PASSWORD
from support.world import FACTS, OPERATOR, PASSWORD, make_world

ABOUT = ("ada.lovelace@engines.example", "Ada Lovelace", "emit", "Emit")

GUESSED_FIRST = """
password12345678 Password123456789 passwordpassword1 P@$$w0rd2023!!!!! Pa55word-Pa55word Passw0rd!Passw0rd!
drowssap12345678 iloveyou12345678 1L0v3Y0u!1L0v3Y0u! welcome123456789 letmein123456789 thisismypassword
Adm1n1strat0r2024 changeme-changeme trustno1trustno1 dragonmonkeyshadow Summer2024Winter2025 Liverpool-2019-2020
correcthorsebatterystaple correct.horse.battery.staple
qwertyuiop12345678 qwerty-qwerty-qwerty asdfghjklzxcvbnm poiuytrewqlkjhgf 1q2w3e4r5t6y7u8i q1w2e3r4t5y6u7i8
1qaz2wsx3edc4rfv zaq12wsxcde34rfv !QAZ@WSX#EDC$RFV qazwsxedcrfvtgb azertyuiopqsdfgh qwertzuiopyxcvbnm
123456789123456789 987654321987654321 !@#$%^&*()!@#$%^&*() 112233445566778899 aabbccddeeffgghh abcdefghijklmnop
abcdeabcdeabcde kfjwkfjwkfjwkfjw aaaaabbbbbcccccdddddeeeee 31121999-31121999 19991231-20000101 1999200020012002
spacekey-emit-demo ada.lovelace1234 AdaLovelace-2026! ada.lovelace@engines
"""

ORDINARY = (
    "horse staple battery correct",
    "incorrect zebra battery stapler",
    "seven wooden boats at noon",
    "nine yellow umbrellas outside",
    "orbit velvet cactus lantern",
    "my aunt keeps 3 goats in Leeds",
    "Der Hund bellt den Briefträger an",
    "les chats dorment sous la pluie",
    "寿司は土曜日の夜に家族と一緒に食べます",
    "dragon fruit is not my favourite",
    "aqha-fz63-c4vb-mtyb-s5de-kuzr",
    PASSWORD,
    OWNER_PASSWORD,
)

WORDS = """
acorn anvil badge basil beacon birch brick canoe candle carpet cedar chalk cliff clover cobble copper cradle crumb
dairy daisy ditch dough drift easel elbow ember fable fence ferry fiddle flint fog gable gravel grove gutter hatch
hedge hinge hymn igloo inlet ivory jigsaw jolly kayak kettle ladle lantern ledge lemon lilac lobby maple meadow mitten
moss mural nettle oat olive orchid otter paddle parcel pebble plank plum pocket quilt raft ribbon rust saddle sandal
shed sickle sleet spoon squid stool tablet teapot thimble timber tractor trellis trumpet tulip tunnel twig umbrella
vase velvet violin wagon walnut whistle willow wobble yarn zipper
"""


def check(password: str) -> None:
    """Refuse it, or not."""
    asyncio.run(check_password("password", password, about=ABOUT))


@pytest.mark.parametrize("password", GUESSED_FIRST.split())
def test_what_is_guessed_first_is_refused_and_told_what_to_do(password: str) -> None:
    with pytest.raises(InvalidInput, match=r"(Add|Use) several (unrelated )?words") as refused:
        check(password)
    assert password not in refused.value.reason


@pytest.mark.parametrize("password", ["xqvz zvxq vqzx qzxv", "xQvZzVxqvQzxqZxv", "qx  vz  qx  xv  zq"])
def test_four_different_characters_are_too_few_and_five_are_enough(password: str) -> None:
    """Whatever their order, their case and the spaces between, and however little of it is guessed first."""
    with pytest.raises(InvalidInput, match="too few different characters"):
        check(password)
    check(password.replace("x", "w", 1) + "w")


async def test_other_work_goes_on_while_a_password_is_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    others = threading.Event()
    monkeypatch.setattr(passwords, "left_over", lambda *_: LENGTH_MAX if others.wait(10) else 0)
    weighing = asyncio.ensure_future(check_password("password", ORDINARY[0], about=ABOUT))
    asyncio.get_running_loop().call_soon(others.set)
    await weighing


@pytest.mark.parametrize("password", ORDINARY)
def test_ordinary_sentences_and_made_passwords_are_good(password: str) -> None:
    check(password)


@given(
    st.lists(st.sampled_from(WORDS.split()), min_size=4, max_size=8, unique=True), st.sampled_from([" ", "-", ".", ""])
)
@settings(max_examples=200, deadline=None)
def test_four_words_that_nobody_is_known_for_are_good(words: list[str], between: str) -> None:
    password = between.join(words)
    if len(password) >= 15:
        check(password)


@pytest.mark.long
@given(
    st.integers(0, 2**64),
    st.integers(15, 64),
    st.sampled_from([string.ascii_letters + string.digits, string.ascii_lowercase, string.printable[:94]]),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_random_passwords_are_good(seed: int, length: int, alphabet: str) -> None:
    """From 15 characters on. Seeded, so that one of the few in 100,000 that look like words fails nobody's build."""
    source = random.Random(seed)
    check("".join(source.choice(alphabet) for _ in range(length)))


@given(
    st.lists(st.sampled_from(sorted(filter(str.isalpha, common_stems()))), min_size=1, max_size=4),
    st.sampled_from(["", "1", "!", "2024", "123456", "!!!"]),
    st.lists(st.sampled_from([("a", "4"), ("a", "@"), ("o", "0"), ("e", "3"), ("s", "5"), ("s", "$"), ("t", "7")])),
)
@settings(max_examples=200, deadline=None)
def test_common_words_are_common_with_signs_for_letters_and_numbers_behind(
    stems: list[str], behind: str, signs: list[tuple[str, str]]
) -> None:
    text = "".join(stems)
    for letter, sign in signs:
        text = text.replace(letter, sign)
    assert left_over(text.title() + behind) <= 1


@given(st.text(max_size=LENGTH_MAX), st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_no_text_is_too_strange_to_be_measured(password: str, about: str) -> None:
    assert 0 <= left_over(password, ("", about, password[:20])) <= len(password.casefold())


def test_every_stem_is_a_lower_case_word_of_four_letters_or_more() -> None:
    assert all(len(one) >= 4 and one == one.casefold() and one.isalnum() for one in common_stems())


async def test_names_around_somebody_are_no_password_by_any_door(store: Store) -> None:
    """The address, the name, the products, and the workspaces one is in."""
    world = make_world(store)
    system, email = world.system, "lovelace@engines.example"
    good, bad = "nine yellow umbrellas outside", ("engines.example1", "spooled-teamspace", "Ada--Lovelace-99!")
    for password in bad:
        with pytest.raises(InvalidInput, match="guessed first"):
            await create_user(system, OPERATOR, email=email, name="Ada Lovelace", password=password)
    await create_user(system, OPERATOR, email=email, name="Ada Lovelace", password=good)
    workspace = await world.workspace("emit", slug="bletchley-park")
    added = await add_member(system, OPERATOR, workspace.id, email=email, role="owner")
    assert isinstance(added, Membership)
    ada = MemberCaller(added.user.id, email, FACTS)
    for password in (*bad, "Bletchley-Park-7"):
        with pytest.raises(InvalidInput, match="guessed first"):
            await reset_password(system, OPERATOR, ada.id, password=password)
        with pytest.raises(InvalidInput, match="guessed first"):
            await change_password(system, ada, current=good, new=password)


async def test_the_workspace_one_is_invited_to_is_no_first_password(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("emit", slug="bletchley-park")
    added = await add_member(world.system, OPERATOR, workspace.id, email="new@example.com", role="viewer")
    assert isinstance(added, Invited)
    code = added.invitation.reveal()
    with pytest.raises(InvalidInput, match="guessed first"):
        await accept_invitation(world.system, FACTS, None, code=code, password="Bletchley-Park-7")
    await accept_invitation(world.system, FACTS, None, code=code, password="nine yellow umbrellas outside")
