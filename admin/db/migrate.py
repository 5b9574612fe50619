"""Brings the database to the schema that this version needs.

Migrations are ``admin/db/migrations/NNNN_name.sql``. Each runs once, in one transaction with its row in
``schema_migrations``; an advisory lock lets only one process migrate. A migration whose text changed after it ran,
or a database that is newer than this program, is refused: both mean that two versions disagree. ``schema.sql`` is
the result, kept in step by a test.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

LOCK = 0x4D61_7373_616C_6961
"""Key of the advisory lock: "Massalia" in ASCII."""
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class MigrationError(Exception):
    """The database and this program do not fit together; the message says how."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped() -> tuple[Migration, ...]:
    """The migrations of this version, in order, numbered from 1 without a gap."""
    found = []
    for entry in files("admin.db.migrations").iterdir():
        if match := _NAME.fullmatch(entry.name):
            found.append(Migration(int(match[1]), match[2], entry.read_text("utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError("the migrations are not numbered 1, 2, 3…")
    return tuple(found)


async def migrate(connection: asyncpg.Connection, migrations: tuple[Migration, ...] | None = None) -> int:
    """Apply what is missing; returns how many were applied. Raises MigrationError."""
    wanted = shipped() if migrations is None else migrations
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {row["number"]: row["checksum"] for row in await connection.fetch("SELECT * FROM schema_migrations")}
        _compare(wanted, done)
        for migration in wanted[len(done) :]:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
        return len(wanted) - len(done)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


def _compare(wanted: tuple[Migration, ...], done: dict[int, str]) -> None:
    if len(done) > len(wanted):
        raise MigrationError(
            f"the database is at version {len(done)}, this program knows only {len(wanted)}: update it"
        )
    for migration in wanted[: len(done)]:
        if done.get(migration.number) != migration.checksum:
            raise MigrationError(f"migration {migration.number} ({migration.name}) was changed after it had run")
