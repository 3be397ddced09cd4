"""What in a migration hurts code that still serves, or keeps everybody waiting.

While a version is rolled out, the migrations of the new one have run and processes of the old one
still read and write. So nothing that they use may go, nothing that they leave out may be demanded,
and nothing may hold a table that they need for longer than a moment.
"""

from collections.abc import Iterator

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
from django.db import connection, models
from django.db.migrations import operations
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.fields import NOT_PROVIDED

from routing.indexes import BuildIndexConcurrently

ADD_LATER = "old code inserts rows without it: give it null=True or a db_default"
GONE = "old code still uses it: stop using it in one release, drop it in the next"
RENAMED = "old code knows the old name: add the new one, fill it, drop the old one releases later"
BLOCKING_INDEX = "it blocks writes while built: use BuildIndexConcurrently in a migration alone"
HALF_BUILT = "a build that fails leaves half an index in its own way: use BuildIndexConcurrently"
SCANS = "it reads the whole table under a lock: use AddConstraintNotValid, then ValidateConstraint"
BY_HAND = "nobody but a reader can tell what it does: say why it is safe"

SAFE_KINDS = (BuildIndexConcurrently, RemoveIndexConcurrently, AddConstraintNotValid)


def find_dangers(migration: Migration, state: ProjectState) -> Iterator[tuple[str, str]]:
    """Each dangerous operation by what it is and why; `state` is that before the migration.

    Tables that the migration makes are nobody's yet, so everything may be done to them.
    """
    own: set[str] = set()
    for operation in migration.operations:
        for said in _judge(operation, migration.app_label, state, own):
            yield operation.describe(), said
        if isinstance(operation, operations.CreateModel):
            own.add(operation.name.lower())
        state = state.clone()
        operation.state_forwards(migration.app_label, state)


def _judge(
    operation: Operation, app_label: str, state: ProjectState, own: set[str]
) -> Iterator[str]:
    table = str(getattr(operation, "model_name", None) or getattr(operation, "name", "")).lower()
    if isinstance(operation, SAFE_KINDS) or table in own:
        return
    if isinstance(operation, operations.RemoveField | operations.DeleteModel):
        yield GONE
    elif isinstance(
        operation, operations.RenameField | operations.RenameModel | operations.AlterModelTable
    ):
        yield RENAMED
    elif isinstance(operation, operations.AddField):
        yield from _judge_new_field(operation.field)
    elif isinstance(operation, operations.AlterField):
        before = state.models[app_label, table].fields[operation.name]
        yield from _judge_change(before, operation.field)
    elif isinstance(operation, AddIndexConcurrently):
        yield HALF_BUILT
    elif isinstance(operation, operations.AddIndex | operations.AlterUniqueTogether):
        yield BLOCKING_INDEX
    elif isinstance(operation, operations.AddConstraint):
        is_unique = isinstance(operation.constraint, models.UniqueConstraint)
        yield BLOCKING_INDEX if is_unique else SCANS
    elif isinstance(operation, operations.RunSQL | operations.RunPython):
        yield BY_HAND
    elif isinstance(operation, operations.SeparateDatabaseAndState):
        # What it does to the state alone, no table feels.
        for done in operation.database_operations:
            yield from _judge(done, app_label, state, own)


def _judge_new_field(field: models.Field[object, object]) -> Iterator[str]:
    if field.many_to_many:
        return
    if not field.null and field.db_default is NOT_PROVIDED:
        yield ADD_LATER
    if _is_indexed(field):
        yield BLOCKING_INDEX


def _judge_change(
    before: models.Field[object, object], after: models.Field[object, object]
) -> Iterator[str]:
    if before.null and not after.null:
        yield f"{ADD_LATER}; {SCANS}"
    if _is_rewritten(before, after):
        yield f"the table is written anew under a lock, or texts are refused: {RENAMED}"
    if _is_indexed(after) and not _is_indexed(before):
        yield BLOCKING_INDEX


def _is_indexed(field: models.Field[object, object]) -> bool:
    return bool(field.unique or getattr(field, "db_index", False))


def _is_rewritten(
    before: models.Field[object, object], after: models.Field[object, object]
) -> bool:
    """Whether the type changes, other than to a longer text."""
    if isinstance(before, models.CharField) and isinstance(after, models.CharField):
        return bool(after.max_length and (before.max_length or 0) > after.max_length)
    if isinstance(before, models.ForeignKey) and isinstance(after, models.ForeignKey):
        return before.remote_field.model != after.remote_field.model
    return before.db_type(connection) != after.db_type(connection)
