"""Damage done on purpose, each taken back: the fault run's checker has to see all of it."""

from collections.abc import Mapping
from typing import Final

import pgtrigger
from django.db import connection, transaction

from benchmarks.checker import LIVE, find_violations
from benchmarks.ledger import Ledger

# A row of a table that was taken back and not answered again.
_UNDONE_ROW: Final = """
    SELECT given.id FROM reviewqueue_verdict AS given
    JOIN reviewqueue_verdict AS last ON last.supersedes_id = given.id AND last.kind = 'withdrawn'
    WHERE given.batch IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM reviewqueue_verdict AS later WHERE later.supersedes_id = last.id)
    LIMIT 1
"""

# What is done to the database, and the check that has to see it.
DAMAGE: Final[Mapping[str, tuple[str, str]]] = {
    "a deleted item": (
        "an acknowledged item is lost",
        "DELETE FROM routing_item WHERE id = (SELECT id FROM routing_item LIMIT 1)",
    ),
    "an added duplicate of an item": (
        "an item is stored twice",
        """
        ALTER TABLE routing_item DROP CONSTRAINT item_external_id_unique;
        CREATE TEMP TABLE twin ON COMMIT DROP AS SELECT * FROM routing_item LIMIT 1;
        UPDATE twin SET id = gen_random_uuid();
        INSERT INTO routing_item SELECT * FROM twin
        """,
    ),
    "an item from nowhere": (
        "an item is stored that nobody posted",
        """
        CREATE TEMP TABLE twin ON COMMIT DROP AS SELECT * FROM routing_item LIMIT 1;
        UPDATE twin SET id = gen_random_uuid(), external_id = 'nobody posted this';
        INSERT INTO routing_item SELECT * FROM twin
        """,
    ),
    "a deleted decision": (
        "an item has not exactly one decision",
        "DELETE FROM routing_decision WHERE id = (SELECT id FROM routing_decision LIMIT 1)",
    ),
    "an added second decision": (
        "an item has not exactly one decision",
        """
        CREATE TEMP TABLE twin ON COMMIT DROP AS SELECT * FROM routing_decision LIMIT 1;
        UPDATE twin SET id = gen_random_uuid();
        INSERT INTO routing_decision SELECT * FROM twin
        """,
    ),
    "a decision replaced by another": (
        "an answered decision is not the stored one",
        """
        UPDATE routing_decision SET id = gen_random_uuid()
        WHERE id = (SELECT id FROM routing_decision LIMIT 1)
        """,
    ),
    "a dropped seat": (
        "a waiting item has no open seat",
        """
        DELETE FROM reviewqueue_reviewtask WHERE id = (
            SELECT task.id FROM reviewqueue_reviewtask AS task
            JOIN routing_item AS item ON item.id = task.item_id
            WHERE task.state = 'open' AND item.state = 'waiting' LIMIT 1)
        """,
    ),
    "a deleted verdict": (
        "an accepted verdict is lost",
        """
        DELETE FROM reviewqueue_verdict WHERE id = (
            SELECT id FROM reviewqueue_verdict WHERE comment <> '' LIMIT 1)
        """,
    ),
    "a deleted row of a table": (
        "a row of an accepted table is lost",
        """
        DELETE FROM reviewqueue_verdict WHERE id = (
            SELECT id FROM reviewqueue_verdict WHERE batch IS NOT NULL LIMIT 1)
        """,
    ),
    "a dropped withdrawal of a table": (
        "an accepted undo of a table is lost",
        f"DELETE FROM reviewqueue_verdict WHERE supersedes_id = ({_UNDONE_ROW})",
    ),
    "a table that was never stored": (
        "an accepted undo of a table is lost",
        "UPDATE reviewqueue_verdict SET batch = NULL WHERE batch IS NOT NULL",
    ),
    "a row of an undone table settled after all": (
        "a row of an undone table is not open once",
        f"""
        UPDATE routing_item SET state = 'settled', settled_at = now()
        WHERE id = (SELECT item_id FROM reviewqueue_verdict WHERE id = ({_UNDONE_ROW}))
        """,
    ),
    "an added second seat of an undone row": (
        "a row of an undone table is not open once",
        f"""
        CREATE TEMP TABLE twin ON COMMIT DROP AS SELECT * FROM reviewqueue_reviewtask
            WHERE id = (SELECT task_id FROM reviewqueue_verdict WHERE id = ({_UNDONE_ROW}));
        UPDATE twin SET id = gen_random_uuid(), seat = seat + 1, state = 'open', holder_id = NULL,
            claimed_at = NULL, lease_token = NULL, lease_expires_at = NULL;
        INSERT INTO reviewqueue_reviewtask SELECT * FROM twin
        """,
    ),
    "a label of an undone row that stands again": (
        "a row of an undone table is not open once",
        f"""
        UPDATE calibration_groundtruth SET superseded_at = NULL WHERE verdict_id = ({_UNDONE_ROW})
        """,
    ),
    "an undone row that is told after all": (
        "a row of an undone table is not open once",
        f"""
        UPDATE routing_announcement SET withdrawn_at = NULL
        WHERE item_id = (SELECT item_id FROM reviewqueue_verdict WHERE id = ({_UNDONE_ROW}))
        """,
    ),
    "an added second verdict": (
        "a task has two live verdicts",
        f"""
        DROP INDEX verdict_first_unique;
        CREATE TEMP TABLE twin ON COMMIT DROP AS {LIVE} LIMIT 1;
        UPDATE twin SET id = gen_random_uuid(), supersedes_id = NULL;
        INSERT INTO reviewqueue_verdict SELECT * FROM twin
        """,
    ),
    "a verdict written again": (
        "a verdict is stored twice",
        f"""
        DROP INDEX verdict_first_unique;
        CREATE TEMP TABLE twin ON COMMIT DROP AS {LIVE} AND comment <> '' LIMIT 1;
        UPDATE twin SET id = gen_random_uuid(), supersedes_id = NULL;
        INSERT INTO reviewqueue_verdict SELECT * FROM twin
        """,
    ),
    "a dropped withdrawal": (
        "an accepted undo is lost",
        "DELETE FROM reviewqueue_verdict WHERE kind = 'withdrawn'",
    ),
    "a task opened again": (
        "a task's state contradicts its verdicts",
        """
        UPDATE reviewqueue_reviewtask SET state = 'open', holder_id = NULL, claimed_at = NULL,
            lease_token = NULL, lease_expires_at = NULL, closed_at = NULL
        WHERE id = (SELECT id FROM reviewqueue_reviewtask WHERE state = 'answered' LIMIT 1)
        """,
    ),
    "a changed label": (
        "ground truth contradicts the live verdict",
        """
        UPDATE calibration_groundtruth SET kind = 'category', categories = '{another}'
        WHERE id = (SELECT id FROM calibration_groundtruth WHERE superseded_at IS NULL LIMIT 1)
        """,
    ),
    "a dropped label": (
        "an answered item has no ground truth",
        "DELETE FROM calibration_groundtruth",
    ),
    "a settled item that waits again": (
        "an item's state contradicts its ground truth",
        "UPDATE routing_item SET state = 'routed', settled_at = NULL WHERE state = 'settled'",
    ),
    "a dropped event": (
        "a verdict has not exactly one event",
        """
        DELETE FROM routing_event WHERE id = (
            SELECT id FROM routing_event WHERE kind = 'verdict.recorded' LIMIT 1)
        """,
    ),
    "a dropped count": (
        "the frame counts are not the decisions",
        "DELETE FROM calibration_framedelta; DELETE FROM calibration_framecount",
    ),
}


