"""Server-rendered pages: jinja2 with autoescape; words come from the catalogue, styles from the design system."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from admin.accounts.model import Session
from admin.version import version
from admin.web import csrf
from admin.web.language import LANGUAGE, remember
from kernel.i18n import text

SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)


@cache
def environment() -> Environment:
    """The templates of ``admin/web/templates``."""
    made = Environment(
        loader=PackageLoader("admin.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(portal_css=f"/portal/portal.{static('portal.css')[1]}.css", version=version())
    return made


@cache
def static(name: str) -> tuple[bytes, str]:
    """One of the portal's own files and the hash in its address."""
    data = files("admin.web").joinpath("static", name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:12]


def page(request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
    """Render a template in the asker's language. Pages are never kept by shared caches."""
    language = request.get(LANGUAGE, "fr")

    def t(key: str, /, **places: object) -> str:
        return text(key, language, **places)

    other = "en" if language == "fr" else "fr"
    body = (
        environment()
        .get_template(template)
        .render(
            t=t,
            language=language,
            other=other,
            path=request.path if request.method == "GET" and status < 400 else "/",
            session=request.get(SESSION),
            csrf=csrf.token(request),
            **values,
        )
    )
    response = web.Response(text=body, status=status, content_type="text/html", charset="utf-8")
    response.headers["Cache-Control"] = "no-store"
    remember(request, response)
    csrf.keep(request, response)
    return response
