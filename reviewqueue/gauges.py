"""How the service is, read from the database: the same whichever process is asked.

Each figure is an index lookup for each stream, or a count that ends at `MOST`, so that reading
them costs the same at ten thousand items and at ten million. Numbers of the statements are written
into them, since a plan that is good for any values would not know that the counts end early.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from redis import Redis
from redis.exceptions import RedisError

from reviewqueue.exposition import COUNTER, Metric, Sample
from reviewqueue.lines import OPEN_IN_BATCH, OPEN_SINGLY
from reviewqueue.models import ReviewTask
from reviewqueue.readiness import broker_client

MOST: Final = 10_000
# Counts that end early have to go along an index, row by row: another plan reads everything first.
# Compiling these statements takes longer than they do.
_WITH_CARE: Final = """
    SELECT set_config(name, value, true) FROM (VALUES ('statement_timeout', '5s'), ('jit', 'off'),
        ('enable_bitmapscan', 'off'), ('enable_seqscan', 'off')) careful (name, value)
"""
# Upstream chooses priorities freely; the oldest of so many different ones is looked for.
MOST_PRIORITIES: Final = 50
BATCH: Final = "flagged_batch"
TABLES: Final = (
    "routing_item",
    "routing_decision",
    "routing_announcement",
    "routing_event",
    "reviewqueue_reviewtask",
    "reviewqueue_verdict",
    "reviewqueue_delivery",
    "calibration_groundtruth",
)

_SINGLY: Final = f"task.stream_id = s.id AND task.queue = '{{queue}}' AND {OPEN_SINGLY}"
_IN_BATCH: Final = f"task.stream_id = s.id AND {OPEN_IN_BATCH}"

# Each step is the first row of the next lower priority.
_QUEUE: Final = """
    SELECT s.key, '{label}',
        (SELECT count(*) FROM (
            SELECT 1 FROM reviewqueue_reviewtask task WHERE {where} LIMIT {most}) counted),
        (WITH RECURSIVE step AS (
            (SELECT task.priority, task.due_at FROM reviewqueue_reviewtask task WHERE {where}
                ORDER BY task.priority DESC, task.due_at LIMIT 1)
            UNION ALL
            SELECT next.priority, next.due_at FROM step CROSS JOIN LATERAL (
                SELECT task.priority, task.due_at FROM reviewqueue_reviewtask task
                WHERE {where} AND task.priority < step.priority
                ORDER BY task.priority DESC, task.due_at LIMIT 1) next)
        SELECT extract(epoch FROM statement_timestamp() - min(due_at))
        FROM (SELECT due_at FROM step LIMIT {priorities}) oldest)
    FROM routing_stream s
"""

# What is due, by work: the condition and the time since when.
_OF_STREAM: Final = {
    "announcement": (
        "routing_announcement r",
        "r.stream_id = s.id AND r.position IS NULL AND r.withdrawn_at IS NULL"
        " AND r.due_at <= statement_timestamp()",
        "r.due_at",
    ),
    "recalibration": (
        "calibration_runrequest r",
        "r.stream_id = s.id AND r.state IN ('queued', 'running')",
        "r.requested_at",
    ),
    "insight_sheet": (
        "reviewqueue_insightsheet r",
        "r.stream_id = s.id AND r.version <> r.asked_version",
        "r.asked_at",
    ),
}
_OF_ALL: Final = {
    "lapsed_lease": (
        "reviewqueue_reviewtask r",
        "r.state = 'claimed' AND r.lease_expires_at <= statement_timestamp()",
        "r.lease_expires_at",
    ),
    "remote_ask": (
        "reviewqueue_remoteask r",
        "r.state = 'due' AND r.due_at <= statement_timestamp()",
        "r.due_at",
    ),
}
_OF_WEBHOOK: Final = """
    SELECT s.key, w.id::text, w.state, extract(epoch FROM statement_timestamp() - w.failing_since),
        (SELECT count(*) FROM (SELECT 1 FROM reviewqueue_delivery d
            WHERE d.webhook_id = w.id AND d.state = 'due' AND d.due_at <= statement_timestamp()
            LIMIT {most}) due),
        (SELECT extract(epoch FROM statement_timestamp() - d.due_at) FROM reviewqueue_delivery d
            WHERE d.webhook_id = w.id AND d.state = 'due' AND d.due_at <= statement_timestamp()
            ORDER BY d.due_at LIMIT 1)
    FROM reviewqueue_webhook w JOIN routing_stream s ON s.id = w.stream_id ORDER BY 1, 2
