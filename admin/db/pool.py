"""The connection pool, made in the background: the control plane serves rooms before, after and without the database.

``connection`` fails at once with ``Local("unavailable")`` while there is no database. The background task connects
with growing pauses, migrates, and from then on the pool itself reconnects what breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from admin.db.migrate import MigrationError, migrate
from kernel.errors import Local

log = structlog.get_logger("admin.db")

CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 10.0
MAX_CONNECTIONS = 8
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


class Database:
    """A pool that may not be there yet."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: asyncpg.Pool | None = None
        self.problem: str | None = "not connected yet"
        """Why the database is not usable, in English for the operator; None when it is."""

    async def run(self) -> None:
        """Connect and migrate, trying again until it works; then return. A schema that does not fit is tried again
        slowly.
        """
        attempt = 0
        while True:
            try:
                await self._connect()
                return
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, MigrationError) as error:
                self.problem = str(error) or type(error).__name__
                if attempt % 20 == 0:
                    log.warning("database unavailable", reason=self.problem)
            await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
            attempt += 1

    async def _connect(self) -> None:
        pool = await asyncpg.create_pool(
            self._dsn,
            min_size=1,
            max_size=MAX_CONNECTIONS,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings={"application_name": "massalia"},
        )
        try:
            async with pool.acquire() as connection:
                applied = await migrate(connection)
        except BaseException:
            await pool.close()
            raise
        self._pool, self.problem = pool, None
        log.info("database ready", migrations_applied=applied)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """One connection of the pool. Raises Local("unavailable") when the database is away."""
        if self._pool is None:
            raise Local("unavailable", f"database: {self.problem}")
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT) as connection:
                yield connection
        except (
            OSError,
            TimeoutError,
            asyncpg.InterfaceError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
        ) as error:
            raise Local("unavailable", f"database: {error}") from error

    async def check(self) -> str | None:
        """None when the database answers within a second, else what is wrong."""
        if self._pool is None:
            return self.problem
        try:
            async with asyncio.timeout(1), self.connection() as connection:
                await connection.fetchval("SELECT 1")
        except (Local, TimeoutError) as error:
            return str(error) or "no answer within 1 s"
        return None

    async def close(self) -> None:
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), 3)
            except TimeoutError:
                self._pool.terminate()
            self._pool, self.problem = None, "closed"
