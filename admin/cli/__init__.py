"""The command ``massalia``: one file a command; each is imported only when it is asked for."""

from admin.cli.main import main

__all__ = ["main"]
