"""Holds a ledger against the database: what was promised to a client must be stored, once.

Every check is one statement that returns what breaks it. `prove_checker` shows that each of them
sees the damage that it is there for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pgtrigger
from django.db import connection, transaction

from benchmarks.ledger import Ledger

EXAMPLES: Final = 5
_LIVE: Final = """
    SELECT * FROM reviewqueue_verdict AS verdict
    WHERE kind <> 'withdrawn' AND NOT EXISTS (
        SELECT 1 FROM reviewqueue_verdict AS later WHERE later.supersedes_id = verdict.id)
"""

# Each statement gets the ledger's lists as named arrays and returns one text column.
CHECKS: Final[Mapping[str, str]] = {
    "an acknowledged item is lost": """
        SELECT told FROM unnest(%(acknowledged)s::text[]) AS told
        WHERE NOT EXISTS (SELECT 1 FROM routing_item WHERE external_id = told)
    """,
    "an item is stored twice": """
        SELECT external_id FROM routing_item GROUP BY stream_id, external_id HAVING count(*) > 1
    """,
    "an item is stored that nobody posted": """
        SELECT external_id FROM routing_item
        WHERE external_id <> ALL (SELECT unnest(%(posted)s::text[]))
    """,
    "an item has not exactly one decision": """
        SELECT item.external_id FROM routing_item AS item
        LEFT JOIN routing_decision AS decision ON decision.item_id = item.id
        GROUP BY item.id HAVING count(decision.id) <> 1
    """,
    "an answered decision is not the stored one": """
        SELECT told.external_id
        FROM unnest(%(answered_ids)s::text[], %(answered_decisions)s::uuid[])
            AS told (external_id, decision_id)
        WHERE NOT EXISTS (
            SELECT 1 FROM routing_decision AS decision
            JOIN routing_item AS item ON item.id = decision.item_id
            WHERE decision.id = told.decision_id AND item.external_id = told.external_id)
    """,
    "a waiting item has no open seat": """
        SELECT item.external_id FROM routing_item AS item
        WHERE item.state = 'waiting' AND NOT EXISTS (
            SELECT 1 FROM reviewqueue_reviewtask AS task
            WHERE task.item_id = item.id AND task.state IN ('open', 'claimed'))
    """,
    "an accepted verdict is lost": """
        SELECT note FROM unnest(%(confirmed)s::text[]) AS note
        WHERE NOT EXISTS (SELECT 1 FROM reviewqueue_verdict WHERE comment = note)
    """,
    "a verdict is stored twice": """
        SELECT comment FROM reviewqueue_verdict WHERE comment <> ''
        GROUP BY comment HAVING count(*) > 1
    """,
    "a refused verdict is stored": """
        SELECT comment FROM reviewqueue_verdict WHERE comment = ANY (%(refused)s::text[])
    """,
    "an accepted undo is lost": """
        SELECT undone::text FROM unnest(%(undone)s::uuid[]) AS undone
        WHERE NOT EXISTS (SELECT 1 FROM reviewqueue_verdict
                          WHERE supersedes_id = undone AND kind = 'withdrawn')
    """,
    "a row of an accepted table is lost": """
        SELECT told::text FROM unnest(%(closed)s::uuid[]) AS told
        WHERE NOT EXISTS (SELECT 1 FROM reviewqueue_verdict
                          WHERE task_id = told AND batch IS NOT NULL)
    """,
    "a task has two live verdicts": f"""
        SELECT task_id::text FROM ({_LIVE}) AS live GROUP BY task_id HAVING count(*) > 1
    """,
    "a task's state contradicts its verdicts": f"""
        SELECT task.id::text FROM reviewqueue_reviewtask AS task
        WHERE (task.state = 'answered') <> EXISTS (
            SELECT 1 FROM ({_LIVE}) AS live WHERE live.task_id = task.id)
    """,
    "ground truth contradicts the live verdict": f"""
        SELECT truth.item_id::text FROM calibration_groundtruth AS truth
        LEFT JOIN ({_LIVE}) AS live ON live.id = truth.verdict_id
        WHERE truth.superseded_at IS NULL AND truth.source <> 'import'
            AND (live.item_id IS DISTINCT FROM truth.item_id
                 OR live.categories IS DISTINCT FROM truth.categories)
    """,
    "an answered item has no ground truth": f"""
        SELECT DISTINCT live.item_id::text FROM ({_LIVE}) AS live
        WHERE NOT EXISTS (
            SELECT 1 FROM calibration_groundtruth AS truth
            WHERE truth.item_id = live.item_id AND truth.superseded_at IS NULL)
        AND NOT EXISTS (
            SELECT 1 FROM reviewqueue_reviewtask AS task
            WHERE task.item_id = live.item_id AND task.state IN ('open', 'claimed'))
    """,
    "an item's state contradicts its ground truth": """
        SELECT item.external_id FROM routing_item AS item
        JOIN calibration_groundtruth AS truth ON truth.item_id = item.id
        WHERE truth.superseded_at IS NULL AND item.state <> 'settled'
    """,
    "a verdict has not exactly one event": """
        SELECT verdict.id::text FROM reviewqueue_verdict AS verdict
        LEFT JOIN routing_event AS event ON event.subject_id = verdict.item_id
            AND event.kind = CASE verdict.kind WHEN 'withdrawn' THEN 'verdict.undone'
                                               ELSE 'verdict.recorded' END
            AND event.data ->> 'verdict' = CASE verdict.kind
                WHEN 'withdrawn' THEN verdict.supersedes_id ELSE verdict.id END::text
        GROUP BY verdict.id HAVING count(event.id) <> 1
    """,
    "the frame counts are not the decisions": """
        SELECT coalesce(counted.key, decided.key) FROM (
            SELECT concat_ws('/', stream_id, policy_id, category, queue, pi) AS key,
                sum(count) AS decisions
            FROM (SELECT stream_id, policy_id, category, queue, pi, count
                  FROM calibration_framecount
                  UNION ALL SELECT stream_id, policy_id, category, queue, pi, count
                  FROM calibration_framedelta) AS noted GROUP BY 1) AS counted
        FULL JOIN (
            SELECT concat_ws('/', stream_id, policy_id, predicted, queue, label_pi) AS key,
                count(*) AS decisions
            FROM routing_decision GROUP BY 1) AS decided USING (key)
        WHERE counted.decisions IS DISTINCT FROM decided.decisions
    """,
}

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
    "an added second verdict": (
        "a task has two live verdicts",
        f"""
        DROP INDEX verdict_first_unique;
        CREATE TEMP TABLE twin ON COMMIT DROP AS {_LIVE} LIMIT 1;
        UPDATE twin SET id = gen_random_uuid(), supersedes_id = NULL;
        INSERT INTO reviewqueue_verdict SELECT * FROM twin
        """,
    ),
    "a verdict written again": (
        "a verdict is stored twice",
        f"""
        DROP INDEX verdict_first_unique;
        CREATE TEMP TABLE twin ON COMMIT DROP AS {_LIVE} AND comment <> '' LIMIT 1;
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


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: what, how often, and some of where."""

    check: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.examples)
        return f"{self.check}: {self.count} ({shown}{', …' if self.count > EXAMPLES else ''})"


def find_violations(ledger: Ledger, checks: Iterable[str] = tuple(CHECKS)) -> list[Violation]:
    """What is stored against what clients were told; empty when every promise was kept."""
    told = [(name, each) for name, ids in ledger.acknowledged.items() for each in ids]
    arguments = {
        "acknowledged": list(ledger.acknowledged),
        "posted": list(ledger.posted),
        "answered_ids": [name for name, _decision in told],
        "answered_decisions": [decision for _name, decision in told],
        "confirmed": list(ledger.confirmed),
        "refused": list(ledger.refused),
        "undone": list(ledger.undone),
        "closed": list(ledger.closed),
    }
    found = []
    with connection.cursor() as cursor:
        for name in checks:
            cursor.execute(CHECKS[name], arguments)
            broken = [str(row[0]) for row in cursor.fetchall()]
            if broken:
                found.append(Violation(name, len(broken), tuple(broken[:EXAMPLES])))
    if ledger.surprises:
        what, shown = "a client got an impossible answer", ledger.surprises[:EXAMPLES]
        found.append(Violation(what, len(ledger.surprises), tuple(shown)))
    return found


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
    told = ledger.acknowledged, ledger.confirmed, ledger.undone, ledger.refused, ledger.closed
    if not all(told):
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
