"""What a store must look like before it is used: the version of its layout, and its parts."""

from service.catalog.redis.keys import SCHEMA, Layout
from service.catalog.redis.rights import check_rights
from service.catalog.store import StoreError, UnknownSchema
from service.redis_server import Server

SCHEMA_VERSION = 2
"""In version 1 every garment had one image; that is what version 2 finds there."""


async def prepared(server: Server, partitions: int) -> Layout:
    """Make the schema in a new store, or check that an old one has it.

    Raises:
        UnknownSchema: another version of the program wrote it.
        StoreError: Redis has no vector sets, or the user lacks a right.
    """
    known = await server.run("COMMAND", "INFO", "VSIM")
    if not known or None in known:
        raise StoreError(f"{server.shown} has no vector sets, which come with Redis 8")
    await check_rights(server)
    _, _, (version, parts) = await server.together(
        [
            ("HSETNX", SCHEMA, "version", SCHEMA_VERSION),
            ("HSETNX", SCHEMA, "partitions", partitions),
            ("HMGET", SCHEMA, "version", "partitions"),
        ]
    )
    if int(version) == 1:
        await server.run("HSET", SCHEMA, "version", SCHEMA_VERSION)
    elif int(version) != SCHEMA_VERSION:
        raise UnknownSchema(
            f"{server.shown} has schema version {version.decode()}; "
            f"this program knows {SCHEMA_VERSION}"
        )
    return Layout(int(parts))
