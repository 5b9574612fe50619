"""``massalia demo``: six people with French names, moving pictures and speech, so that a newcomer finds a living
conference.

They take turns in one conversation, reconnect for ever, and draw and encode nothing while nobody watches.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass

import structlog
from aiortc import MediaStreamTrack

from admin.synthetic.participant import Participant, Person, Refused, Server
from admin.synthetic.picture import SHAPES, Look, Picture
from admin.synthetic.server import add_server_arguments, server_of
from admin.synthetic.speech import Conversation, Voice, speaker
from admin.synthetic.tracks import Camera, Microphone
from signalling.webrtc.messages import TrackName

log = structlog.get_logger(__name__)

BETWEEN_JOINS_S = 0.4


@dataclass(frozen=True)
class Character:
    name: str
    voice: Voice
    lines: tuple[str, str]


CAST = (
    Character("Mireille Roux", Voice("f2", 62, 150), (
        "Bonjour à toutes et à tous, et bienvenue dans cette conférence de démonstration.",
        "Je vous propose de commencer par l'ordre du jour, puis de passer aux questions.")),
    Character("Baptiste Arnaud", Voice("m3", 38, 160), (
        "Merci Mireille. Les travaux du Vieux-Port avancent comme prévu.",
        "La nouvelle piste cyclable ouvrira au printemps, juste avant les vacances.")),
    Character("Leïla Benali", Voice("f4", 74, 165), (
        "À la bibliothèque de l'Alcazar, nous avons reçu deux mille visiteurs ce mois-ci.",
        "Les ateliers du mercredi affichent complet jusqu'à la fin du trimestre.")),
    Character("Étienne Fabre", Voice("m1", 52, 145), (
        "Du côté des écoles, les menus de la cantine sont désormais en ligne.",
        "Nous attendons encore les réponses de trois établissements du nord de la ville.")),
    Character("Zoé Martinez", Voice("f5", 86, 170), (
        "Le mistral a soufflé très fort hier, mais aucun dégât n'est à signaler.",
        "Les parcs rouvriront demain matin à huit heures.")),
    Character("Karim Olivieri", Voice("m7", 24, 150), (
        "Je partage l'avis de Zoé, et je remercie les équipes qui étaient sur le terrain.",
        "Pour finir, le prochain conseil de quartier aura lieu jeudi soir à la mairie.")),
)  # fmt: skip


def conversation() -> Conversation:
    """Everybody's first line in turn, then everybody's second. Takes a second or so."""
    speak = speaker()
    lines = [(n, speak(person.voice, person.lines[turn])) for turn in (0, 1) for n, person in enumerate(CAST)]
    return Conversation(lines)


def make(
    number: int, talk: Conversation, server: Server, room: str, pin: str | None, codec: str = "vp8"
) -> Participant:
    """The participant who plays ``CAST[number]``."""
    look = Look(CAST[number].name, number / len(CAST), SHAPES[number % len(SHAPES)])
    picture = Picture(look)

    def tracks() -> dict[TrackName, MediaStreamTrack]:
        return {"mic": Microphone(talk, number), "camera": Camera(picture)}

    return Participant(server, Person(room, CAST[number].name, pin, codec), tracks)


async def demo(server: Server, room: str, pin: str | None, codec: str = "vp8") -> int:
    """Run the six until cancelled. Returns 1 if the room refuses all of them for good."""
    talk = await asyncio.to_thread(conversation)
    tasks = []
    for number in range(len(CAST)):
        tasks.append(asyncio.create_task(make(number, talk, server, room, pin, codec).run()))
        await asyncio.sleep(BETWEEN_JOINS_S)
    log.info("demo.started", room=room, participants=len(tasks))
    try:
        results = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for error in results:
        if isinstance(error, Refused):
            log.error("demo.refused", room=room, code=error.code, error=str(error))
        elif isinstance(error, Exception):
            log.error("demo.failed", room=room, error=repr(error))
    return 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_server_arguments(parser)
    parser.add_argument("--codec", choices=("vp8", "h264"), default="vp8", help="the pictures' codec")


def run(arguments: argparse.Namespace) -> int:
    """The command's exit code; returns only when refused for good or interrupted."""
    try:
        return asyncio.run(demo(server_of(arguments), arguments.room, arguments.pin, arguments.codec))
    except KeyboardInterrupt:
        return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="massalia demo", description="Six synthetic participants in a room.")
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
