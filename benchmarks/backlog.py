"""A backlog of any size: one really posted item, cloned in the database with its seat."""

import time
from secrets import token_hex
from uuid import UUID

from django.db import connection, models

from benchmarks.cast import make_bodies
from reviewqueue.intake import take_in
from reviewqueue.models import ReviewTask
from routing.items import Post
from routing.models import Decision, Item, Stream

_CLUELESS = {"category_000": 0.56, "category_001": 0.24, "category_002": 0.20}
_CHUNK = 100_000


def fill_queue(stream: Stream, count: int) -> None:
    """Leave `count` open tasks in the hold queue of an empty stream, due one after another."""
    body = next(make_bodies("template", 1, seed=1))
    post = Post(str(body["external_id"]), body["payload"], _CLUELESS, model_version="v1")  # type: ignore[arg-type]
    take_in(stream=stream, posts=[post])
    task = ReviewTask.objects.get(stream=stream, queue=ReviewTask.Queue.HOLD)
    tag = token_hex(2)
    ids = {name: _id_of(f"{digit}{tag}") for digit, name in enumerate(("item", "decision", "task"))}
    for first in range(1, count, _CHUNK):
        span = (first, min(first + _CHUNK, count) - 1)
        _clone(Item, task.item_id, span, {"id": ids["item"], "external_id": "'case ' || n"})
        _clone(Decision, task.decision_id, span, {"id": ids["decision"], "item_id": ids["item"]})
        _clone(
            ReviewTask,
            task.id,
            span,
            {
                "id": ids["task"],
                "item_id": ids["item"],
                "decision_id": ids["decision"],
                "due_at": "due_at + n * interval '1 second'",
            },
        )


def settle_tables() -> None:
    """Leave the tables as autovacuum and the checkpointer would after a while.

    Else both run while it is measured, and each page that is read waits until another that the
    filling left changed in memory has been written.
    """
    with connection.cursor() as cursor:
        for model in (Item, Decision, ReviewTask):
            cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")
        cursor.execute("CHECKPOINT")


def _id_of(tag: str) -> str:
    """SQL of the n-th uuid7 of a kind: the time rises with n; `tag` is five hexadecimal digits."""
    began = int(time.time() * 1000) - 10_000_000
    return (
        f"(lpad(to_hex({began}::bigint + n), 12, '0') || '70008' || '{tag}' "
        "|| lpad(to_hex(n), 10, '0'))::uuid"
    )


def _clone(
    model: type[models.Model], template: UUID, span: tuple[int, int], changed: dict[str, str]
) -> None:
    columns = [str(field.column) for field in model._meta.concrete_fields]
    values = [changed.get(column, column) for column in columns]
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
            f"FROM {table}, generate_series(%s::bigint, %s::bigint) AS n WHERE id = %s",
            [*span, template],
        )
