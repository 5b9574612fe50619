"""The doctor's checks, each well and ill, and what it prints."""

from __future__ import annotations

import argparse
import datetime as dt
import errno
import hmac
import json
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from admin.certs import Files, ensure
from admin.cli import doctor as command
from admin.doctor import certificate, engine, examine, machine, network
from admin.doctor.model import Finding, Level
from config.settings import Http, Media, Settings
from mcu.messages import Candidate
from tests.fakes.engine import FakeEngine

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
CREDENTIALS = network.Credentials("local:remote", "a-password-of-the-leg")


def keys(findings: object) -> dict[str, Level]:
    return {finding.key: finding.level for finding in findings}  # type: ignore[attr-defined]


@pytest.fixture
def pair(tmp_path: Path) -> Files:
    files = Files(tmp_path / "tls")
    ensure(files, ("localhost", "127.0.0.1"), NOW)
    return files


def test_good_certificate(pair: Files) -> None:
    found = keys(certificate.examine(pair.certificate, pair.key, "localhost", NOW))
    assert set(found.values()) == {Level.OK}
    assert {"pair_ok", "key_ok", "dates_ok", "names_ok", "chain_ok"} == set(found)


def test_certificate_for_another_name(pair: Files) -> None:
    assert keys(certificate.examine(pair.certificate, pair.key, "visio.example.com", NOW))["names_wrong"] is Level.ERROR


@pytest.mark.parametrize(
    ("days", "key", "level"),
    [(390, "ends_soon", Level.WARNING), (398, "ended", Level.ERROR), (-1, "not_yet", Level.ERROR)],
)
def test_certificate_dates(pair: Files, days: int, key: str, level: Level) -> None:
    found = keys(certificate.examine(pair.certificate, pair.key, "localhost", NOW + dt.timedelta(days=days)))
    assert found[key] is level


def test_key_open_to_others_and_foreign_key(pair: Files, tmp_path: Path) -> None:
    pair.key.chmod(0o644)
    assert certificate.permissions(pair.key).key == "key_open"
    pair.key.chmod(0o640)
    assert certificate.permissions(pair.key).key == "key_ok"
    other = Files(tmp_path / "other")
    ensure(other, ("localhost",), NOW)
    assert certificate.pair(pair.certificate, other.key).level is Level.ERROR
    assert certificate.permissions(tmp_path / "absent").level is Level.ERROR


def test_chain_out_of_order(pair: Files, tmp_path: Path) -> None:
    leaf, authority = pair.certificate.read_bytes(), pair.authority.read_bytes()
    chain = tmp_path / "chain.pem"
    chain.write_bytes(leaf + authority)
    assert "chain_ok" in keys(certificate.examine(chain, pair.key, "localhost", NOW))
    other = Files(tmp_path / "other")
    ensure(other, ("localhost",), NOW)
    chain.write_bytes(leaf + other.authority.read_bytes())
    assert keys(certificate.examine(chain, pair.key, "localhost", NOW))["chain_broken"] is Level.ERROR


def test_unreadable_certificate(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    for name in ("bad.pem", "absent.pem"):
        found = keys(certificate.examine(tmp_path / name, tmp_path / "key", "localhost", NOW))
        assert found == {"certificate_unreadable": Level.ERROR}


@pytest.mark.parametrize(("name", "host", "same"), [
    ("*.example.com", "a.example.com", True), ("*.example.com", "a.b.example.com", False),
    ("*.example.com", "example.com", False), ("A.example.com", "a.EXAMPLE.com", True),
])  # fmt: skip
def test_wildcards(name: str, host: str, same: bool) -> None:
    assert certificate._matches(name, host) is same


def test_machine(tmp_path: Path) -> None:
    assert machine.disk(tmp_path / "not" / "yet").level in (Level.OK, Level.WARNING)
    assert machine.open_files(1024).level is Level.WARNING
    assert machine.open_files(65_536).level is Level.OK
    assert machine.open_files(-1).level is Level.OK
    assert machine.clock().part == "clock"
    limit = tmp_path / "rmem_max"
    limit.write_text("212992\n")
    assert machine.receive_buffer(limit).key == "buffer_low"
    limit.write_text("8388608\n")
    assert machine.receive_buffer(limit).key == "buffer_ok"
    assert machine.receive_buffer(tmp_path / "absent").key == "buffer_unknown"


def test_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 100 << 20})()
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _path: usage)
    assert machine.disk(tmp_path).key == "disk_full"


