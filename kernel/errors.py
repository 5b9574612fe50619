"""Errors that carry their answer.

``Local`` is our fault (a bug, a dead part, a full disk); ``Remote`` is the other party's (a wrong code, a malformed
message). Each has a ``code``; the table ``ANSWERS`` gives for each code what every dialect answers: an HTTP status, a
SIP status (RFC 3261 §21), a Q.931 cause (ITU-T Q.850), an H.225 release reason and the key of the sentence shown to
the person. ``detail`` is English, for the log only, and is never sent to the other party.

SIP and Q.931 answers follow RFC 3398 where it gives one; where several fit, the one that does not make a proxy try
another route is taken (SIP 503 would).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Answer:
    """What each dialect answers to one error code."""

    http_status: int
    sip_status: int
    q931_cause: int
    h225_reason: str
    message: str
    """Key of the sentence in the catalogue."""


_ROWS: Final = (
    # code, HTTP, SIP, Q.931, H.225 reason — the other party's fault
    ("bad_pin", 403, 403, 21, "securityDenied"),
    ("pin_delay", 429, 480, 31, "securityDenied"),
    ("full", 409, 486, 17, "adaptiveBusy"),
    ("unknown_room", 404, 404, 1, "unreachableDestination"),
    ("bad_name", 400, 400, 100, "badFormatAddress"),
    ("malformed", 400, 400, 111, "undefinedReason"),
    ("too_fast", 429, 480, 42, "adaptiveBusy"),
    ("too_large", 413, 413, 95, "undefinedReason"),
    ("forbidden", 403, 403, 21, "noPermission"),
    ("not_joined", 409, 481, 101, "undefinedReason"),
    ("bad_offer", 400, 488, 65, "undefinedReason"),
    ("bad_token", 401, 403, 21, "securityDenied"),
    ("version", 400, 505, 97, "invalidRevision"),
    ("room_closed", 410, 480, 31, "destinationRejection"),
    # our fault
    ("unavailable", 503, 500, 41, "gatewayResources"),
    ("timeout", 504, 504, 102, "unreachableGatekeeper"),
    ("overload", 503, 500, 42, "gatewayResources"),
    ("configuration", 500, 500, 38, "undefinedReason"),
    ("internal", 500, 500, 41, "undefinedReason"),
)

ANSWERS: Final[dict[str, Answer]] = {
    code: Answer(http, sip, cause, reason, f"error.{code}") for code, http, sip, cause, reason in _ROWS
}


class Fault(Exception):
    """Base of both. ``code`` must be a key of ``ANSWERS``; ``values`` fill the sentence; ``retry_after`` is in
    seconds."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        retry_after: float | None = None,
        field: str | None = None,
        **values: object,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.answer = ANSWERS[code]
        self.detail = detail
        self.retry_after = retry_after
        self.field = field
        """Name of the field of a form or message that is wrong, when there is one."""
        self.values = values


class Local(Fault):
    """Our fault."""

    def __init__(self, code: str = "internal", detail: str = "", **more: object) -> None:
        super().__init__(code, detail, **more)  # type: ignore[arg-type]


class Remote(Fault):
    """The other party's fault."""
