"""Where the parts of the program are: in the source tree, or installed from the wheel."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from config.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
"""The source tree, or the site-packages directory."""
WEB_DIST = ROOT / "web" / "dist"
ENGINE = "massalia-media"


def engine_binary(settings: Settings) -> Path | None:
    """The engine's program: the setting, the build of the source tree, beside this Python, or on the PATH."""
    if settings.media.binary:
        given = Path(settings.media.binary)
        return given if os.access(given, os.X_OK) else None
    for place in (ROOT / "mcu" / "target" / "release" / ENGINE, Path(sys.executable).parent / ENGINE):
        if os.access(place, os.X_OK):
            return place
    found = shutil.which(ENGINE)
    return Path(found) if found else None


def certificate_files(settings: Settings) -> tuple[Path, Path]:
    """Certificate chain and key of the web server: as set, else those of the local authority."""
    from admin.certs import Files

    if settings.tls.cert and settings.tls.key:
        return Path(settings.tls.cert), Path(settings.tls.key)
    own = Files(settings.data_path / "tls")
    return own.certificate, own.key
