"""Conversations in the shapes in which they are posted.

A list of entries with a speaker and words, or an object that holds such a list. Words are a text,
or a list of parts as the common model APIs send them: texts, pictures, calls of tools.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from reviewqueue.addresses import is_picture
from reviewqueue.prose import Prose, fold, label_of
from reviewqueue.trees import Json, write_leaf

TURNS_SHOWN = 40
TURNS_DRAWN = 400
TIME_LONGEST = 40

_SPEAKERS = ("role", "speaker", "from", "author", "sender")
_WORDS = ("content", "text", "message", "body", "value")
_TIMES = ("at", "time", "timestamp", "created_at", "date")
_LISTS = ("messages", "turns", "conversation", "conversations")


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance: words, pictures that may be shown, and the rest (calls of tools) as text."""

    speaker: str
    prose: Prose
    pictures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    at: str = ""

    @property
    def paragraphs(self) -> tuple[str, ...]:
        return self.prose.paragraphs


@dataclass(slots=True)
class _Parts:
    texts: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def list_entries(value: Json) -> list[dict[str, Json]]:
    """The entries of a conversation; empty when `value` is none."""
    if isinstance(value, dict):
        held = next((value[key] for key in _LISTS if key in value), None)
        return list_entries(held) if isinstance(held, list) else []
    if not isinstance(value, list):
        return []
    entries = [entry for entry in value if isinstance(entry, dict) and _is_turn(entry)]
    return entries if len(entries) == len(value) else []


def read_turns(value: Json, *, image_hosts: Collection[str] = ()) -> tuple[tuple[Turn, ...], int]:
    """The first `TURNS_DRAWN` turns, and how many there are in all."""
    entries = list_entries(value)
    return tuple(_turn(entry, image_hosts) for entry in entries[:TURNS_DRAWN]), len(entries)


def _is_turn(entry: dict[str, Json]) -> bool:
    if not isinstance(_first(entry, _SPEAKERS), str):
        return False
    words = _first(entry, _WORDS)
    return isinstance(words, str | list) or (words is None and "tool_calls" in entry)


def _turn(entry: dict[str, Json], image_hosts: Collection[str]) -> Turn:
    parts = _Parts()
    _read_words(_first(entry, _WORDS), parts, image_hosts)
    calls = entry.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        parts.notes.append(_word_call(call))
    at = _first(entry, _TIMES)
    return Turn(
        speaker=label_of(str(_first(entry, _SPEAKERS))),
        prose=fold("\n\n".join(parts.texts)),
        pictures=tuple(parts.pictures),
        notes=tuple(parts.notes),
        at=at[:TIME_LONGEST] if isinstance(at, str) else "",
    )


def _read_words(words: Json, parts: _Parts, image_hosts: Collection[str]) -> None:
    if isinstance(words, str):
        parts.texts.append(words)
        return
    for part in words if isinstance(words, list) else ():
        if isinstance(part, str):
            parts.texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            parts.texts.append(str(part["text"]))
        elif is_picture(source := _picture_of(part), image_hosts):
            parts.pictures.append(source)
        else:
            parts.notes.append(write_leaf(source or part))


def _picture_of(part: Json) -> str:
    """The address of a picture in `{"image_url": {"url": ...}}` and its like; else empty."""
    held = part.get("image_url", part.get("source")) if isinstance(part, dict) else None
    if isinstance(held, dict) and isinstance(held.get("data"), str):
        return f"data:{held.get('media_type')};base64,{held['data']}"
    if isinstance(held, dict):
        held = held.get("url")
    return held if isinstance(held, str) else ""


def _word_call(call: Json) -> str:
    called = call.get("function") if isinstance(call, dict) else None
    if isinstance(called, dict) and isinstance(called.get("name"), str):
        return f"{called['name']}({write_leaf(called.get('arguments', ''))})"
    return write_leaf(call)


def _first(entry: dict[str, Json], names: tuple[str, ...]) -> Json:
    return next((entry[name] for name in names if name in entry), None)
