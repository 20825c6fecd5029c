"""An app with a sign-in of its own, after the public FastAPI template: JSON Web Tokens, users, items, superusers."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
import jwt
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from pydantic import BaseModel

from spacekey import TokenMiddleware  # new
from spacekey.verifiers import MemoryVerifier  # new

KEY = "a secret of the app's own, long enough for HS256"
USERS = {"admin@example.com": ("changethis", True), "ada@example.com": ("boats", False)}
ITEMS: dict[int, tuple[str, str]] = {}

signed_in_by = OAuth2PasswordBearer(tokenUrl="/api/v1/login/access-token")


class Item(BaseModel):
    title: str


class NewUser(BaseModel):
    email: str
    password: str


def current_user(token: Annotated[str, Depends(signed_in_by)]) -> str:
    try:
        email: str = jwt.decode(token, KEY, algorithms=["HS256"])["sub"]
    except jwt.InvalidTokenError:
        raise HTTPException(403, "Could not validate credentials") from None
    if email not in USERS:
        raise HTTPException(404, "User not found")
    return email


CurrentUser = Annotated[str, Depends(current_user)]


def superuser(email: CurrentUser) -> str:
    if not USERS[email][1]:
        raise HTTPException(403, "The user doesn't have enough privileges")
    return email


login = APIRouter(tags=["login"])
users = APIRouter(prefix="/users", tags=["users"])
items = APIRouter(prefix="/items", tags=["items"])
utils = APIRouter(prefix="/utils", tags=["utils"])


@login.post("/login/access-token")
def access_token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    if USERS.get(form.username, ("", False))[0] != form.password:
        raise HTTPException(400, "Incorrect email or password")
    claims = {"sub": form.username, "exp": datetime.now(UTC) + timedelta(hours=1)}
    return {"access_token": jwt.encode(claims, KEY, "HS256"), "token_type": "bearer"}


@login.post("/login/test-token")
def test_token(email: CurrentUser) -> dict[str, str]:
    return {"email": email}


@users.get("/", dependencies=[Depends(superuser)])
def all_users() -> list[str]:
    return sorted(USERS)


@users.get("/me")
def me(email: CurrentUser) -> dict[str, object]:
    return {"email": email, "is_superuser": USERS[email][1]}


@users.post("/signup")
def signup(user: NewUser) -> dict[str, str]:
    if user.email in USERS:
        raise HTTPException(400, "The user with this email already exists in the system")
    USERS[user.email] = (user.password, False)
    return {"email": user.email}


@users.delete("/me")
def leave(email: CurrentUser) -> dict[str, str]:
    del USERS[email]
    return {"message": "User deleted successfully"}


@items.get("/")
def own_items(email: CurrentUser) -> list[str]:
    return [title for owner, title in ITEMS.values() if owner == email]


@items.post("/")
def create(item: Item, email: CurrentUser) -> dict[str, int]:
    ITEMS[len(ITEMS) + 1] = (email, item.title)
    return {"id": len(ITEMS)}


@items.get("/{item_id}")
def one(item_id: int, email: CurrentUser) -> dict[str, str]:
    if item_id not in ITEMS:
        raise HTTPException(404, "Item not found")
    if ITEMS[item_id][0] != email:
        raise HTTPException(403, "Not enough permissions")
    return {"title": ITEMS[item_id][1]}


@items.put("/{item_id}")
def update(item_id: int, item: Item, email: CurrentUser) -> dict[str, str]:
    ITEMS[item_id] = (one(item_id, email) and email, item.title)
    return {"title": item.title}


@items.delete("/{item_id}")
def remove(item_id: int, email: CurrentUser) -> dict[str, str]:
    one(item_id, email)
    del ITEMS[item_id]
    return {"message": "Item deleted successfully"}


@utils.get("/health-check/")
def health() -> bool:
    return True


@utils.get("/export")
def export() -> dict[str, int]:
    return {"users": len(USERS), "items": len(ITEMS)}


api = APIRouter(prefix="/api/v1")
for router in (login, users, items, utils):
    api.include_router(router)
app = FastAPI(openapi_url="/api/v1/openapi.json")
app.include_router(api)
app.add_middleware(CORSMiddleware, allow_origins=["http://localhost:5173"], allow_credentials=True, allow_headers=["*"])
verifier = MemoryVerifier()  # new
rules = {("GET", "/api/v1/utils/export"): "items:export"}  # new
app.add_middleware(TokenMiddleware, verifier=verifier, rules=rules, undeclared="ignore")  # new


@app.exception_handler(ZeroDivisionError)
async def divided(_request: object, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "divided"}, 418)


async def own_tests(client: httpx.AsyncClient) -> None:
    async def sign_in(name: str, password: str) -> dict[str, str]:
        answer = await client.post("/api/v1/login/access-token", data={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    wrong = await client.post("/api/v1/login/access-token", data={"username": "ada@example.com", "password": "x"})
    assert (wrong.status_code, wrong.json()) == (400, {"detail": "Incorrect email or password"})
    ada, admin = await sign_in("ada@example.com", "boats"), await sign_in("admin@example.com", "changethis")
    assert (await client.post("/api/v1/login/test-token", headers=ada)).json() == {"email": "ada@example.com"}
    assert (await client.get("/api/v1/users/me", headers=admin)).json()["is_superuser"] is True
    nothing = await client.get("/api/v1/users/me")
    assert (nothing.status_code, nothing.json()) == (401, {"detail": "Not authenticated"})
    bad = await client.get("/api/v1/users/me", headers={"Authorization": "Bearer x.y.z"})
    assert (bad.status_code, bad.json()) == (403, {"detail": "Could not validate credentials"})
    assert (await client.get("/api/v1/users/", headers=ada)).status_code == 403
    assert len((await client.get("/api/v1/users/", headers=admin)).json()) == 2
    made = (await client.post("/api/v1/items/", headers=ada, json={"title": "a"})).json()["id"]
    assert (await client.get(f"/api/v1/items/{made}", headers=ada)).json() == {"title": "a"}
    assert (await client.get(f"/api/v1/items/{made}", headers=admin)).status_code == 403
    assert (await client.put(f"/api/v1/items/{made}", headers=ada, json={"title": "b"})).json() == {"title": "b"}
    assert (await client.get("/api/v1/items/", headers=ada)).json() == ["b"]
    assert (await client.get("/api/v1/items/99", headers=ada)).json() == {"detail": "Item not found"}
    assert (await client.post("/api/v1/items/", headers=ada, json={})).status_code == 422
    assert (await client.delete(f"/api/v1/items/{made}", headers=ada)).status_code == 200
    assert (await client.post("/api/v1/users/signup", json={"email": "b@b", "password": "c"})).status_code == 200
    assert (await client.delete("/api/v1/users/me", headers=await sign_in("b@b", "c"))).status_code == 200
    assert (await client.get("/api/v1/utils/health-check/")).json() is True
    assert (await client.get("/docs")).status_code == (await client.get("/api/v1/openapi.json")).status_code == 200
    page = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "GET"}
    assert (await client.options("/api/v1/items/", headers=page)).status_code == 200


PROTECTED = ("GET", "/api/v1/utils/export", "items:export")
