"""A database that is in use, as older migrations made it, is brought up to date and used on."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from calibration.frames import fold_deltas
from calibration.models import DayCount
from reviewqueue.access import issue_api_key
from reviewqueue.intake import take_in
from reviewqueue.models import ReviewTask
from routing.items import Post
from routing.models import Item, Stream
from routing.replays import replay_decisions
from tests.conftest import Upstream, make_body
from tests.copies import hang_up, run_on_server
from tests.reviewqueue.test_claims import claim, post_held
from tests.reviewqueue.test_verdicts import judge
from tests.scenes import SURE, make_bare_stream, make_person, publish_worked_policy
from tests.test_migrations import BASE

OURS = ("routing", "calibration", "reviewqueue")
OLDEST = dict.fromkeys(OURS, "0001_initial")
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def scratch(transactional_db: None) -> Iterator[str]:
    """The name of an empty database. Whoever connects to it is brought back afterwards."""
    ours = connection.settings_dict["NAME"]
    name = f"rehearsal_of_an_upgrade_{os.getpid()}"
    run_on_server(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} TEMPLATE template0")
    yield name
    hang_up()
    connection.settings_dict["NAME"] = ours
    ContentType.objects.clear_cache()
    run_on_server(f"DROP DATABASE {name} WITH (FORCE)")


def read_rows() -> Rows:
    """Every row of our tables and of people, as JSON."""
    tables = [
        table
        for table in connection.introspection.table_names()
        if table == "auth_user" or (table.startswith(OURS) and table != "reviewqueue_cache")
    ]
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT to_jsonb(row)::text FROM "{table}" AS row')
            found[table] = [json.loads(row) for (row,) in cursor.fetchall()]
    return found


def write_rows(rows: Rows) -> Rows:
    """Write as much of the rows as the tables that are there can hold; returns that."""
    kept = {}
    with transaction.atomic(), connection.cursor() as cursor:
        for table in sorted(set(connection.introspection.table_names()) & set(rows)):
            cursor.execute(
                f'INSERT INTO "{table}"'
                f' SELECT * FROM jsonb_populate_recordset(NULL::"{table}", %s::jsonb)',
                [json.dumps(rows[table])],
            )
            told = connection.introspection.get_table_description(cursor, table)
            columns = {column.name for column in told}
            kept[table] = [{name: row[name] for name in columns & set(row)} for row in rows[table]]
    return kept


def fill() -> Stream:
    """A stream that was worked on: acted, held, judged, in hand, counted."""
    stream = make_bare_stream(undo_seconds=0)
    publish_worked_policy(stream)
    rita = make_person("rita", stream, "reviewer")
    take_in(stream=stream, posts=[Post(f"sure-{n}", {"body": "Sure."}, SURE) for n in range(5)])
    post_held(stream, "a", "b", "c")
    judge(claim(stream, rita), rita)
    claim(stream, rita)
    fold_deltas()
    return stream


@pytest.mark.parametrize("state", [OLDEST, BASE], ids=["the oldest", "the version before"])
def test_database_in_use_is_upgraded_and_used_on(scratch: str, state: dict[str, str]) -> None:
    fill()
    rows = read_rows()
    hang_up()
    connection.settings_dict["NAME"] = scratch
    executor = MigrationExecutor(connection)
    others = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] not in OURS]
    executor.migrate([*state.items(), *others])
    kept = write_rows(rows)
    filled = {table for table, old in kept.items() if old}
    assert {"routing_decision", "reviewqueue_verdict", "calibration_groundtruth"} <= filled
    assert "routing_announcement" in filled or state is OLDEST
    assert "category" not in kept["routing_decision"][0] or state is BASE

    call_command("migrate", verbosity=0)

    # What was there is there as it was; what is new was filled as if it had always been there.
    after = read_rows()
    for table, old in kept.items():
        found = {row["id"]: row for row in after[table]}
        assert [{name: found[row["id"]][name] for name in row} for row in old] == old, table
    for table, column in (("routing_decision", "category"), ("reviewqueue_reviewtask", "known_id")):
        assert sorted(str((row["id"], row[column])) for row in after[table]) == sorted(
            str((row["id"], row[column])) for row in rows[table]
        )
    assert sum(DayCount.objects.values_list("count", flat=True)) == 8

    use_on(Stream.objects.get(), User.objects.get(username="rita"))


def use_on(stream: Stream, rita: User) -> None:
    """Pages open, upstream posts, people answer, and every decision comes out again."""
    browser = Client()
    browser.force_login(rita)
    assert [browser.get(page).status_code for page in ("/", "/streams/helpdesk/hold/")] == [200] * 2
    _, key = issue_api_key(name="tickets", streams=[stream])
    upstream = Upstream(Client(), key, stream.key)
    assert upstream.post("items", make_body("new")).status_code == 201
    assert upstream.get("items/a").status_code == 200
    while ReviewTask.objects.unanswered().exists():
        judge(claim(stream, rita), rita)
    assert Item.objects.filter(state="waiting").count() == 0
    replayed = replay_decisions(stream=stream)
    assert (replayed.decisions, replayed.differing) == (9, 0)
