"""Every error becomes an answer in plain words: a page for people, JSON for programs. What is our fault is logged with
a code that the person can read to the helper.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from admin.web.language import LANGUAGE
from admin.web.rendering import page
from kernel.errors import Fault
from kernel.i18n import text
from kernel.ids import new_id

log = structlog.get_logger("admin.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PROGRAM_PATHS = ("/api/", "/metrics", "/healthz", "/readyz", "/ws")
KNOWN = {400: "bad_request", 403: "forbidden", 404: "not_found", 405: "method", 413: "too_large", 429: "too_many"}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as raised:
        if raised.status < 400:
            raise
        headers = {"Allow": raised.headers["Allow"]} if "Allow" in raised.headers else {}
        return answer(request, raised.status, KNOWN.get(raised.status, "bad_request"), headers=headers)
    except Fault as fault:
        status = fault.answer.http_status
        log.log(40 if status >= 500 else 20, "request refused", path=request.path, code=fault.code, detail=fault.detail)
        away = status == 503
        sentence = None if away else text(fault.answer.message, request.get(LANGUAGE, "fr"), **fault.values)
        headers = {} if fault.retry_after is None else {"Retry-After": str(round(fault.retry_after + 0.5))}
        return answer(request, status, "unavailable" if away else "bad_request", sentence, headers=headers)
    except Exception:
        reference = new_id()[:8]
        log.exception("request failed", path=request.path, method=request.method, reference=reference)
        return answer(request, 500, "internal", reference=reference)


def answer(
    request: web.Request,
    status: int,
    key: str,
    sentence: str | None = None,
    *,
    reference: str = "",
    headers: dict[str, str] | None = None,
) -> web.Response:
    """The error as a page or as JSON. ``key`` names the title and the sentence in the catalogue
    (``page.<key>_title``).
    """
    language = request.get(LANGUAGE, "fr")
    words = sentence or text(f"page.{key}", language)
    if request.path.startswith(PROGRAM_PATHS):
        body = json.dumps({"error": key, "message": words} | ({"reference": reference} if reference else {}))
        response = web.Response(text=body, status=status, content_type="application/json")
    else:
        title = text(f"page.{key}_title", language)
        response = page(request, "error.html", status, title=title, sentence=words, reference=reference)
    response.headers.update(headers or {})
    return response
