"""The application's pages. Everything that comes from people is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from spacekey.keys import Token

from .people import User

SIGN_IN = """<form method="post" action="/sign-in">
<label>Address <input name="email" type="email" required></label>
<label>Password <input name="password" type="password" required></label>
<button>Sign in</button></form>"""


def page(title: str, body: str, user: User | None = None, head: str = "") -> str:
    """Return a page of the application."""
    menu = ""
    if user is not None:
        menu = (
            f"<nav>{escape(user.name)} · <a href='/keys'>API keys</a> · <a href='/keys/live'>The same, live</a>"
            " · <a href='/keys/element'>The same, by an element</a>"
            " · <a href='/dashboard/'>Dashboard</a>"
            "<form method='post' action='/sign-out'><button>Sign out</button></form></nav>"
        )
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)} · Harbor</title>"
        f"<link rel='icon' href='data:,'>{head}</head><body>{menu}<h1>{escape(title)}</h1>{body}</body></html>"
    )


def keys_page(user: User, tokens: Iterable[Token], said: str = "") -> str:
    """Return the page with a user's keys."""
    rows = "".join(
        f"<li>{escape(one.name)} <code>{escape(one.prefix)}</code>"
        f"<form method='post' action='/keys/{one.id}/revoke'><button>Revoke {escape(one.name)}</button></form></li>"
        for one in tokens
    )
    body = (
        f"<p role='status'>{said}</p><form method='post' action='/keys'><label>Name <input name='name'></label>"
        f"<button>Create a key</button></form><ul>{rows}</ul>"
    )
    return page("Your API keys", body, user)


def shown_once(secret: str) -> str:
    """Return what is said of a new key."""
    return f"Copy your key, it is not shown again: <code id='secret'>{escape(secret)}</code>"


def live_page(user: User, workspace_id: str, spacekey: str) -> str:
    """Return the page whose script speaks to Spacekey itself."""
    body = (
        f"<p role='status'></p><form data-spacekey='{escape(spacekey)}' data-workspace='{escape(workspace_id)}'>"
        "<label>Name <input name='name'></label><button>Create a key</button></form><ul></ul>"
        "<script type='module' src='/static/live.js'></script>"
    )
    return page("Your API keys, live", body, user)


def element_page(user: User, spacekey: str) -> str:
    """Return the page on which Spacekey's own element shows the keys."""
    body = (
        "<p role='status'></p><main><spacekey-tokens></spacekey-tokens></main>"
        "<script type='module' src='/static/element.js'></script>"
        f"<script type='module' src='{escape(spacekey)}/elements/spacekey-tokens.js'></script>"
    )
    return page("Your API keys, by an element", body, user, head="<link rel='stylesheet' href='/static/element.css'>")