def test_ports_taken_and_free() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("::", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        settings = Settings(
            http=Http(port=tcp.getsockname()[1]),
            media=Media(port=udp.getsockname()[1], listen=("127.0.0.1",), shards=1),
        )
        assert keys(network.ports(settings, running=False)) == {"tcp_taken": Level.ERROR, "udp_taken": Level.ERROR}
        assert keys(network.ports(settings, running=True)) == {"tcp_answers": Level.OK}
    assert keys(network.ports(settings, running=False)) == {"tcp_free": Level.OK, "udp_free": Level.OK}
    assert keys(network.ports(settings, running=True)) == {"tcp_silent": Level.ERROR}


@pytest.mark.parametrize("size", [0, 200, 800, network.FULL_PACKET])
def test_binding_request_is_signed_and_filled(size: int) -> None:
    packet = network.binding_request(bytes(12), CREDENTIALS, size)
    assert size <= len(packet) <= max(size + 12, 120)
    kind, length, cookie = struct.unpack_from("!HHI", packet)
    assert (kind, length + 20, cookie) == (1, len(packet), 0x2112A442)
    head = packet[:2] + struct.pack("!H", length - 8) + packet[4:20]
    body, digest = packet[20:-32], packet[-28:-8]
    assert hmac.new(CREDENTIALS.password.encode(), head + body, "sha1").digest() == digest
    assert struct.unpack("!I", packet[-4:])[0] == zlib.crc32(packet[:-8]) ^ 0x5354554E


@contextmanager
def responder(answer: bool) -> Iterator[int]:
    """A UDP socket that answers each request with a success response, or stays silent."""
    with socket.socket(type=socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        line.settimeout(5)

        def serve() -> None:
            while True:
                try:
                    packet, peer = line.recvfrom(4096)
                except OSError:
                    return
                if packet == b"end":
                    return
                if answer:
                    line.sendto(struct.pack("!HHI", 0x0101, 0, 0x2112A442) + packet[8:20], peer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield line.getsockname()[1]
        with socket.socket(type=socket.SOCK_DGRAM) as closing:
            closing.sendto(b"end", ("127.0.0.1", line.getsockname()[1]))
        thread.join()


def candidate(port: int) -> Candidate:
    return Candidate(foundation="1", component=1, transport="udp", priority=1, address="127.0.0.1", port=port)


def test_udp_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.ask, "__defaults__", (0.05,))
    with responder(True) as port:
        found = list(network.udp_path([candidate(port)], CREDENTIALS))
        assert [finding.key for finding in found] == ["udp_answers", "udp_answers"]
    with responder(False) as port:
        assert keys(network.udp_path([candidate(port)], CREDENTIALS)) == {"udp_silent": Level.ERROR}
    assert keys(network.udp_path([candidate(port)], CREDENTIALS)) == {"udp_refused": Level.ERROR}  # nobody listens now


def test_udp_too_big(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_words: object) -> bool:
        raise OSError(errno.EMSGSIZE, "Message too long")

    monkeypatch.setattr(network, "ask", refuse)
    assert keys(network.udp_path([candidate(9)], CREDENTIALS)) == {"udp_too_big": Level.ERROR}


def test_foreign_answers_are_no_answers() -> None:
    transaction = bytes(range(12))
    assert not network.is_answer(b"", transaction)
    assert not network.is_answer(bytes(20), transaction)
    assert not network.is_answer(struct.pack("!HHI", 0x0101, 0, 0x2112A442) + bytes(12), transaction)


async def test_engine_answers_and_its_leg_is_closed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=str(tmp_path))
    monkeypatch.setattr(network, "ask", lambda *_words: True)
    async with FakeEngine(settings.control_socket) as fake:
        found = await engine.check(settings, running=True)
        assert found[0].key == "engine_ok"
        assert {finding.level for finding in found} == {Level.OK}
        assert not fake.legs and not fake.rooms


async def test_engine_absent(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    assert keys(await engine.check(settings, running=True)) == {"engine_absent": Level.ERROR}
    assert keys(await engine.check(settings, running=False)) == {"engine_stopped": Level.OK}


def test_rooms_and_shipped_codes(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3] / "config" / "rooms"
    shipped = keys(examine.rooms(Settings(rooms_dir=str(root))))
    assert shipped["rooms_ok"] is Level.OK
    assert shipped["codes_public"] is Level.WARNING
    assert keys(examine.rooms(Settings(rooms_dir=str(tmp_path)))) == {"rooms_none": Level.ERROR}
    (tmp_path / "bad.yaml").write_text("name: [")
    assert keys(examine.rooms(Settings(rooms_dir=str(tmp_path))))["rooms_wrong"] is Level.ERROR
    (tmp_path / "bad.yaml").write_text(
        'name: Ma salle\nslug: ma-salle\nnumber: "7391"\npins:\n  participant: "583 941"\n'
    )
    (tmp_path / "bad.yaml").write_text(
        'name: Ma salle\nslug: ma-salle\nnumber: "7391"\npins:\n  participant: "58394127"\n'
    )
    assert keys(examine.rooms(Settings(rooms_dir=str(tmp_path)))) == {"rooms_ok": Level.OK}


async def test_database_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "DATABASE_TIMEOUT", 0.3)
    settings = Settings(data_dir=str(tmp_path))
    assert (await examine.database(settings, running=True)).key == "database_away"
    assert (await examine.database(settings, running=False)).key == "database_stopped"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_everything_can_be_said_and_mended(language: str) -> None:
    """Each finding of the source has its sentence, and unless it is good news, the way to mend it."""
    import ast

    names = (
        "file directory count first rooms free limit wanted reason key mode date days host name port build shards legs"
    )
    values = dict.fromkeys([*names.split(), "names", "path", "where", "size"], "x")
    package = Path(examine.__file__).parent
    said = 0
    for module in package.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("ok", "warning", "error") and node.args:
                part, key = (argument.value for argument in node.args)  # type: ignore[attr-defined]
                finding = Finding(part, Level(node.func.id), key, values)  # type: ignore[attr-defined]
                assert finding.sentence(language)
                assert bool(finding.mend(language)) is (finding.level is not Level.OK)
                said += 1
    assert said > 50


def test_output_and_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def found(_settings: Settings) -> list[Finding]:
        return results

    monkeypatch.setattr(command, "examine", found)
    monkeypatch.setattr(command, "load_settings", Settings)
    arguments = argparse.Namespace(json=True, language="en")
    results = [Finding("disk", Level.OK, "disk_ok", {"free": 3, "directory": "var"})]
    assert command.run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    results = [*results, Finding("ports", Level.ERROR, "tcp_silent", {"port": 8443})]
    assert command.run(arguments) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["findings"][1]["mend"].startswith("Read control")
    arguments.json = False
    command.run(arguments)
    printed = capsys.readouterr().out
    assert "✓ 3 GiB free" in printed and "✗ TCP port 8443" in printed and "→ Read" in printed
