"""The posted table: what was chosen for each row, and what stays on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.http import QueryDict
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from reviewqueue.models import Verdict
from reviewqueue.verdicts import Answer
from reviewqueue.views.answer_form import read_lease
from routing.models import Category

Kind = Verdict.Kind

LEAVE = "leave"
NONE_FITS = "none"
PICKED = "is:"
MOST_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class RowEntry:
    """What was chosen for one row: confirmed, or else `answer`; a name in `other` beats it.

    `block` supports a confirmed sentence: its id, "" for none in particular, None while nothing was
    said.
    """

    confirm: bool = True
    answer: str = LEAVE
    other: str = ""
    block: str | None = None
    error: str = ""

    @property
    def is_left(self) -> bool:
        return not self.confirm and not self.other and self.answer == LEAVE


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A posted table, by task id. `lease_token` is None where none was given."""

    lease_token: UUID | None
    rows: Mapping[UUID, RowEntry]
    active_ms: int = 0
    with_today: bool = False

    def confirmed(self) -> list[UUID]:
        return [task_id for task_id, row in self.rows.items() if row.confirm]

    def blocks(self) -> dict[UUID, str]:
        """The blocks that were named, by task id."""
        return {
            task_id: row.block
            for task_id, row in self.rows.items()
            if row.confirm and row.block is not None
        }

    def left(self) -> list[UUID]:
        return [task_id for task_id, row in self.rows.items() if row.is_left]

    def with_errors(self, errors: Mapping[UUID, str]) -> "TableEntry":
        """The same table with what is wrong at its rows."""
        marked = {
            task_id: replace(row, error=errors.get(task_id, ""))
            for task_id, row in self.rows.items()
        }
        return replace(self, rows=marked)


@dataclass(frozen=True, slots=True)
class Offered:
    """An active category as it is offered for typing; it is found by its definition too."""

    key: str
    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class Names:
    """Active categories as they are offered for typing, by key, and the keys that are meant."""

    shown: Mapping[str, str]
    keys: Mapping[str, str]
    offered: tuple[Offered, ...]

    def find(self, typed: str) -> str | None:
        """The category that was typed by name or by key; None if there is no such."""
        return self.keys.get(_plain(typed))


def name_categories(categories: Sequence[Category]) -> Names:
    """Labels for typing, with the key beside those that are not the only one of their name."""
    active = [category for category in categories if category.retired_at is None]
    labels = [_plain(category.label) for category in active]
    shown = {
        category.key: category.label
        if labels.count(_plain(category.label)) == 1
        else f"{category.label} ({category.key})"
        for category in active
    }
    keys = {_plain(key): key for key in shown} | {_plain(name): key for key, name in shown.items()}
    offered = tuple(
        Offered(category.key, shown[category.key], category.definition) for category in active
    )
    return Names(shown, keys, offered)


def read_table(posted: QueryDict) -> TableEntry:
    """The table as it was posted; what is no task id is passed over."""
    confirmed = set(posted.getlist("confirm"))
    rows = {
        task_id: RowEntry(
            confirm=text in confirmed,
            answer=posted.get(f"answer-{text}", LEAVE),
            other=posted.get(f"other-{text}", "").strip(),
            block=posted.get(f"block-{text}"),
        )
        for text in posted.getlist("row")
        if (task_id := _read_id(text)) is not None
    }
    active = posted.get("active_ms", "")
    return TableEntry(
        lease_token=read_lease(posted),
        rows=rows,
        active_ms=min(int(active), MOST_MS) if active.isdecimal() and active.isascii() else 0,
        with_today=posted.get("today") == "yes",
    )


def read_corrections(table: TableEntry, names: Names) -> tuple[dict[UUID, Answer], dict[UUID, str]]:
    """Answers of the rows that are neither confirmed nor left, and what is wrong with some."""
    answers: dict[UUID, Answer] = {}
    errors: dict[UUID, str] = {}
    for task_id, row in table.rows.items():
        if row.confirm or row.is_left:
            continue
        key = names.find(row.other) if row.other else row.answer.removeprefix(PICKED)
        if row.other and key is None:
            words = _("“%(name)s” is no category of this stream; choose one of the list.")
            errors[task_id] = words % {"name": Truncator(row.other).chars(60)}
        elif not row.other and row.answer == NONE_FITS:
            answers[task_id] = Answer(Kind.NONE_FITS)
        else:
            answers[task_id] = Answer(Kind.CATEGORY, (key or "",))
    return answers, errors


def entry_of(verdict: Verdict, machine: str) -> RowEntry:
    """What was chosen for a row whose verdict was taken back; `machine` is what was acted on."""
    if verdict.kind == Kind.NONE_FITS:
        return RowEntry(confirm=False, answer=NONE_FITS)
    key = verdict.categories[0] if verdict.categories else ""
    if key == machine:
        return RowEntry(block=verdict.block)
    return RowEntry(confirm=False, answer=f"{PICKED}{key}")


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
