"""Accounts against the real database: passwords, sessions, limits."""

from __future__ import annotations

import asyncio

import pytest

from admin.accounts.attempts import ACCOUNT_LIMIT, ADDRESS_LIMIT, MAX_COUNTERS, PAIR_LIMIT, WINDOW, Attempts
from admin.accounts.model import SESSION_LIFE
from admin.accounts.service import AccountService, BadPassword, BadSignIn, TooManyTries, check_password, new_password
from admin.accounts.store import AccountStore
from admin.db.pool import Database
from kernel.clock import ManualClock
from kernel.errors import Local, Remote
from kernel.ids import token_hash

HERE = "192.0.2.7"


class Plain:
    """A hasher that costs nothing, for tests of the rules."""

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, hash: str, password: str) -> bool:
        from argon2.exceptions import VerifyMismatchError

        if hash != f"plain:{password}":
            raise VerifyMismatchError
        return True

    def check_needs_rehash(self, hash: str) -> bool:
        return False


def service(database: Database, clock: ManualClock | None = None) -> AccountService:
    return AccountService(AccountStore(database), clock or ManualClock(), Plain())


async def test_first_administrator_is_made_once_and_argon2id(database: Database) -> None:
    accounts = AccountService(AccountStore(database), ManualClock())
    email, password = await accounts.ensure_administrator()
    assert password is not None
    assert await accounts.ensure_administrator() == (email, None)
    session = await accounts.sign_in(email.upper(), password, HERE)
    assert session.account.role == "administrator"
    assert session.account.password_hash.startswith("$argon2id$")
    assert password not in session.account.password_hash
    with pytest.raises(BadSignIn):
        await accounts.sign_in(email, password + "x", HERE)


async def test_session_lives_twelve_hours_and_only_its_hash_is_stored(database: Database) -> None:
    clock = ManualClock()
    accounts = service(database, clock)
    email, password = await accounts.ensure_administrator()
    session = await accounts.sign_in(email, password or "", HERE)
    async with database.connection() as connection:
        stored = await connection.fetchval("SELECT token_hash FROM account_sessions")
    assert stored == token_hash(session.token)
    assert (await accounts.session(session.token)) is not None
    clock.advance(SESSION_LIFE.total_seconds() - 1)
    assert (await accounts.session(session.token)) is not None
    clock.advance(2)
    assert (await accounts.session(session.token)) is None


async def test_sign_out_ends_the_session(database: Database) -> None:
    accounts = service(database)
    email, password = await accounts.ensure_administrator()
    session = await accounts.sign_in(email, password or "", HERE)
    await accounts.sign_out(session.token)
    assert await accounts.session(session.token) is None
    assert await accounts.session("x" * 43) is None
    assert await accounts.session("short") is None


async def test_disabled_account_is_out_at_once(database: Database) -> None:
    accounts = service(database)
    email, password = await accounts.ensure_administrator()
    session = await accounts.sign_in(email, password or "", HERE)
    async with database.connection() as connection:
        await connection.execute("UPDATE accounts SET disabled_at = now()")
    assert await accounts.session(session.token) is None
    with pytest.raises(BadSignIn):
        await accounts.sign_in(email, password or "", HERE)


async def test_tries_are_limited_and_told(database: Database) -> None:
    clock = ManualClock()
    accounts = service(database, clock)
    email, password = await accounts.ensure_administrator()
    for left in range(PAIR_LIMIT - 1, -1, -1):
        with pytest.raises(BadSignIn) as refused:
            await accounts.sign_in(email, "wrong", HERE)
        assert refused.value.left == left
    with pytest.raises(TooManyTries):
        await accounts.sign_in(email, password or "", HERE)
    assert await accounts.sign_in(email, password or "", "198.51.100.4")  # not locked out from elsewhere
    clock.advance(WINDOW)
    assert await accounts.sign_in(email, password or "", HERE)


