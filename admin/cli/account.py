"""``massalia account``: the first administrator, and new passwords. A password is printed once and stored nowhere."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from admin.accounts.service import FIRST_ADMINISTRATOR, AccountService, BadPassword
from admin.accounts.store import AccountStore
from admin.cli.terminal import fail, language, load_settings
from admin.db.pool import Database
from admin.roles import database_dsn
from kernel.clock import SystemClock
from kernel.errors import Local, Remote
from kernel.i18n import text
from kernel.log import configure

CONNECT_SECONDS = 15.0


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings()
    configure("error")
    words = language(settings)
    try:
        return asyncio.run(_run(arguments, database_dsn(settings), words))
    except (Local, TimeoutError) as error:
        return fail(text("account.no_database", words, reason=error))
    except Remote:
        return fail(text("account.unknown", words, email=arguments.email or FIRST_ADMINISTRATOR))
    except BadPassword as refused:
        return fail(text(f"portal.{refused.reason}", words))


async def _run(arguments: argparse.Namespace, dsn: str, words: str) -> int:
    database = Database(dsn)
    try:
        await asyncio.wait_for(database.run(), CONNECT_SECONDS)
        service = AccountService(AccountStore(database), SystemClock())
        if arguments.what == "ensure":
            email, password = await service.ensure_administrator()
            if arguments.json:
                print(json.dumps({"email": email, "password": password}))
                return 0
        else:
            email = arguments.email or (await service.ensure_administrator())[0]
            given = sys.stdin.readline().rstrip("\n") if arguments.stdin else None
            password = await service.reset_password(email, given)
            if given is not None:
                password = None
        print(text("account.done", words, email=email))
        if password is not None:
            print(text("account.password", words, password=password))
        return 0
    except TimeoutError:
        raise TimeoutError(database.problem) from None
    finally:
        await database.close()
