"""An index built on a table in use, at the second try too, and however long others take."""

from collections.abc import Iterator
from threading import Timer

import psycopg
import pytest
from django.db import IntegrityError, NotSupportedError, connection, models
from django.db.migrations.state import ModelState, ProjectState

from routing.indexes import BuildIndexConcurrently

INDEX = models.Index(fields=["name"], name="thing_name")


@pytest.fixture
def thing(transactional_db: None) -> Iterator[None]:
    """A table of two rows that are the same."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE routing_thing (id bigint PRIMARY KEY, name text)")
        cursor.execute("INSERT INTO routing_thing VALUES (1, 'a'), (2, 'a')")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE routing_thing")


def states() -> tuple[ProjectState, ProjectState]:
    before = ProjectState()
    fields: list[tuple[str, models.Field[object, object]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.TextField()),
    ]
    before.add_model(ModelState("routing", "Thing", fields))
    after = before.clone()
    BuildIndexConcurrently("thing", INDEX).state_forwards("routing", after)
    return before, after


def build(*, atomic: bool = False) -> None:
    before, after = states()
    operation = BuildIndexConcurrently("thing", INDEX)
    with connection.schema_editor(atomic=atomic) as editor:
        operation.database_forwards("routing", editor, before, after)


def read_index() -> tuple[bool, bool] | None:
    """Whether it is valid and whether it is unique; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid, indisunique FROM pg_index"
            " WHERE indexrelid = to_regclass('thing_name')"
        )
        found: tuple[bool, bool] | None = cursor.fetchone()
        return found


def fail_a_build() -> None:
    with connection.cursor() as cursor, pytest.raises(IntegrityError):
        cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY thing_name ON routing_thing (name)")


@pytest.fixture
def patience() -> Iterator[None]:
    """What the service that migrates sets, though shorter."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '150ms'")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


def test_invalid_index_of_the_name_makes_way(thing: None) -> None:
    fail_a_build()
    assert read_index() == (False, True)
    build()
    assert read_index() == (True, False)


def test_build_waits_for_others_and_gives_the_patience_back(thing: None, patience: None) -> None:
    wanted = connection.get_connection_params()
    with psycopg.connect(**wanted) as other:
        other.execute("UPDATE routing_thing SET name = 'b' WHERE id = 1")
        ending = Timer(0.5, other.commit)
        ending.start()
        build()
        ending.join()
    assert read_index() == (True, False)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("150ms",)


def test_patience_comes_back_after_a_build_that_failed(thing: None, patience: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE routing_thing RENAME COLUMN name TO title")
    with pytest.raises(Exception, match='column "name" does not exist'):
        build()
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("150ms",)


def test_nothing_is_built_in_a_transaction(thing: None) -> None:
    with pytest.raises(NotSupportedError, match="set atomic = False on the migration"):
        build(atomic=True)
    assert read_index() is None


def test_index_is_taken_back(thing: None) -> None:
    before, after = states()
    build()
    with connection.schema_editor(atomic=False) as editor:
        BuildIndexConcurrently("thing", INDEX).database_backwards("routing", editor, after, before)
    assert read_index() is None


def test_sql_of_a_build_can_be_read_beforehand(thing: None) -> None:
    before, after = states()
    operation = BuildIndexConcurrently("thing", INDEX)
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        operation.database_forwards("routing", editor, before, after)
    assert editor.collected_sql == [
        "SET lock_timeout = 0;",
        'DROP INDEX CONCURRENTLY IF EXISTS "thing_name";',
        'CREATE INDEX CONCURRENTLY "thing_name" ON "routing_thing" ("name");',
        "SELECT set_config('lock_timeout', '0', false);",
    ]
    assert read_index() is None