async def test_unknown_account_is_told_like_a_wrong_password(database: Database) -> None:
    with pytest.raises(BadSignIn) as refused:
        await service(database).sign_in("nobody@example.com", "whatever-it-is", HERE)
    assert refused.value.left == PAIR_LIMIT - 1


async def test_change_password_keeps_this_session_only(database: Database) -> None:
    accounts = service(database)
    email, password = await accounts.ensure_administrator()
    here = await accounts.sign_in(email, password or "", HERE)
    there = await accounts.sign_in(email, password or "", "198.51.100.4")
    with pytest.raises(BadSignIn):
        await accounts.change_password(here, "wrong", "a new long password", HERE)
    with pytest.raises(BadPassword):
        await accounts.change_password(here, password or "", "short", HERE)
    await accounts.change_password(here, password or "", "a new long password", HERE)
    assert await accounts.session(here.token) is not None
    assert await accounts.session(there.token) is None
    assert await accounts.sign_in(email, "a new long password", HERE)


async def test_reset_ends_all_sessions(database: Database) -> None:
    accounts = service(database)
    email, password = await accounts.ensure_administrator()
    session = await accounts.sign_in(email, password or "", HERE)
    fresh = await accounts.reset_password(email)
    assert await accounts.session(session.token) is None
    assert await accounts.sign_in(email, fresh, HERE)
    with pytest.raises(Remote):
        await accounts.reset_password("nobody@example.com")


async def test_without_database_it_says_unavailable() -> None:
    away = Database("postgresql://nobody@/none?host=%2Fnonexistent")
    with pytest.raises(Local) as refused:
        await service(away).sign_in("admin@localhost", "whatever", HERE)
    assert refused.value.code == "unavailable"
    assert await away.check() is not None


def test_attempts_per_address_and_account() -> None:
    attempts = Attempts()
    for number in range(ADDRESS_LIMIT):
        attempts.begun(f"{number}@example.com", HERE, 0.0)
    assert attempts.wait("new@example.com", HERE, 1.0) == WINDOW - 1
    assert attempts.wait("new@example.com", "198.51.100.1", 1.0) == 0
    for number in range(ACCOUNT_LIMIT):
        attempts.begun("one@example.com", f"2001:db8::{number:x}", 0.0)
    assert attempts.wait("one@example.com", "198.51.100.1", 1.0) > 0
    attempts.begun("one@example.com", "198.51.100.1", 1.0)
    attempts.succeeded("one@example.com", "198.51.100.1")
    assert attempts.wait("one@example.com", "198.51.100.1", 1.0) > 0  # a success does not forgive the others


async def test_many_tries_at_once_are_no_more_than_one_after_the_other(database: Database) -> None:
    accounts = service(database)
    email, _ = await accounts.ensure_administrator()
    tries = [accounts.sign_in(email, "wrong", f"2001:db8:1:1::{number:x}") for number in range(4 * PAIR_LIMIT)]
    refused = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one) for one in refused].count(BadSignIn) == PAIR_LIMIT  # also: a /64 is one subscriber
    assert [type(one) for one in refused].count(TooManyTries) == 3 * PAIR_LIMIT


def test_a_success_costs_no_try() -> None:
    attempts = Attempts()
    for _ in range(2 * ADDRESS_LIMIT):
        attempts.begun("one@example.com", HERE, 0.0)
        attempts.succeeded("one@example.com", HERE)
    assert attempts.wait("one@example.com", HERE, 1.0) == 0
    assert attempts.left("one@example.com", HERE, 1.0) == PAIR_LIMIT


def test_attempts_memory_is_bounded() -> None:
    attempts = Attempts()
    for number in range(MAX_COUNTERS):
        attempts.begun(f"{number}@example.com", f"address {number}", 0.0)
    assert len(attempts._counts) == MAX_COUNTERS


def test_passwords() -> None:
    assert len({new_password() for _ in range(50)}) == 50
    check_password(new_password())
    for bad in ("short", "aaaaaaaaaaaaaaaa", "x1" * 200):
        with pytest.raises(BadPassword):
            check_password(bad)