class BlindCheckerError(AssertionError):
    """The checker did not see damage that was done on purpose."""


class _RollBack(Exception):  # noqa: N818 - nothing went wrong
    pass


def prove_checker(ledger: Ledger) -> list[str]:
    """Damage the database in every way of `DAMAGE`, taking each back; returns what was seen.

    Raises:
        BlindCheckerError: the database was not clean to begin with, or a check saw nothing.
    """
    clean = find_violations(ledger)
    if clean:
        raise BlindCheckerError(f"Before any damage: {'; '.join(map(str, clean))}")
    verdicts = ledger.confirmed, ledger.refused, ledger.undone
    if not all((ledger.acknowledged, *verdicts, ledger.closed, ledger.undone_tables)):
        raise BlindCheckerError("The ledger is too empty to prove anything with it.")
    for damage in DAMAGE:
        _prove(ledger, damage)
    turned = Ledger(refused=ledger.confirmed)
    if not find_violations(turned, ["a refused verdict is stored"]):
        raise BlindCheckerError("'a refused verdict is stored' did not see an accepted one.")
    return [*DAMAGE, "an accepted verdict taken for a refused one"]


def _prove(ledger: Ledger, damage: str) -> None:
    check, statements = DAMAGE[damage]
    try:
        with transaction.atomic():
            with pgtrigger.ignore(), connection.cursor() as cursor:
                for statement in statements.split(";"):
                    cursor.execute(statement)
            seen = find_violations(ledger, [check])
            raise _RollBack
    except _RollBack:
        pass
    if not seen:
        raise BlindCheckerError(f"{check!r} did not see {damage}.")
