"""What a role may do in a room."""

from __future__ import annotations

from config.rooms import RoomSpec
from signalling.rooms.pins import Role
from signalling.rooms.ports import SHARED_TRACKS


def may_share(spec: RoomSpec, role: Role) -> bool:
    return spec.share == "everyone" or role == "organiser"


def may_publish(spec: RoomSpec, role: Role, track: str) -> bool:
    """The screen and its sound need the right to share; the person's own voice and picture do not."""
    return track not in SHARED_TRACKS or may_share(spec, role)


def may_mute_others(role: Role) -> bool:
    return role == "organiser"
