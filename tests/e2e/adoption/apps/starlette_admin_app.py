"""An app with starlette-admin mounted at /admin."""

import httpx
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette_admin.contrib.sqla import Admin, ModelView

from spacekey import TokenMiddleware  # new
from spacekey.verifiers import MemoryVerifier  # new

engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


async def reports(_request: Request) -> JSONResponse:
    return JSONResponse([])


Base.metadata.create_all(engine)
app = Starlette(routes=[Route("/reports", reports)])
admin = Admin(engine)
admin.add_view(ModelView(User))
admin.mount_to(app)
verifier = MemoryVerifier()  # new
rules = {("GET", "/reports"): "reports:read"}  # new
app.add_middleware(TokenMiddleware, verifier=verifier, rules=rules, undeclared="ignore")  # new


async def own_tests(client: httpx.AsyncClient) -> None:
    assert (await client.get("/admin/")).status_code == 200
    with Session(engine) as session:
        session.add(User(name="Ada"))
        session.commit()
    assert (await client.get("/admin/user/list")).status_code == 200
    assert (await client.get("/admin/nothing/list")).status_code == 404


PROTECTED = ("GET", "/reports", "reports:read")
