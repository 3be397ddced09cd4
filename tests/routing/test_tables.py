"""Rows written by COPY and by INSERT come back as they were given."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from routing.ids import uuid7, uuid7s
from routing.items import ITEMS
from routing.models import Item
from routing.tables import FEW, Table, store_rows
from tests.scenes import make_bare_stream

DUE = datetime(1999, 12, 31, 23, 59, 59, 123_456, tzinfo=UTC)


@pytest.mark.parametrize("count", [1, FEW, FEW + 1])
def test_rows_come_back_as_they_were_given(db: None, count: int) -> None:
    stream, now = make_bare_stream(), timezone.now()
    rows = [
        (
            *(item_id, stream.id, f"tab\tä {number}", b'{"a":"\\n\\\\"}', b'{"vpn_issue":1.0}'),
            *(b"{}", b"{}", b"{}", "v1", -number, DUE if number else None, bytes(32)),
            *("routed", now),
        )
        for number, item_id in enumerate(uuid7s(count))
    ]
    store_rows((ITEMS, rows))

    stored = list(Item.objects.order_by("id"))
    assert [item.external_id for item in stored] == [f"tab\tä {n}" for n in range(count)]
    assert [item.id for item in stored] == [row[0] for row in rows]
    assert [item.priority for item in stored] == [-n for n in range(count)]
    assert [item.due_at for item in stored] == [None, *[DUE] * (count - 1)]
    assert [item.payload for item in stored] == [{"a": "\n\\"}] * count
    assert [bytes(item.fingerprint) for item in stored] == [bytes(32)] * count
    assert [item.received_at for item in stored] == [now] * count


def test_nothing_is_stored_of_no_rows(db: None) -> None:
    store_rows((ITEMS, []))

    assert not Item.objects.exists()


def test_column_of_an_unknown_type_is_named() -> None:
    from django.contrib.sessions.models import Session  # noqa: PLC0415

    with pytest.raises(TypeError, match="session_data"):
        Table(Session, "session_data")


def test_keys_made_together_are_in_order() -> None:
    before, made = uuid7(), uuid7s(5_000)

    assert [before, *made] == sorted([before, *made])
    assert {(key.version, key.variant) for key in made} == {(7, before.variant)}
    assert len(set(made)) == 5_000
