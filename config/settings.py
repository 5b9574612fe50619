"""The model of the installation's settings; ``config.environment`` loads it from ``massalia.yaml`` and the environment.

A variable is the dotted path in capitals: ``MASSALIA_HTTP_PORT``, ``MASSALIA_MEDIA_LISTEN`` (lists are
comma-separated), ``MASSALIA_DATABASE_DSN``. The environment wins over the file. Mistakes are reported like those of a
room: file, line, column; for the environment, the variable's name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Size = Annotated[
    int,
    Meta(
        ge=1024,
        le=1 << 30,
        extra={"unit": "size"},
    ),
]
Address = Annotated[str, Meta(extra={"expected": "address"}, max_length=64)]
Mapping = Annotated[str, Meta(extra={"expected": "mapping_of_addresses"}, max_length=128)]
Network = Annotated[str, Meta(extra={"expected": "network"}, max_length=64)]
Url = Annotated[str, Meta(pattern=r"^https://[^\s/]+$", max_length=512, extra={"expected": "url"})]
Dsn = Annotated[str, Meta(pattern=r"^postgres(ql)?://\S+$", max_length=1024, extra={"expected": "dsn", "secret": True})]
Token = Annotated[str, Meta(min_length=16, max_length=256, extra={"secret": True})]
Location = Annotated[str, Meta(min_length=1, max_length=512)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections."""


class Http(Section):
    """The web server of control."""

    host: Annotated[str, Meta(max_length=253, description="Address to listen on; empty or :: means all.")] = "::"
    port: Annotated[Port, Meta(description="TCP port.")] = 8443
    public_url: Annotated[Url | None, Meta(description="Address people type, when it differs (proxy).")] = None
    trusted_proxies: Annotated[
        tuple[Network, ...], Meta(max_length=32, description="Proxies whose X-Forwarded-For is believed.")
    ] = ()


class Tls(Section):
    """Certificate and key; both unset: the local authority made by ``massalia`` is used."""

    cert: Annotated[Location | None, Meta(description="PEM chain.")] = None
    key: Annotated[Location | None, Meta(description="PEM private key.")] = None


class Media(Section):
    """The forward engine."""

    control: Annotated[Location | None, Meta(description="Control socket; default <data_dir>/media.sock.")] = None
    port: Annotated[Port, Meta(description="First UDP port; shard i uses port + i.")] = 40000
    shards: Annotated[int, Meta(ge=1, le=64, description="Threads; default: cores - 1.")] | None = None
    listen: Annotated[tuple[Address, ...], Meta(max_length=16, description="Addresses; default all.")] = ()
    advertise: Annotated[
        tuple[Mapping, ...], Meta(max_length=16, description="BIND_IP=PUBLIC_IP[:PORT] for 1:1 NAT or forwarded ports.")
    ] = ()
    loopback: Annotated[bool, Meta(description="Offer the loopback address too (demo, tests).")] = False
    binary: Annotated[Location | None, Meta(description="The engine's binary, when not the packaged one.")] = None


class Database(Section):
    """PostgreSQL: ``dsn`` of an external server, or the embedded one."""

    dsn: Annotated[Dsn | None, Meta(description="postgresql://user:password@host/db")] = None

    @property
    def embedded(self) -> bool:
        """Whether the supervisor runs its own PostgreSQL."""
        return self.dsn is None

    def __repr__(self) -> str:
        """Without the password."""
        return f"Database(dsn={'set' if self.dsn else None})"


class Log(Section):
    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level logged.")] = "info"
    format: Annotated[Literal["auto", "json", "console"], Meta(description="auto: readable on a tty.")] = "auto"


class Limits(Section):
    """What one stranger may cost."""

    message_size: Annotated[Size, Meta(description="Largest WebSocket message.")] = 256 * 1024
    message_rate: Annotated[int, Meta(ge=1, le=10_000, description="Messages a second and connection, mean.")] = 50
    message_burst: Annotated[int, Meta(ge=1, le=10_000, description="Messages at once.")] = 200
    pin_tries: Annotated[int, Meta(ge=1, le=100, description="Wrong codes before the delay.")] = 5
    pin_delay: Annotated[int, Meta(ge=1, le=86_400, description="Seconds to wait then.")] = 60
    connections_per_address: Annotated[int, Meta(ge=1, le=100_000, description="WebSockets from one address.")] = 250


class Metrics(Section):
    """Who else than the machine itself may read ``/metrics``."""

    allow: Annotated[tuple[Network, ...], Meta(max_length=32, description="Networks of the monitoring.")] = ()
    token: Annotated[Token | None, Meta(description="Bearer token of the monitoring, 16 characters or more.")] = None

    def __repr__(self) -> str:
        """Without the token."""
        return f"Metrics(allow={self.allow}, token={'set' if self.token else None})"


class Settings(Section):
    """Everything."""

    http: Http = Http()
    tls: Tls = Tls()
    media: Media = Media()
    database: Database = Database()
    log: Log = Log()
    metrics: Metrics = Metrics()
    limits: Limits = Limits()
    data_dir: Annotated[Location, Meta(description="Runtime files.")] = "var"
    rooms_dir: Annotated[Location, Meta(description="Rooms as YAML.")] = "config/rooms"
    language: Annotated[Literal["fr", "en"], Meta(description="Language of the pages when none is asked.")] = "fr"

    @property
    def data_path(self) -> Path:
        return Path(self.data_dir)

    @property
    def rooms_path(self) -> Path:
        return Path(self.rooms_dir)

    @property
    def control_socket(self) -> Path:
        """Path of the engine's control socket."""
        return Path(self.media.control) if self.media.control else self.data_path / "media.sock"

    @property
    def public_url(self) -> str:
        """Address to print and to put in links, without a slash at the end."""
        if self.http.public_url:
            return self.http.public_url
        host = self.http.host
        if host in ("", "::", "0.0.0.0"):  # noqa: S104 - compared, not bound
            host = "localhost"
        if ":" in host:
            host = f"[{host}]"
        return f"https://{host}:{self.http.port}"
