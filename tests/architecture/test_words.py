"""The catalogues: the same keys and places in both languages, French typography, and no key that is asked for and
missing."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from kernel.errors import ANSWERS
from kernel.i18n import LANGUAGES, catalogue
from tests.architecture.sources import ROOT, product, tree

NARROW, WIDE = "\u202f", "\u00a0"


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_same_keys() -> None:
    assert catalogue("fr").keys() == catalogue("en").keys()


@pytest.mark.parametrize("key", sorted(catalogue("fr")))
def test_same_places(key: str) -> None:
    assert places(catalogue("fr")[key]) == places(catalogue("en")[key])


@pytest.mark.parametrize("key", sorted(catalogue("fr")))
def test_french_typography(key: str) -> None:
    sentence = catalogue("fr")[key]
    assert "'" not in sentence, "typographic apostrophe ’"
    assert not re.search(rf"[^{NARROW}{WIDE}][;!?](?!.)|[^{NARROW}{WIDE}] ?[;!?] ", sentence), "U+202F before ; ! ?"
    assert not re.search(r"« | »| :", sentence), "U+00A0 inside « » and before :"


@pytest.mark.parametrize("language", LANGUAGES)
def test_calm_words(language: str) -> None:
    shown = {key: words for key, words in catalogue(language).items() if key.startswith("error.")}
    for key, words in shown.items():
        assert not re.search(r"(?i)veuillez|erreur|invalide|utilisateur|\bPIN\b|\berror\b|invalid|please", words), key


def test_every_answer_has_its_sentence() -> None:
    for answer in ANSWERS.values():
        for language in LANGUAGES:
            assert not places(catalogue(language)[answer.message]), "error sentences stand alone: no places"


@pytest.mark.parametrize("path", sorted(product()), ids=str)
def test_every_key_asked_for_exists(path: Path) -> None:
    """Literal keys of ``text("…")``; of a key built from pieces, that some key begins so."""
    source = (ROOT / path).read_text("utf-8")
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        if ast.unparse(node.func) not in ("text", "i18n.text") or "kernel.i18n" not in source:
            continue
        key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            assert key.value in catalogue("fr"), f"{path}:{node.lineno}: {key.value}"
        elif isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
            start = str(key.values[0].value)
            assert any(known.startswith(start) for known in catalogue("fr")), f"{path}:{node.lineno}: {start}…"


@pytest.mark.parametrize("path", [path for path in product() if path.parts[0] == "config"], ids=str)
def test_every_problem_and_expectation_has_its_sentence(path: Path) -> None:
    """Codes of ``Problem(code=…)`` and of the helpers that make one, and keys of ``Expected(…)``."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for argument in node.keywords:
                if argument.arg == "code" and isinstance(argument.value, ast.Constant):
                    assert f"problem.{argument.value.value}" in catalogue("fr")
            if called == "Expected" and isinstance(node.args[0], ast.Constant):
                assert f"expected.{node.args[0].value}" in catalogue("fr")
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "expected" and isinstance(value, ast.Constant):
                    assert f"expected.{value.value}" in catalogue("fr")
