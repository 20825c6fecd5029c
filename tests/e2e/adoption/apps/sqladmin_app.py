"""An app with sqladmin mounted at /admin."""

import httpx
from fastapi import FastAPI
from sqladmin import Admin, ModelView
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import StaticPool

from spacekey import TokenMiddleware  # new
from spacekey.verifiers import MemoryVerifier  # new

engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class UserAdmin(ModelView, model=User):
    column_list = (User.id, User.name)


Base.metadata.create_all(engine)
app = FastAPI()
Admin(app, engine).add_view(UserAdmin)
verifier = MemoryVerifier()  # new
rules = {("GET", "/reports"): "reports:read"}  # new
app.add_middleware(TokenMiddleware, verifier=verifier, rules=rules, undeclared="ignore")  # new


@app.get("/reports")
async def reports() -> list[str]:
    return []


async def own_tests(client: httpx.AsyncClient) -> None:
    assert (await client.get("/admin/")).status_code == 200
    made = await client.post("/admin/user/create", data={"name": "Ada"})
    assert made.status_code in (200, 302), made.status_code
    assert "Ada" in (await client.get("/admin/user/list")).text
    assert (await client.get("/admin/statics/css/main.css")).status_code == 200
    assert (await client.get("/admin/nothing/list")).status_code == 404


PROTECTED = ("GET", "/reports", "reports:read")
