"""History is never changed: every table of it refuses it by raw SQL, whoever asks."""

from typing import Final

import pytest
from django.apps import apps
from django.db import Error, connection, transaction

from tests.access.scene import Scene, make_scene

# Tables whose rows nobody changes at all.
FIXED: Final = (
    "calibration_calibrationrun",
    "calibration_driftalarm",
    "reviewqueue_retryrequest",
    "reviewqueue_verdict",
    "routing_decision",
    "routing_event",
    "routing_modelalarm",
)
# Tables whose rows stay, with the columns that may still change.
KEPT: Final = {
    "calibration_auditdraw": {"opened_at", "watched_at"},
    "calibration_framecount": {"count", "raw_sum"},
    "calibration_groundtruth": {"superseded_at"},
    "reviewqueue_knownanswer": {"created_by_id", "reason", "retired_at"},
    "routing_announcement": {"due_at", "position", "sequence", "withdrawn_at"},
}
NEVER_EMPTIED: Final = (
    *FIXED,
    *KEPT,
    "calibration_daycount",
    "calibration_framedelta",
    "calibration_jobrun",
    "reviewqueue_reviewtask",
    "routing_categoryrule",
    "routing_item",
    "routing_keywordrule",
    "routing_policy",
)
# What is current, and may be changed and emptied: settings, people, work at hand, what is derived.
OPEN: Final = (
    "calibration_driftwatch",
    "calibration_runrequest",
    "reviewqueue_apikey",
    "reviewqueue_apikey_streams",
    "reviewqueue_delivery",
    "reviewqueue_insightsheet",
    "reviewqueue_membership",
    "reviewqueue_remoteask",
    "reviewqueue_taskskip",
    "reviewqueue_webhook",
    "routing_category",
    "routing_remotemodel",
    "routing_stream",
)


@pytest.fixture
def scene(db: None) -> Scene:
    return make_scene()


def is_refused(sql: str) -> bool:
    """Whether the database refuses the statement by a guard of ours."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(sql)
            transaction.set_rollback(True)
    except Error as error:
        return "pgtrigger" in str(error)
    return False


def columns_of(table: str) -> list[str]:
    with connection.cursor() as cursor:
        return [each.name for each in connection.introspection.get_table_description(cursor, table)]


def test_every_table_is_said_to_be_history_or_not() -> None:
    ours = {
        model._meta.db_table
        for label in ("routing", "calibration", "reviewqueue")
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    }
    assert ours == {*NEVER_EMPTIED, *OPEN}


def test_rows_of_history_cannot_be_changed_or_deleted(scene: Scene) -> None:
    statements = [
        statement
        for table in FIXED
        if table not in ("reviewqueue_retryrequest", "routing_modelalarm")
        for statement in (
            f"DELETE FROM {table}",
            *(f'UPDATE {table} SET "{name}" = "{name}"' for name in columns_of(table)),
        )
    ]
    assert [each for each in statements if not is_refused(each)] == []


def test_rows_that_are_kept_change_only_where_they_must(scene: Scene) -> None:
    for table, may_change in KEPT.items():
        changed = {name for name in columns_of(table) if not is_refused(_change(table, name))}
        assert changed - {"id"} == may_change, table
        assert is_refused(f"DELETE FROM {table}"), table


def _change(table: str, name: str) -> str:
    """A statement that would change the column, whatever its type."""
    others = {
        "jsonb": "'[1]'",
        "ARRAY": "'{other}'",
        "uuid": "gen_random_uuid()",
        "boolean": f'NOT coalesce("{name}", false)',
        "timestamp with time zone": "now() + interval '1 day'",
        "date": "current_date + 400",
        "character varying": "'other'",
        "text": "'other'",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT data_type FROM information_schema.columns"
            " WHERE table_name = %s AND column_name = %s",
            [table, name],
        )
        (kind,) = cursor.fetchone()
    return f'UPDATE {table} SET "{name}" = {others.get(kind, 7)}'


@pytest.mark.parametrize("table", NEVER_EMPTIED)
def test_history_cannot_be_emptied(db: None, table: str) -> None:
    assert is_refused(f"TRUNCATE {table}") or is_refused(f"TRUNCATE {table} CASCADE")
    assert is_refused(f"TRUNCATE {table} CASCADE")


def test_label_is_superseded_once(scene: Scene) -> None:
    label = "SELECT id FROM calibration_groundtruth ORDER BY id LIMIT 1"
    supersede = f"UPDATE calibration_groundtruth SET superseded_at = %s WHERE id = ({label})"
    with connection.cursor() as cursor:
        cursor.execute(supersede % "now()")
    assert is_refused(supersede % "NULL")


def test_what_was_told_keeps_its_place(scene: Scene) -> None:
    first = "SELECT id FROM routing_announcement ORDER BY id LIMIT 1"
    place = f"UPDATE routing_announcement SET position = %s WHERE id = ({first})"
    with connection.cursor() as cursor:
        cursor.execute(place % 1)
    assert is_refused(place % 2)


def test_published_policy_stays_with_its_rules(scene: Scene) -> None:
    published = "SELECT id FROM routing_policy WHERE version IS NOT NULL"
    assert is_refused("UPDATE routing_policy SET auto = 1 WHERE version IS NOT NULL")
    assert is_refused("DELETE FROM routing_policy WHERE version IS NOT NULL")
    assert is_refused(f"UPDATE routing_categoryrule SET auto = 1 WHERE policy_id IN ({published})")
    assert is_refused(f"DELETE FROM routing_categoryrule WHERE policy_id IN ({published})")