"""
# Each step is the next job's name; its last row is that of the last period.
_JOBS: Final = """
    SELECT s.key, job.name, extract(epoch FROM statement_timestamp() - last.done_at)
    FROM routing_stream s
    CROSS JOIN LATERAL (WITH RECURSIVE step AS (
        (SELECT j.job FROM calibration_jobrun j WHERE j.stream_id = s.id ORDER BY j.job LIMIT 1)
        UNION ALL
        SELECT next.job FROM step CROSS JOIN LATERAL (
            SELECT j.job FROM calibration_jobrun j
            WHERE j.stream_id = s.id AND j.job > step.job ORDER BY j.job LIMIT 1) next)
        SELECT step.job AS name FROM step) job
    CROSS JOIN LATERAL (
        SELECT j.done_at FROM calibration_jobrun j
        WHERE j.stream_id = s.id AND j.job = job.name ORDER BY j.period DESC LIMIT 1) last
    ORDER BY 1, 2
"""
_SHEETS: Final = """
    SELECT s.key, h.kind, extract(epoch FROM statement_timestamp() - h.made_at),
        (h.error <> '')::int
    FROM reviewqueue_insightsheet h JOIN routing_stream s ON s.id = h.stream_id ORDER BY 1, 2
"""
_TODAY: Final = """
    SELECT s.key, f.queue, sum(f.count)
    FROM routing_stream s JOIN calibration_framecount f
        ON f.stream_id = s.id AND f.day = (now() AT TIME ZONE s.time_zone)::date
    GROUP BY 1, 2 ORDER BY 1, 2
"""
_TABLES: Final = """
    SELECT relname, n_tup_ins, n_live_tup, n_dead_tup FROM pg_stat_user_tables
    WHERE relname IN ({tables}) AND schemaname = current_schema() ORDER BY 1
"""
_SERVER: Final = """
    SELECT (SELECT extract(epoch FROM statement_timestamp() - max(last_run_at))
            FROM django_celery_beat_periodictask),
        (SELECT numbackends FROM pg_stat_database WHERE datname = current_database()),
        current_setting('max_connections')::int,
        pg_database_size(current_database()),
        (SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid())
