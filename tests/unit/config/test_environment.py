"""Settings: defaults, file, environment, and each mistake placed in one or the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.environment import BadSettings, load_settings, settings
from config.settings import Settings


def codes(path: Path | None, **variables: str) -> list[tuple[str, str, str]]:
    loaded = load_settings(path, {f"MASSALIA_{name}": value for name, value in variables.items()})
    return [(str(problem.place), problem.code, problem.suggestion) for problem in loaded.problems]


def test_nothing_said_gives_the_defaults() -> None:
    loaded = load_settings(None, {"HOME": "/", "PATH": ""})
    assert loaded.settings == Settings()
    assert Settings().http.port == 8443
    assert Settings().media.port == 40000
    assert Settings().database.embedded


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "massalia.yaml"
    file.write_text("http: {port: 9000, host: 127.0.0.1}\nmedia:\n  listen: [10.0.0.1]\nlog:\n")
    loaded = load_settings(
        file,
        {
            "MASSALIA_HTTP_PORT": "9001",
            "MASSALIA_MEDIA_LISTEN": "127.0.0.1, ::1",
            "MASSALIA_MEDIA_ADVERTISE": "10.0.0.1=198.51.100.7,10.0.0.2=198.51.100.8:4000,::1=[2001:db8::1]:4000",
            "MASSALIA_LOG_LEVEL": "debug",
            "MASSALIA_LIMITS_MESSAGE_SIZE": "64 KiB",
            "MASSALIA_MEDIA_LOOPBACK": "true",
            "MASSALIA_HTTP_PUBLIC_URL": "https://visio.ville.fr",
        },
    )
    assert loaded.problems == ()
    value = loaded.settings
    assert value is not None
    assert (value.http.port, value.http.host) == (9001, "127.0.0.1")
    assert value.media.listen == ("127.0.0.1", "::1")
    assert value.media.advertise == (
        "10.0.0.1=198.51.100.7",
        "10.0.0.2=198.51.100.8:4000",
        "::1=[2001:db8::1]:4000",
    )
    assert value.media.loopback
    assert value.log.level == "debug"
    assert value.limits.message_size == 65536
    assert value.public_url == "https://visio.ville.fr"


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"HTTP_PORT": "99000"}, ("MASSALIA_HTTP_PORT", "out_of_range", "65535")),
        ({"HTTP_PORT": ""}, ("MASSALIA_HTTP_PORT", "no_value", "")),
        ({"HTTP_PORT": "web"}, ("MASSALIA_HTTP_PORT", "wrong_value", "")),
        ({"HTTP_PROT": "1"}, ("MASSALIA_HTTP_PROT", "unknown_variable", "MASSALIA_HTTP_PORT")),
        ({"MEDIA_LOOPBACK": "1"}, ("MASSALIA_MEDIA_LOOPBACK", "wrong_value", "true")),
        ({"MEDIA_LISTEN": "127.0.0.1,localhost"}, ("MASSALIA_MEDIA_LISTEN", "wrong_value", "")),
        ({"MEDIA_ADVERTISE": "10.0.0.1=::1"}, ("MASSALIA_MEDIA_ADVERTISE", "wrong_value", "")),
        ({"MEDIA_ADVERTISE": "10.0.0.1=192.0.2.7:0"}, ("MASSALIA_MEDIA_ADVERTISE", "wrong_value", "")),
        ({"MEDIA_ADVERTISE": "10.0.0.1=[192.0.2.7]:4000"}, ("MASSALIA_MEDIA_ADVERTISE", "wrong_value", "")),
        ({"MEDIA_ADVERTISE": "10.0.0.1=[::1]:4000"}, ("MASSALIA_MEDIA_ADVERTISE", "wrong_value", "")),
        ({"HTTP_TRUSTED_PROXIES": "10.0.0.0/8,nginx"}, ("MASSALIA_HTTP_TRUSTED_PROXIES", "wrong_value", "")),
        ({"DATABASE_DSN": "mysql://u:hunter2@db"}, ("MASSALIA_DATABASE_DSN", "wrong_value", "")),
        ({"LIMITS_MESSAGE_SIZE": "65536"}, ("MASSALIA_LIMITS_MESSAGE_SIZE", "wrong_unit", "65536 B")),
        ({"HTTP_PUBLIC_URL": "visio.ville.fr/"}, ("MASSALIA_HTTP_PUBLIC_URL", "wrong_value", "https://visio.ville.fr")),
        ({"TLS_CERT": "a.pem"}, ("MASSALIA_TLS_CERT", "half_certificate", "")),
        ({"MEDIA_PORT": "65535", "MEDIA_SHARDS": "2"}, ("MASSALIA_MEDIA_PORT", "ports_overflow", "")),
    ],
)
def test_each_mistake_of_the_environment_names_its_variable(
    variables: dict[str, str], found: tuple[str, str, str]
) -> None:
    assert codes(None, **variables) == [found]


def test_a_mistake_of_the_file_has_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("http:\n  prot: 1\nmedia: {shards: 0}\n")
    assert codes(file) == [(f"{file}:2:3", "unknown_key", "port"), (f"{file}:3:17", "out_of_range", "1")]


def test_an_empty_file_is_no_mistake_and_a_missing_one_is(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("\n")
    assert codes(tmp_path / "empty.yaml") == []
    assert codes(tmp_path / "none.yaml") == [(str(tmp_path / "none.yaml"), "unreadable", "")]


def test_a_process_gets_absolute_paths_or_a_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "massalia.yaml").write_text(
        "data_dir: var\nrooms_dir: /etc/massalia/rooms\ntls: {cert: c.pem, key: k.pem}\n"
    )
    value = settings({}, tmp_path)
    assert value.data_path == tmp_path / "var"
    assert value.rooms_path == Path("/etc/massalia/rooms")
    assert value.control_socket == tmp_path / "var" / "media.sock"
    assert value.tls.cert == str(tmp_path / "c.pem")
    with pytest.raises(BadSettings, match="MASSALIA_HTTP_PORT") as refused:
        settings({"MASSALIA_HTTP_PORT": "x"}, tmp_path)
    assert refused.value.code == "configuration"
    with pytest.raises(BadSettings, match="cannot be read"):
        settings({"MASSALIA_CONFIG": str(tmp_path / "other.yaml")}, tmp_path)


def test_the_password_is_never_shown() -> None:
    loaded = load_settings(None, {"MASSALIA_DATABASE_DSN": "postgresql://u:hunter2@db/m"})
    assert loaded.settings is not None
    assert "hunter2" not in repr(loaded.settings)
    assert not loaded.settings.database.embedded


@pytest.mark.parametrize(
    ("host", "url"),
    [("::", "https://localhost:8443"), ("::1", "https://[::1]:8443"), ("visio.fr", "https://visio.fr:8443")],
)
def test_the_address_to_print(host: str, url: str) -> None:
    loaded = load_settings(None, {"MASSALIA_HTTP_HOST": host})
    assert loaded.settings is not None
    assert loaded.settings.public_url == url
