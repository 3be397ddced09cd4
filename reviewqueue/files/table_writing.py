"""Exported items as CSV: a header, then a row for each, every cell quoted and harmless."""

import csv
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Final

from reviewqueue.files.cells import neutralise
from reviewqueue.files.columns import BETWEEN

_SCORED: Final = ("payload", "signals", "secondary")
_SENTENCE: Final = ("payload", "signals", "blocks", "claims", "draft", "position", "retry_of")
_LAST: Final = (
    *("metadata", "model_version", "priority", "due_at"),
    *("truth", "blind", "state", "received_at", "settled_at"),
)
# What says nothing and is a value all the same, so that an empty cell would not do.
_NEEDED: Final = {"payload": "{}", "blocks": "[]"}
_DECISION: Final = (
    *("queue", "action", "predicted", "category", "source", "raw_confidence", "confidence"),
    *("margin", "entropy", "policy_version", "decided_at"),
)
_LABEL: Final = ("kind", "pi", "source")
_VERDICT: Final = ("kind", "categories", "proposed_name", "comment", "answered_at")
_GROUNDS: Final = ("block", "off_topic", "claims")


class TableWriter:
    """Rows with columns for these categories' scores and these fields of payloads.

    What a payload has beside texts in those fields stands in the column `payload` as JSON. Of
    drafted sentences there are no scores but blocks, and what a verdict on them rests on.
    """

    def __init__(
        self,
        *,
        categories: Sequence[str],
        payload_fields: Sequence[str],
        is_grounded: bool = False,
    ) -> None:
        self.categories = () if is_grounded else categories
        self.payload_fields = payload_fields
        self._fields = (*(_SENTENCE if is_grounded else _SCORED), *_LAST)
        self._verdict = (*_VERDICT, *(_GROUNDS if is_grounded else ()))
        self._text = StringIO()
        self._writer = csv.writer(self._text, quoting=csv.QUOTE_ALL, lineterminator="\n")

    def header(self) -> bytes:
        return self._line(
            [
                "external_id",
                *(f"payload.{name}" for name in self.payload_fields),
                *(f"score.{key}" for key in self.categories),
                *self._fields,
                *(f"decision.{name}" for name in _DECISION),
                *("decision.watch", "decision.reasons"),
                *(f"label.{name}" for name in _LABEL),
                *(f"verdict.{name}" for name in self._verdict),
            ]
        )

    def row(self, item: Mapping[str, Any]) -> bytes:
        """The row of an exported item; of its verdicts the last."""
        rest = dict(item["payload"])
        texts = [
            rest.pop(name) if isinstance(rest.get(name), str) and rest[name] else None
            for name in self.payload_fields
        ]
        scores = item.get("scores") or {}
        told = dict(item) | {"payload": rest}
        told |= {name: empty for name, empty in _NEEDED.items() if item.get(name) in ({}, [])}
        decision = item["decision"] or {}
        label = item["label"] or {}
        verdict = (item["verdicts"] or [{}])[-1]
        return self._line(
            [
                item["external_id"],
                *texts,
                *(scores.get(key) for key in self.categories),
                *(told[name] for name in self._fields),
                *(decision.get(name) for name in _DECISION),
                decision.get("watch"),
                "; ".join(reason["message"] for reason in decision.get("reasons", ())),
                *(label.get(name) for name in _LABEL),
                *(verdict.get(name) for name in self._verdict),
            ]
        )

    def _line(self, values: Sequence[object]) -> bytes:
        self._text.seek(0)
        self._text.truncate()
        self._writer.writerow([neutralise(_cell(value)) for value in values])
        return self._text.getvalue().encode()


def _cell(value: object) -> str:
    """Empty for nothing, keys with bars between, objects and lists of others as JSON."""
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return BETWEEN.join(value)
    return json.dumps(value, ensure_ascii=False)
