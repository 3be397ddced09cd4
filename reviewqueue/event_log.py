"""A stream's log, to be read and taken away: what happened, who did it, to what.

Rows are found by the id, which sorts by time: a page costs the same whatever the table holds, and a
file is read a page at a time, so that it holds no snapshot.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet

from reviewqueue.files.cells import neutralise
from reviewqueue.files.opening import CSV, JSONL
from reviewqueue.models import ReviewTask
from routing.ids import least_uuid7_since
from routing.models import Event, Item, Stream

FORMATS: Final = (JSONL, CSV)
WORK: Final = "work"
REST: Final = "rest"
PAGE: Final = 50
FILE_PAGE: Final = 2_000
COLUMNS: Final = ("happened_at", "kind", "who", "subject_id", "item", "data", "id")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which events of a stream: work on items or all the rest (`WORK`, `REST`), by `who` (a user's
    name), since a moment; all of them by default."""

    stream: Stream
    about: str = ""
    who: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event; `who` is empty where nobody in particular did it.

    `item` is the external id of the item that it is about, empty where it is about none.
    """

    id: UUID
    at: datetime
    kind: str
    who: str
    subject_id: UUID
    item_id: UUID | None
    item: str
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, the newest first, and the id that the next page is before; None at the end."""

    entries: tuple[LogEntry, ...]
    older: UUID | None


def read_log(query: LogQuery, *, before: UUID | None = None) -> LogPage:
    """A page of the log, in a constant number of queries."""
    events = _find(query).order_by("-id")
    if before is not None:
        events = events.filter(id__lt=before)
    found = list(events[: PAGE + 1])
    entries = _draw(found[:PAGE])
    return LogPage(tuple(entries), found[PAGE - 1].id if len(found) > PAGE else None)


def write_log(query: LogQuery, *, format_name: str) -> Iterator[bytes]:
    """The log as a file, the oldest first: JSON lines, or CSV without formulas."""
    if format_name == CSV:
        yield _as_csv([COLUMNS])
    for entries in _pages(query):
        if format_name == CSV:
            yield _as_csv(map(_row, entries))
        else:
            yield "".join(f"{json.dumps(_tell(each))}\n" for each in entries).encode()


def _find(query: LogQuery) -> QuerySet[Event]:
    events = Event.objects.filter(stream=query.stream)
    if query.about:
        is_work = Event.is_work()
        events = events.filter(is_work if query.about == WORK else ~is_work)
    if query.who:
        events = events.filter(actor__username=query.who)
    if query.since is not None:
        # What was imported from the past happened earlier than its id says.
        begin = least_uuid7_since(query.since)
        events = events.filter(id__gte=begin, happened_at__gte=query.since)
    return events


def _pages(query: LogQuery) -> Iterator[list[LogEntry]]:
    after: UUID | None = None
    while True:
        events = _find(query).order_by("id")
        if after is not None:
            events = events.filter(id__gt=after)
        found = list(events[:FILE_PAGE])
        if not found:
            return
        yield _draw(found)
        after = found[-1].id


def _draw(events: Sequence[Event]) -> list[LogEntry]:
    """With names of people and items, in three queries."""
    actors = {event.actor_id for event in events if event.actor_id is not None}
    names = dict(User.objects.filter(id__in=actors).values_list("id", "username"))
    subjects = {event.subject_id for event in events}
    items: dict[UUID, tuple[UUID, str]] = {
        item_id: (item_id, external_id)
        for item_id, external_id in Item.objects.filter(id__in=subjects).values_list(
            "id", "external_id"
        )
    }
    tasks = ReviewTask.objects.filter(id__in=subjects - items.keys())
    items |= {
        task_id: (item_id, external_id)
        for task_id, item_id, external_id in tasks.values_list("id", "item_id", "item__external_id")
    }
    return [
        LogEntry(
            id=event.id,
            at=event.happened_at,
            kind=event.kind,
            who=names.get(event.actor_id or 0, ""),
            subject_id=event.subject_id,
            item_id=items[event.subject_id][0] if event.subject_id in items else None,
            item=items[event.subject_id][1] if event.subject_id in items else "",
            data=event.told(),
        )
        for event in events
    ]


def _tell(entry: LogEntry) -> dict[str, object]:
    return {
        "happened_at": entry.at.isoformat(),
        "kind": entry.kind,
        "who": entry.who or None,
        "subject_id": str(entry.subject_id),
        "item": entry.item or None,
        "data": entry.data,
        "id": str(entry.id),
    }


def _row(entry: LogEntry) -> Sequence[object]:
    told = _tell(entry) | {"data": json.dumps(entry.data)}
    return [neutralise(str(told[name] or "")) for name in COLUMNS]


def _as_csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
