"""Migrations run while the version before still serves: what has to hold for that."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from routing.indexes import BuildIndexConcurrently
from tests.migration_dangers import (
    ADD_LATER,
    BLOCKING_INDEX,
    BY_HAND,
    GONE,
    HALF_BUILT,
    RENAMED,
    SCANS,
    find_dangers,
)

# The last migration of each app in the version before. At a release, move it to the newest.
BASE = {
    "routing": "0010_grounded_drafts",
    "calibration": "0005_adjudicated_source",
    "reviewqueue": "0013_budget_sheet",
}

# Migrations after it that do something dangerous, each with why that is all right here.
_STORAGE = "storage parameters: readers and writers pass the lock that it takes"
_DROPPED = "drops indexes that no statement needs, in a moment; no column goes"
EXPLAINED: dict[tuple[str, str], str] = {
    ("routing", "0011_autovacuum"): _STORAGE,
    ("calibration", "0006_autovacuum"): _STORAGE,
    ("reviewqueue", "0014_autovacuum"): _STORAGE,
    ("routing", "0012_drop_doubled_indexes"): _DROPPED,
    ("calibration", "0007_drop_doubled_indexes"): _DROPPED,
    ("reviewqueue", "0015_drop_doubled_indexes"): _DROPPED,
    ("reviewqueue", "0016_cache"): "makes a table that old code does not know",
    ("calibration", "0010_sum_days"): "fills a table of its own, which old code does not know",
    ("reviewqueue", "0019_drop_verdict_stream"): _DROPPED,
}


@pytest.fixture(scope="module")
def loader() -> MigrationLoader:
    return MigrationLoader(None)


def migrations_since_base(loader: MigrationLoader) -> Iterator[tuple[str, str]]:
    done = set()
    for base in BASE.items():
        done |= set(loader.graph.forwards_plan(base))
    for app_label in BASE:
        for leaf in loader.graph.leaf_nodes(app_label):
            for name in loader.graph.forwards_plan(leaf):
                if name not in done and name[0] in BASE:
                    done.add(name)
                    yield name


def test_migrations_since_base_hurt_nobody_or_say_why(loader: MigrationLoader) -> None:
    found = {
        name: dangers
        for name in migrations_since_base(loader)
        if (
            dangers := list(
                find_dangers(loader.get_migration(*name), loader.project_state(name, at_end=False))
            )
        )
    }
    unexplained = {name: dangers for name, dangers in found.items() if name not in EXPLAINED}
    assert unexplained == {}, "mend them, or explain in EXPLAINED why they hurt nobody"
    assert set(EXPLAINED) <= set(found), "an explanation that nothing needs any more"


@pytest.mark.django_db
def test_code_of_base_can_still_write_every_table(loader: MigrationLoader) -> None:
    """Its columns are there with their types; what came since is filled by the database."""
    old = loader.project_state(list(BASE.items()))
    broken = []
    for model in old.apps.get_models(include_auto_created=True):
        if model._meta.app_label not in BASE:
            continue
        table = model._meta.db_table
        columns = read_columns(table)
        wanted = {field.column: field.db_type(connection) for field in model._meta.local_fields}
        broken += [f"{table}.{name} is gone" for name in wanted if name not in columns]
        broken += [
            f"{table}.{name} has to be given"
            for name, needs_value in columns.items()
            if needs_value and name not in wanted
        ]
    assert broken == []


def read_columns(table: str) -> dict[str, bool]:
    """The columns of a table, and whether an INSERT has to give each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, is_nullable = 'NO' AND column_default IS NULL"
            " AND is_identity = 'NO' FROM information_schema.columns"
            " WHERE table_name = %s AND table_schema = current_schema()",
            [table],
        )
        return dict(cursor.fetchall())


def state_of_things() -> ProjectState:
    state = ProjectState()
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=50)),
        ("size", models.IntegerField(null=True)),
    ]
    state.add_model(ModelState("routing", "Thing", fields))
    return state


def migration_of(*done: Operation) -> Migration:
    made = Migration("0002_test", "routing")
    made.operations = list(done)  # type: ignore[misc]  # as Django's own loader sees it
    return made


INDEX = models.Index(fields=["name"], name="thing_name")


@pytest.mark.parametrize(
    ("operation", "dangers"),
    [
        (operations.RemoveField("thing", "size"), [GONE]),
        (operations.DeleteModel("Thing"), [GONE]),
        (operations.RenameField("thing", "size", "length"), [RENAMED]),
        (operations.RenameModel("Thing", "Object"), [RENAMED]),
        (operations.AlterModelTable("thing", "things"), [RENAMED]),
        (operations.AddField("thing", "age", models.IntegerField(default=1)), [ADD_LATER]),
        (operations.AddField("thing", "age", models.IntegerField(db_default=1)), []),
        (operations.AddField("thing", "age", models.IntegerField(null=True)), []),
        (
            operations.AddField("thing", "age", models.IntegerField(null=True, db_index=True)),
            [BLOCKING_INDEX],
        ),
        (
            operations.AlterField("thing", "size", models.IntegerField(default=0)),
            [f"{ADD_LATER}; {SCANS}"],
        ),
        (
            operations.AlterField("thing", "size", models.BigIntegerField(null=True)),
            [f"the table is written anew under a lock, or texts are refused: {RENAMED}"],
        ),
        (
            operations.AlterField("thing", "name", models.CharField(max_length=20)),
            [f"the table is written anew under a lock, or texts are refused: {RENAMED}"],
        ),
        (operations.AlterField("thing", "name", models.CharField(max_length=90)), []),
        (
            operations.AlterField("thing", "name", models.CharField(max_length=50, choices=[])),
            [],
        ),
        (operations.AddIndex("thing", INDEX), [BLOCKING_INDEX]),
        (AddIndexConcurrently("thing", INDEX), [HALF_BUILT]),
        (BuildIndexConcurrently("thing", INDEX), []),
        (
            operations.AddConstraint(
                "thing", models.UniqueConstraint(fields=["name"], name="thing_once")
            ),
            [BLOCKING_INDEX],
        ),
        (
            operations.AddConstraint(
                "thing", models.CheckConstraint(condition=models.Q(size__gt=0), name="thing_size")
            ),
            [SCANS],
        ),
        (operations.RunSQL("SELECT 1", ""), [BY_HAND]),
        (
            operations.SeparateDatabaseAndState(
                [operations.RunSQL("SELECT 1", "")], [operations.DeleteModel("Thing")]
            ),
            [BY_HAND],
        ),
        (operations.RunPython(operations.RunPython.noop), [BY_HAND]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Operation) else "",
)
def test_danger_is_named(operation: Operation, dangers: list[str]) -> None:
    found = find_dangers(migration_of(operation), state_of_things())
    assert [why for _what, why in found] == dangers


def test_table_that_is_made_there_may_be_changed_there() -> None:
    migration = migration_of(
        operations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
        operations.AddField("other", "name", models.CharField(max_length=50, default="")),
        operations.AddIndex("other", models.Index(fields=["name"], name="other_name")),
    )
    assert list(find_dangers(migration, state_of_things())) == []
