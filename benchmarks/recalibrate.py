"""A full recalibration at a million labels and 77 categories: seconds, and the memory of it.

The labels are made in the database by a few statements, with the frame counts of everything that
was routed to get them. A process of its own recalibrates, so that the peak is its own.
"""

import time
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from benchmarks.apart import measure_apart
from benchmarks.stage import Stage
from benchmarks.tree import peak_mib
from calibration.frames import recount_days
from routing.models import Category, Policy, Stream
from routing.policies import publish_policy

LABELS = 1_000_000
CATEGORIES = 77
DAYS = 60

# Items are posted whole minutes apart over the window; the newest hold a score of every category,
# since these are what the forecast routes again. A tenth was bound by a rule.
_MAKE_CASES = """
    CREATE TEMP TABLE cases ON COMMIT DROP AS
    SELECT n, day, predicted, raw, queue, pi, random() < raw - 0.08 AS is_right,
        n %% 10 = 0 AS is_bound, n > %(count)s - %(whole)s AS is_whole,
        (lpad(to_hex(extract(epoch FROM day)::bigint * 1000 + n %% 86400000), 12, '0')
            || '7' || substr(md5('i' || n), 1, 3) || '8' || substr(md5('i' || n), 4, 15))::uuid
            AS item_id,
        (lpad(to_hex(extract(epoch FROM day)::bigint * 1000 + n %% 86400000), 12, '0')
            || '7' || substr(md5('d' || n), 1, 3) || '8' || substr(md5('d' || n), 4, 15))::uuid
            AS decision_id
    FROM (
        SELECT n, raw, (%(keys)s::text[])[1 + n %% cardinality(%(keys)s::text[])] AS predicted,
            %(end)s::timestamptz - (%(count)s - n) * (interval '1 day' * %(days)s / %(count)s)
                AS day,
            CASE WHEN raw >= 0.9 THEN 'auto' WHEN raw >= 0.7 THEN 'flagged'
                WHEN raw >= 0.5 THEN 'hold' ELSE 'reject' END AS queue,
            CASE WHEN raw >= 0.9 THEN 0.05 WHEN raw >= 0.7 THEN 0.1
                WHEN raw >= 0.5 THEN 1.0 ELSE 0.05 END AS pi
        FROM (
            SELECT n, round((0.3 + 0.699 * sqrt(random()))::numeric, 6)::float8 AS raw
            FROM generate_series(1, %(count)s) AS n
        ) AS drawn
    ) AS routed
"""
_MAKE_ITEMS = """
    INSERT INTO routing_item (id, stream_id, external_id, payload, scores, signals, secondary,
        metadata, model_version, priority, fingerprint, state, received_at, settled_at)
    SELECT item_id, %(stream)s, 'case ' || n, '{"body": "Locked out."}', scores, '{}', '{}',
        '{}', 'v1', 0, '\\x00', 'settled', day, day
    FROM cases CROSS JOIN LATERAL (
        SELECT CASE WHEN NOT is_whole THEN jsonb_build_object(predicted, raw) ELSE (
            SELECT jsonb_object_agg(key, CASE WHEN key = predicted THEN raw
                ELSE round(((1 - raw) / (%(categories)s - 1))::numeric, 9)::float8 END)
            FROM unnest(%(keys)s::text[]) AS key
        ) END AS scores
    ) AS made
"""
_MAKE_DECISIONS = """
    INSERT INTO routing_decision (id, stream_id, item_id, policy_id, queue, action, predicted,
        category, source, raw_confidence, confidence, margin, entropy, alternatives, watch,
        reasons, matched_rules, at_capacity, label_pi, decided_at)
    SELECT decision_id, %(stream)s, item_id, %(policy)s, queue,
        CASE queue WHEN 'auto' THEN 'act' WHEN 'flagged' THEN 'act_and_review'
            WHEN 'hold' THEN 'wait' ELSE 'refuse' END,
        predicted, predicted, '', raw, raw, 0.5, 0.3, '[]', '{}',
        jsonb_build_array(jsonb_build_object('code', CASE WHEN is_bound THEN 'margin'
            ELSE 'confidence' END, 'message', 'confidence', 'numbers', jsonb_build_object(
            'confidence', raw))),
        '{}', false, pi, day
    FROM cases
"""
_MAKE_LABELS = """
    INSERT INTO calibration_groundtruth (id, stream_id, item_id, decision_id, kind, categories,
        pi, blind, source, settled_at)
    SELECT gen_random_uuid(), %(stream)s, item_id, decision_id, 'category',
        ARRAY[CASE WHEN is_right THEN predicted
            ELSE (%(keys)s::text[])[1 + (n + 1) %% cardinality(%(keys)s::text[])] END],
        pi, true, 'audit', day
    FROM cases
"""
_COUNT_FRAME = """
    INSERT INTO calibration_framecount (id, stream_id, day, policy_id, model_version, category,
        bin, queue, pi, count, raw_sum)
    SELECT gen_random_uuid(), %(stream)s, day::date, %(policy)s, 'v1', predicted,
        round(ln(raw / (1 - raw)) / 0.02)::smallint, queue, pi,
        round(count(*) / pi)::int, round(count(*) / pi) * avg(raw)
    FROM cases GROUP BY day::date, predicted, round(ln(raw / (1 - raw)) / 0.02)::smallint, queue, pi
"""
_TABLES = (
    "routing_item",
    "routing_decision",
    "calibration_groundtruth",
    "calibration_framecount",
    "calibration_daycount",
)


def run(stage: Stage, *, labels: int = LABELS) -> dict[str, float]:
    """The figures by name: recalibrate_s and recalibrate_mib, the latter of the whole process."""
    del stage  # it has set up Django and the database
    return measure_apart(recalibrate_here, make_labelled_stream("labelled", labels=labels).key)


def make_labelled_stream(key: str, *, labels: int, categories: int = CATEGORIES) -> Stream:
    """A stream under the default bands with so many labels over the last days."""
    keys = [f"category_{position:03}" for position in range(categories)]
    stream = Stream.objects.create(key=key, name=key.title())
    Category.objects.bulk_create(
        Category(stream=stream, key=name, label=name, position=position)
        for position, name in enumerate(keys)
    )
    draft = Policy.objects.create(stream=stream, max_entropy=0.45)
    policy = publish_policy(policy_id=draft.id, reason="to be measured", published_by_id=None)
    given: dict[str, Any] = {
        "stream": stream.id,
        "policy": policy.id,
        "keys": keys,
        "categories": categories,
        "count": labels,
        "whole": 50_000,
        "days": DAYS,
        "end": datetime.now(UTC),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        for statement in (_MAKE_CASES, _MAKE_ITEMS, _MAKE_DECISIONS, _MAKE_LABELS, _COUNT_FRAME):
            cursor.execute(statement, given)
    recount_days(stream.id)
    with connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(f"VACUUM ANALYZE {table}")
    return stream


def recalibrate_here(key: str) -> dict[str, float]:
    """Recalibrate the stream in this process; its seconds and its peak of memory in MiB."""
    from reviewqueue.recalibrations import recalibrate_stream  # noqa: PLC0415 - after the set-up

    stream = Stream.objects.get(key=key)
    began = time.perf_counter()
    recalibrate_stream(stream=stream, at=datetime.now(UTC), reason="to be measured")
    seconds = time.perf_counter() - began
    return {
        "recalibrate_s": seconds,
        "recalibrate_mib": peak_mib(),
    }
