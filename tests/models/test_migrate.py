from spacekey.models.store import Store


async def test_x(store: Store) -> None:
    await store.ping()
