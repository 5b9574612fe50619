"""What an account and a session are. Values only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

Role = Literal["administrator", "user"]

SESSION_LIFE = dt.timedelta(hours=12)
PASSWORD_MIN = 12
PASSWORD_MAX = 256
"""Characters. The upper bound keeps a hostile form from costing a hash of megabytes."""


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    email: str
    name: str
    role: Role
    password_hash: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. ``token`` is secret and only known to that browser; the database holds its hash."""

    account: Account
    token: str
    expires_at: dt.datetime


def normalise_email(text: str) -> str:
    """The form in which addresses are stored and compared."""
    return text.strip().lower()
