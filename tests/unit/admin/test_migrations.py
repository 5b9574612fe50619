"""Migrations against the real database, and the schema that they lead to."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from admin.db.embedded import SUPERUSER, Embedded, binaries
from admin.db.migrate import Migration, MigrationError, migrate, shipped
from admin.db.pool import Database

SCHEMA = Path(__file__).resolve().parents[3] / "admin" / "db" / "schema.sql"


async def test_twice_applies_nothing(database: Database) -> None:
    async with database.connection() as connection:
        assert await migrate(connection) == 0


async def test_new_migration_is_applied_and_a_failing_one_leaves_nothing(database: Database) -> None:
    number = len(shipped()) + 1
    good = Migration(number, "more", "CREATE TABLE more (id integer)")
    bad = Migration(number + 1, "bad", "CREATE TABLE half (id integer); SELECT broken")
    async with database.connection() as connection:
        with pytest.raises(Exception, match="broken"):
            await migrate(connection, (*shipped(), good, bad))
        assert await connection.fetchval("SELECT to_regclass('more') IS NOT NULL AND to_regclass('half') IS NULL")
        with pytest.raises(MigrationError, match="knows only"):
            await migrate(connection)


async def test_changed_migration_is_refused(database: Database) -> None:
    first, *rest = shipped()
    async with database.connection() as connection:
        with pytest.raises(MigrationError, match="was changed"):
            await migrate(connection, (Migration(1, first.name, first.sql + " "), *rest))


async def test_schema_file_is_what_the_migrations_make(database: Database, postgres: Embedded) -> None:
    """To renew it after a new migration: MASSALIA_WRITE_SCHEMA=1."""
    async with database.connection() as connection:
        name = await connection.fetchval("SELECT current_database()")
    dump = subprocess.run(
        [binaries() / "pg_dump", "--schema-only", "--no-owner", "--no-privileges", "-U", SUPERUSER,
         "-h", postgres.socket_dir, name],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    kept = [
        line
        for line in dump.splitlines()
        if line and not line.startswith(("--", "SET ", "SELECT pg_catalog", "\\")) and not re.match(r"\s*$", line)
    ]
    made = "-- Generated from the migrations; a test keeps it in step.\n" + "\n".join(kept) + "\n"
    if os.environ.get("MASSALIA_WRITE_SCHEMA"):
        SCHEMA.write_text(made)
    assert SCHEMA.read_text() == made
