"""SQL of the accounts. One function, one statement."""

from __future__ import annotations

import datetime as dt
from typing import Any

from admin.accounts.model import Account
from admin.db.pool import Database

_COLUMNS = "a.id, a.email, a.name, a.role, a.password_hash, a.disabled_at IS NOT NULL AS disabled"


def _account(row: Any) -> Account:
    return Account(**dict(row))


class AccountStore:
    """Accounts and sessions in PostgreSQL. Every method may raise Local("unavailable")."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def by_email(self, email: str) -> Account | None:
        async with self._db.connection() as connection:
            row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM accounts a WHERE a.email = $1", email)  # noqa: S608
        return None if row is None else _account(row)

    async def any_administrator(self) -> Account | None:
        """The administrator that was created first."""
        query = f"SELECT {_COLUMNS} FROM accounts a WHERE a.role = 'administrator' ORDER BY a.id LIMIT 1"  # noqa: S608
        async with self._db.connection() as connection:
            row = await connection.fetchrow(query)
        return None if row is None else _account(row)

    async def add(self, email: str, name: str, role: str, password_hash: str) -> bool:
        """False when there is already an account with that address."""
        async with self._db.connection() as connection:
            done = await connection.fetchval(
                "INSERT INTO accounts (email, name, role, password_hash) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (email) DO NOTHING RETURNING id",
                email, name, role, password_hash,
            )  # fmt: skip
        return done is not None

    async def set_password(self, account_id: int, password_hash: str, keep_session: bytes | None = None) -> None:
        """Change the password and end every session but ``keep_session`` (a token's hash)."""
        async with self._db.connection() as connection, connection.transaction():
            await connection.execute(
                "UPDATE accounts SET password_hash = $2, password_changed_at = now() WHERE id = $1",
                account_id, password_hash,
            )  # fmt: skip
            await connection.execute(
                "DELETE FROM account_sessions WHERE account_id = $1 AND token_hash IS DISTINCT FROM $2",
                account_id, keep_session,
            )  # fmt: skip

    async def rehash(self, account_id: int, password_hash: str) -> None:
        """Store the same password under newer hash settings; sessions stay."""
        async with self._db.connection() as connection:
            await connection.execute("UPDATE accounts SET password_hash = $2 WHERE id = $1", account_id, password_hash)

    async def open_session(
        self, account_id: int, token_hash: bytes, now: dt.datetime, end: dt.datetime, address: str
    ) -> None:
        """Add a session and sweep those that have ended."""
        async with self._db.connection() as connection, connection.transaction():
            await connection.execute("DELETE FROM account_sessions WHERE expires_at <= $1", now)
            await connection.execute(
                "INSERT INTO account_sessions (token_hash, account_id, created_at, expires_at, address)"
                " VALUES ($1, $2, $3, $4, $5)",
                token_hash, account_id, now, end, address,
            )  # fmt: skip

    async def session(self, token_hash: bytes, now: dt.datetime) -> tuple[Account, dt.datetime] | None:
        query = (
            f"SELECT {_COLUMNS}, s.expires_at FROM account_sessions s JOIN accounts a ON a.id = s.account_id"  # noqa: S608
            " WHERE s.token_hash = $1 AND s.expires_at > $2 AND a.disabled_at IS NULL"
        )
        async with self._db.connection() as connection:
            row = await connection.fetchrow(query, token_hash, now)
        if row is None:
            return None
        fields = dict(row)
        end = fields.pop("expires_at")
        return Account(**fields), end

    async def close_session(self, token_hash: bytes) -> None:
        async with self._db.connection() as connection:
            await connection.execute("DELETE FROM account_sessions WHERE token_hash = $1", token_hash)
