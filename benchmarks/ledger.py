"""What the clients of a fault run were told, to be held against what is stored afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Ledger:
    """Answers as the clients saw them. Every verdict carries a note of its own in its comment.

    `acknowledged` holds the decision ids that were answered for an external id, `confirmed` the
    notes of verdicts that were accepted, `refused` those of verdicts that were refused at their
    first and only try, `undone` the ids of verdicts whose withdrawal was accepted, `closed` the
    task ids of tables that were accepted whole, `undone_tables` the ids of tables that were taken
    back.
    """

    posted: set[str] = field(default_factory=set)
    acknowledged: dict[str, set[str]] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    undone: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    undone_tables: set[str] = field(default_factory=set)
    surprises: list[str] = field(default_factory=list)
    retries: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def note_posted(self, external_id: str) -> None:
        """An item is about to be sent."""
        with self._lock:
            self.posted.add(external_id)

    def acknowledge(self, external_id: str, decision_id: str) -> None:
        """An item was answered with its decision."""
        with self._lock:
            self.acknowledged.setdefault(external_id, set()).add(decision_id)

    def confirm(self, note: str) -> None:
        """A verdict was accepted."""
        with self._lock:
            self.confirmed.add(note)

    def refuse(self, note: str) -> None:
        """A verdict was refused, and was sent only once."""
        with self._lock:
            self.refused.add(note)

    def undo(self, verdict_id: str) -> None:
        """A verdict's withdrawal was accepted."""
        with self._lock:
            self.undone.add(verdict_id)

    def close(self, task_ids: Iterable[str]) -> None:
        """A table was accepted with all its rows."""
        with self._lock:
            self.closed.update(task_ids)

    def undo_table(self, batch: str) -> None:
        """The withdrawal of a whole table was accepted."""
        with self._lock:
            self.undone_tables.add(batch)

    def surprise(self, what: str) -> None:
        """An answer that no client should ever get."""
        with self._lock:
            self.surprises.append(what)

    def retry(self) -> None:
        """A request was cut or answered 5xx and is sent again."""
        with self._lock:
            self.retries += 1
