"""Arguments of the command ``massalia`` and the way to the command asked for.

Exit codes: 0 well, 1 the command found or met a problem (said in one sentence), 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from admin.version import version


def _command(module: str) -> Callable[[argparse.Namespace], int]:
    def call(arguments: argparse.Namespace) -> int:
        run: Callable[[argparse.Namespace], int] = import_module(module).run
        return run(arguments)

    return call


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="massalia", description="Self-hosted conferencing for a city.")
    top.add_argument(
        "--config", type=Path, metavar="FILE", help="settings file (default: massalia.yaml if it is there)"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _run(commands)
    _roles(commands)
    _care(commands)
    _people(commands)
    return top


def _run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser("run", help="start and supervise everything on this machine")
    run.add_argument("--demo", action="store_true", help="six synthetic participants join a room")
    run.add_argument("--port", type=int, metavar="N", help="TCP port of the web server")
    run.set_defaults(call=_command("admin.cli.run"))


def _roles(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    control = commands.add_parser("control", help="role: signalling, rooms and web pages")
    control.set_defaults(call=_command("admin.cli.control"))
    database = commands.add_parser("db", help="role: the embedded PostgreSQL")
    database.set_defaults(call=_command("admin.cli.database"))
    engine = commands.add_parser("media", help="role: the media engine, with the addresses and ports of the settings")
    engine.set_defaults(call=_command("admin.cli.media"))


def _care(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser("doctor", help="check the installation and say how to mend it")
    doctor.add_argument("--json", action="store_true", help="the results as JSON")
    doctor.add_argument("--language", choices=("fr", "en"), help="default: that of the terminal")
    doctor.set_defaults(call=_command("admin.cli.doctor"))
    config = commands.add_parser("config", help="check the rooms, or print their JSON Schema")
    what = config.add_subparsers(dest="what", metavar="WHAT", required=True)
    check = what.add_parser("check", help="report every mistake with its place")
    check.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or directories (default: rooms_dir)")
    what.add_parser("schema", help="print the JSON Schema of a room")
    config.set_defaults(call=_command("admin.cli.config"))
    commands.add_parser("version", help="print the version").set_defaults(call=_print_version)


def _people(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    account = commands.add_parser("account", help="accounts of the people who run the house")
    what = account.add_subparsers(dest="what", metavar="WHAT", required=True)
    ensure = what.add_parser("ensure", help="create the first administrator if there is none; prints the password once")
    ensure.add_argument("--json", action="store_true")
    password = what.add_parser("password", help="set a new password and end the account's sessions")
    password.add_argument("email", nargs="?", help="default: the first administrator")
    password.add_argument("--stdin", action="store_true", help="read the password from standard input (else: random)")
    account.set_defaults(call=_command("admin.cli.account"))
    for name, text in (("demo", "six synthetic participants in a room"), ("probe", "join a room, measure, report")):
        synthetic = commands.add_parser(name, help=text, add_help=False)
        synthetic.add_argument("rest", nargs=argparse.REMAINDER)
        synthetic.set_defaults(call=_command("admin.cli.synthetic"))


def _print_version(_arguments: argparse.Namespace) -> int:
    print(f"massalia {version()}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    # argparse's REMAINDER does not begin with an option: hand these two their words as they are
    if words and words[0] in ("demo", "probe"):
        arguments = argparse.Namespace(command=words[0], rest=words[1:], config=None)
        return _command("admin.cli.synthetic")(arguments)
    arguments = parser().parse_args(words)
    if arguments.config is not None:
        os.environ["MASSALIA_CONFIG"] = str(arguments.config.absolute())
    try:
        code: int = arguments.call(arguments)
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
