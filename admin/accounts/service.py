"""Rules of the accounts: who may sign in, how long, with which passwords. No HTTP, no SQL.

Passwords are hashed with argon2id (RFC 9106, the library's RFC_9106_LOW_MEMORY profile: 64 MiB), two at a time,
outside the event loop. An unknown address costs the same time as a wrong password, so that answers do not tell who
has an account.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Protocol

import structlog

from admin.accounts.attempts import Attempts
from admin.accounts.model import PASSWORD_MAX, PASSWORD_MIN, SESSION_LIFE, Account, Session, normalise_email
from admin.clockface import utc
from kernel import ids
from kernel.errors import Remote
from signalling.rooms.pins import source_of

if TYPE_CHECKING:
    from admin.accounts.store import AccountStore
    from kernel.clock import Clock

log = structlog.get_logger("admin.accounts")

HASHES_AT_ONCE = 2
FIRST_ADMINISTRATOR = "admin@localhost"
_ALPHABET = "abcdefghjkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXY34679"
"""Without the letters and digits that people mix up (0 O o, 1 l I i, 2 Z, 5 S, 8 B)."""


class Hasher(Protocol):
    def hash(self, password: str) -> str: ...
    def verify(self, hash: str, password: str) -> bool: ...
    def check_needs_rehash(self, hash: str) -> bool: ...


class BadSignIn(Exception):
    """Wrong address or password. ``left``: tries that remain."""

    def __init__(self, left: int) -> None:
        super().__init__("wrong address or password")
        self.left = left


class TooManyTries(Exception):
    """``wait``: seconds until the next try."""

    def __init__(self, wait: float) -> None:
        super().__init__("too many tries")
        self.wait = wait


class BadPassword(Exception):
    """The new password is refused. ``reason``: key of the sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def new_password() -> str:
    """A random password that can be copied from a screen: five groups of four, 111 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))


def _argon2() -> Hasher:
    from argon2 import PasswordHasher
    from argon2.profiles import RFC_9106_LOW_MEMORY

    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


class AccountService:
    """Signing in and out, and passwords."""

    def __init__(self, store: AccountStore, clock: Clock, hasher: Hasher | None = None) -> None:
        self._store = store
        self._clock = clock
        self._hasher = hasher
        self._attempts = Attempts()
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._decoy: str | None = None

    async def sign_in(self, email: str, password: str, address: str) -> Session:
        """A new session. Raises BadSignIn, TooManyTries, Local("unavailable")."""
        email = normalise_email(email)[:254]
        account = await self._store.by_email(email)
        await self._prove(email, account, password, address)
        assert account is not None  # noqa: S101 - proven just now
        token, now = ids.new_token(), utc(self._clock)
        end = now + SESSION_LIFE
        await self._store.open_session(account.id, ids.token_hash(token), now, end, address)
        log.info("signed in", account=account.id, address=address)
        return Session(account, token, end)

    async def session(self, token: str) -> Session | None:
        """The session of a cookie, if it is still good."""
        if not 20 <= len(token) <= 100:
            return None
        found = await self._store.session(ids.token_hash(token), utc(self._clock))
        return None if found is None else Session(found[0], token, found[1])

    async def sign_out(self, token: str) -> None:
        await self._store.close_session(ids.token_hash(token))

    async def change_password(self, session: Session, old: str, new: str, address: str) -> None:
        """Ends the account's other sessions. Raises BadSignIn, TooManyTries, BadPassword."""
        check_password(new)
        await self._prove(session.account.email, session.account, old, address)
        await self._store.set_password(session.account.id, await self._hash(new), ids.token_hash(session.token))
        log.info("password changed", account=session.account.id)

    async def reset_password(self, email: str, password: str | None = None) -> str:
        """Set a new password (random if none is given) and end all sessions; returns it. Raises Remote("forbidden")."""
        account = await self._store.by_email(normalise_email(email))
        if account is None:
            raise Remote("forbidden", f"there is no account {email}")
        chosen = new_password() if password is None else password
        check_password(chosen)
        await self._store.set_password(account.id, await self._hash(chosen))
        return chosen

    async def ensure_administrator(self) -> tuple[str, str | None]:
        """The first administrator's address, and its password if it was created just now."""
        present = await self._store.any_administrator()
        if present is not None:
            return present.email, None
        password = new_password()
        added = await self._store.add(
            FIRST_ADMINISTRATOR, "Administrateur", "administrator", await self._hash(password)
        )
        return FIRST_ADMINISTRATOR, password if added else None

    async def _prove(self, email: str, account: Account | None, password: str, address: str) -> None:
        """Check a password within the limits. Raises BadSignIn, TooManyTries."""
        source, now = source_of(address), self._clock.now()
        wait = self._attempts.wait(email, source, now)
        if wait > 0:
            raise TooManyTries(wait)
        self._attempts.begun(email, source, now)
        if not await self._verify(account, password):
            log.warning("sign-in failed", address=address)
            raise BadSignIn(self._attempts.left(email, source, self._clock.now()))
        self._attempts.succeeded(email, source)

    async def _verify(self, account: Account | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = await self._ready_hasher()
        stored = self._decoy if account is None or account.disabled else account.password_hash
        assert stored is not None  # noqa: S101 - set by _ready_hasher
        try:
            async with self._hashing:
                await asyncio.to_thread(hasher.verify, stored, password[:PASSWORD_MAX])
        except (VerificationError, InvalidHashError):
            return False
        if account is None or account.disabled:
            return False
        if hasher.check_needs_rehash(stored):
            await self._store.rehash(account.id, await self._hash(password))
        return True

    async def _hash(self, password: str) -> str:
        hasher = await self._ready_hasher()
        async with self._hashing:
            return await asyncio.to_thread(hasher.hash, password)

    async def _ready_hasher(self) -> Hasher:
        if self._hasher is None:
            self._hasher = _argon2()
        if self._decoy is None:
            self._decoy = await asyncio.to_thread(self._hasher.hash, secrets.token_urlsafe())
        return self._hasher


def check_password(password: str) -> None:
    """Raises BadPassword when a new password is too short, too long or too simple."""
    if len(password) < PASSWORD_MIN:
        raise BadPassword("password_refused.short")
    if len(password) > PASSWORD_MAX:
        raise BadPassword("password_refused.long")
    if len(set(password)) < 5:
        raise BadPassword("password_refused.simple")