"""

Row = Sequence[object]


@transaction.atomic
def read_gauges() -> list[Metric]:
    """All figures, as they are now. Raises `OperationalError` after five seconds a statement."""
    with connection.cursor() as cursor:
        cursor.execute(_WITH_CARE)

        def ask(statement: str) -> list[Row]:
            cursor.execute(statement)
            return list(cursor.fetchall())

        return [
            *_read_queues(ask),
            *_read_due(ask),
            *_read_periodic(ask),
            *_read_tables(ask),
            *_read_server(ask),
            *_read_broker(),
        ]


Ask = Callable[[str], list[Row]]


def _read_queues(ask: Ask) -> Iterator[Metric]:
    places = [(queue, _SINGLY.format(queue=queue)) for queue in ReviewTask.Queue.values]
    rows = ask(
        " UNION ALL ".join(
            _QUEUE.format(label=label, where=where, most=MOST, priorities=MOST_PRIORITIES)
            for label, where in [*places, (BATCH, _IN_BATCH)]
        )
        + " ORDER BY 1, 2"
    )
    names = ("stream", "queue")
    yield Metric(
        "reviewqueue_open_tasks",
        f"Open seats of a queue; counted up to {MOST}.",
        [_sample(row, names, 2) for row in rows],
    )
    yield Metric(
        "reviewqueue_oldest_task_overdue_seconds",
        "How long the open seat that is due first has been due; below 0 while it is not.",
        [_sample(row, names, 3) for row in rows if row[3] is not None],
    )


def _read_due(ask: Ask) -> Iterator[Metric]:
    counts, ages = [], []
    for of, works in (("routing_stream s", _OF_STREAM), ("(SELECT '' AS key) s", _OF_ALL)):
        for work, (table, where, since) in works.items():
            for row in ask(
                f"SELECT s.key, '{work}',"  # noqa: S608 - constants of this module
                f" (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {where} LIMIT {MOST}) c),"
                f" (SELECT extract(epoch FROM statement_timestamp() - min({since}))"
                f" FROM {table} WHERE {where})"
                f" FROM {of} ORDER BY 1"
            ):
                counts.append(_sample(row, ("stream", "work"), 2))
                ages.append(_sample(row, ("stream", "work"), 3))
    hooks = ask(_OF_WEBHOOK.format(most=MOST))
    for key, hook, _state, _failing, count, age in hooks:
        labels = {"stream": str(key), "work": "delivery", "webhook": str(hook)}
        counts.append(Sample(_number(count), labels))
        ages.append(Sample(_number(age), labels))
    yield Metric(
        "reviewqueue_due_rows", f"Rows of pending work that are due; counted up to {MOST}.", counts
    )
    yield Metric(
        "reviewqueue_oldest_due_seconds", "How long the oldest of them has been due; 0: none.", ages
    )
    yield Metric(
        "reviewqueue_webhook_failing_seconds",
        "How long a webhook has received nothing that was sent; 0: it received the last.",
        [
            _sample((key, hook, state, failing), ("stream", "webhook", "state"), 3)
            for key, hook, state, failing, *_rest in hooks
        ],
    )


def _read_periodic(ask: Ask) -> Iterator[Metric]:
    yield Metric(
        "reviewqueue_job_age_seconds",
        "How long ago a periodic job was last done.",
        [_sample(row, ("stream", "job"), 2) for row in ask(_JOBS)],
    )
    sheets = ask(_SHEETS)
    yield Metric(
        "reviewqueue_sheet_age_seconds",
        "How long ago what an insight page shows was made.",
        [_sample(row, ("stream", "sheet"), 2) for row in sheets if row[2] is not None],
    )
    yield Metric(
        "reviewqueue_sheet_failed",
        "1 where making it failed.",
        [_sample(row, ("stream", "sheet"), 3) for row in sheets],
    )
    yield Metric(
        "reviewqueue_decisions_today",
        "Decisions of the stream's day by queue, as of the last fold (a minute ago).",
        [_sample(row, ("stream", "queue"), 2) for row in ask(_TODAY)],
    )


def _read_tables(ask: Ask) -> Iterator[Metric]:
    rows = ask(_TABLES.format(tables=", ".join(f"'{name}'" for name in TABLES)))
    yield Metric(
        "reviewqueue_rows_written_total",
        "Rows inserted since PostgreSQL began its statistics, those of failed transactions too.",
        [_sample(row, ("table",), 1) for row in rows],
        COUNTER,
    )
    yield Metric(
        "reviewqueue_rows",
        "Rows of a table, as PostgreSQL estimates.",
        [_sample(row, ("table",), 2) for row in rows],
    )
    yield Metric(
        "reviewqueue_dead_rows",
        "Rows that vacuum has yet to clear, as PostgreSQL estimates.",
        [_sample(row, ("table",), 3) for row in rows],
    )


def _read_server(ask: Ask) -> Iterator[Metric]:
    ((beat, connections, most, size, oldest),) = ask(_SERVER)
    if beat is not None:
        yield _single(
            "reviewqueue_beat_age_seconds",
            "How long ago beat last noted that it started a sweep; it notes every three minutes.",
            beat,
        )
    yield _single("reviewqueue_database_connections", "Connections to the database.", connections)
    yield _single("reviewqueue_database_connections_limit", "How many it takes.", most)
    yield _single("reviewqueue_database_bytes", "Size of the database.", size)
    yield _single(
        "reviewqueue_oldest_transaction_seconds",
        "Age of the oldest open transaction that we may see.",
        oldest,
    )


def _read_broker() -> Iterator[Metric]:
    waiting = None
    if settings.REDIS_URL:
        client: Redis = broker_client(settings.REDIS_URL)
        try:
            waiting = client.llen(current_app.conf.task_default_queue)
        except (RedisError, OSError):
            waiting = None
    yield _single(
        "reviewqueue_broker_up", "1 while the broker answers.", 0 if waiting is None else 1
    )
    if waiting is not None:
        yield _single("reviewqueue_broker_messages", "Messages that no worker took yet.", waiting)


def _single(name: str, words: str, value: object) -> Metric:
    return Metric(name, words, [Sample(_number(value), {})])


def _sample(row: Row, names: Sequence[str], place: int) -> Sample:
    labels = {name: str(said) for name, said in zip(names, row, strict=False)}
    return Sample(_number(row[place]), labels)


def _number(value: object) -> float:
    return 0.0 if value is None else float(str(value))
