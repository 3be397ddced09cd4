"""Holds a ledger against the database: what was promised to a client must be stored, once.

Every check is one statement that returns what breaks it. `damage.prove_checker` shows that each of
them sees the damage that it is there for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import connection

from benchmarks.ledger import Ledger

EXAMPLES: Final = 5
LIVE: Final = """
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
    "an accepted undo of a table is lost": """
        SELECT told::text FROM unnest(%(undone_tables)s::uuid[]) AS told
        WHERE NOT EXISTS (SELECT 1 FROM reviewqueue_verdict WHERE batch = told)
            OR EXISTS (
                SELECT 1 FROM reviewqueue_verdict AS given
                WHERE given.batch = told AND NOT EXISTS (
                    SELECT 1 FROM reviewqueue_verdict
                    WHERE supersedes_id = given.id AND kind = 'withdrawn'))
    """,
    # Rows that were answered once more since are what the other checks look at.
    "a row of an undone table is not open once": f"""
        SELECT given.task_id::text FROM reviewqueue_verdict AS given
        JOIN routing_item AS item ON item.id = given.item_id
        WHERE given.batch = ANY (%(undone_tables)s::uuid[])
            AND NOT EXISTS (SELECT 1 FROM ({LIVE}) AS live WHERE live.task_id = given.task_id)
            AND (item.state = 'settled'
                 OR 1 <> (SELECT count(*) FROM reviewqueue_reviewtask AS task
                          WHERE task.item_id = item.id AND task.state IN ('open', 'claimed'))
                 OR EXISTS (SELECT 1 FROM calibration_groundtruth AS truth
                            WHERE truth.item_id = item.id AND truth.superseded_at IS NULL)
                 OR EXISTS (SELECT 1 FROM routing_announcement AS told
                            WHERE told.item_id = item.id AND told.withdrawn_at IS NULL))
    """,
    "a task has two live verdicts": f"""
        SELECT task_id::text FROM ({LIVE}) AS live GROUP BY task_id HAVING count(*) > 1
    """,
    "a task's state contradicts its verdicts": f"""
        SELECT task.id::text FROM reviewqueue_reviewtask AS task
        WHERE (task.state = 'answered') <> EXISTS (
            SELECT 1 FROM ({LIVE}) AS live WHERE live.task_id = task.id)
    """,
    "ground truth contradicts the live verdict": f"""
        SELECT truth.item_id::text FROM calibration_groundtruth AS truth
        LEFT JOIN ({LIVE}) AS live ON live.id = truth.verdict_id
        WHERE truth.superseded_at IS NULL AND truth.source <> 'import'
            AND (live.item_id IS DISTINCT FROM truth.item_id
                 OR live.categories IS DISTINCT FROM truth.categories)
    """,
    "an answered item has no ground truth": f"""
        SELECT DISTINCT live.item_id::text FROM ({LIVE}) AS live
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
        "undone_tables": list(ledger.undone_tables),
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
