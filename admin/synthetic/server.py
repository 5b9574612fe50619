"""The options by which ``massalia demo`` and ``massalia probe`` are told their server and room."""

from __future__ import annotations

import argparse
import os
import ssl
from pathlib import Path

from admin.synthetic.participant import Server

PIN_VARIABLE = "MASSALIA_DEMO_PIN"
"""Where a PIN can be given unseen: everybody on the machine can read command lines."""
DEFAULT_URL = "https://localhost:8443"


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default=DEFAULT_URL, help=f"address of the server (default {DEFAULT_URL})")
    parser.add_argument("--room", required=True, help="slug, alias or number of the room")
    parser.add_argument("--pin", default=os.environ.get(PIN_VARIABLE), help=f"the room's PIN (or {PIN_VARIABLE})")
    parser.add_argument("--ca", type=Path, help="PEM file of the certificate authority to trust beside the system's")
    parser.add_argument("--insecure", action="store_true", help="accept any certificate")


def server_of(arguments: argparse.Namespace) -> Server:
    """Raises OSError if the authority's file cannot be read."""
    if arguments.insecure:
        return Server(arguments.url, tls=False)
    context = ssl.create_default_context()
    if arguments.ca is not None:
        context.load_verify_locations(arguments.ca)
    return Server(arguments.url, tls=context)
