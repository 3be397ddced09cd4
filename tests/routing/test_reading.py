"""A replica is read where that was asked for, and nowhere else; nothing is ever written to it."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection, connections, router
from psycopg import sql

from reviewqueue.exports import Selection, export_lines
from reviewqueue.insight.making import make_next
from reviewqueue.insight.sheets import data_version, read_sheet
from reviewqueue.insight_models import InsightSheet
from routing.models import Item, Stream
from routing.reading import REPLICA, ReplicaRouter, from_replica, has_replica, reading
from tests.copies import hang_up
from tests.scenes import make_stream, post

NAME = "of_the_past"


@pytest.fixture
def stream(transactional_db: None) -> Stream:
    made = make_stream("helpdesk")
    post(made, "before")
    return made


@pytest.fixture
def replica(stream: Stream) -> Iterator[str]:
    """A second database as the first one is now; it takes no writes, and does not follow."""
    settings = dict(connection.settings_dict)
    hang_up()
    whole = {
        "dbname": "postgres",
        "user": settings["USER"],
        "password": settings["PASSWORD"],
        "host": settings["HOST"],
        "port": settings["PORT"],
    }
    with psycopg.connect(**{k: v for k, v in whole.items() if v}, autocommit=True) as other:
        names = sql.Identifier(NAME), sql.Identifier(str(settings["NAME"]))
        other.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(names[0]))
        other.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        other.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(names[0])
        )
        connections.databases[REPLICA] = settings | {"NAME": NAME}
        # What is connected already is no business of Django's guard of unnamed databases.
        connections[REPLICA].connect()
        yield NAME
        connections[REPLICA].close()
        connections[REPLICA].close_pool()  # type: ignore[attr-defined]
        del connections[REPLICA]
        del connections.databases[REPLICA]
        other.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


def count_exported(stream: Stream) -> int:
    return sum(block.count(b"\n") for block in export_lines(Selection(stream)))


def test_without_a_replica_all_is_read_from_the_primary(stream: Stream) -> None:
    assert not has_replica()
    with from_replica():
        assert reading().alias == "default"
        assert router.db_for_read(Item) == "default"
    assert count_exported(stream) == 1


def test_export_reads_the_replica_and_nothing_else_does(stream: Stream, replica: str) -> None:
    post(stream, "after")

    assert Item.objects.filter(stream=stream).count() == 2
    assert count_exported(stream) == 1
    with from_replica():
        assert Item.objects.filter(stream=stream).count() == 1
        assert reading().settings_dict["NAME"] == replica
    assert reading().alias == "default"


def test_writes_go_to_the_primary_from_within_too(stream: Stream, replica: str) -> None:
    with from_replica():
        item = Item.objects.get(stream=stream)
        item.priority = 7
        item.save(update_fields=["priority"])
        assert Item.objects.get(stream=stream).priority == 0
    assert Item.objects.get(stream=stream).priority == 7


def test_sheet_of_a_replica_that_lags_says_what_it_was_made_of(
    stream: Stream, replica: str
) -> None:
    with from_replica():
        old = data_version(stream)
    stream.error_budget = 0.02
    stream.save(update_fields=["error_budget"])
    shown = read_sheet(stream=stream, kind=InsightSheet.Kind.MONTH)
    assert shown.sheet is None

    made = make_next()

    assert made is not None
    sheet = InsightSheet.objects.get(stream=stream)
    assert (sheet.error, sheet.version, sheet.asked_version) == ("", old, old)
    # Whoever looks asks for the newer one.
    shown = read_sheet(stream=stream, kind=InsightSheet.Kind.MONTH)
    assert (shown.ready is not None, shown.is_newest) == (True, False)
    sheet.refresh_from_db()
    assert sheet.asked_version == data_version(stream) != old


def test_replica_is_never_migrated() -> None:
    assert ReplicaRouter().allow_migrate("default", "routing")
    assert not ReplicaRouter().allow_migrate(REPLICA, "routing")
    assert ReplicaRouter().db_for_write(Item) == "default"
