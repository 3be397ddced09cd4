"""How migrations build an index on a table that is in use.

It stands on the lowest floor, since the migrations of all three apps build theirs with it.
"""

from django.apps.registry import Apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class BuildIndexConcurrently(AddIndexConcurrently):
    """Django's operation, for as long as it takes and as often as it is tried.

    A concurrent build waits for the transactions that were there before it and holds up nobody
    meanwhile, so the patience that `lock_timeout` sets for other statements would only make it
    fail. A build that failed all the same has left an invalid index of that name, which makes way.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self._ensure_not_in_transaction(schema_editor)
        apps: Apps = to_state.apps
        model = apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout')")
            (patience,) = cursor.fetchone()
        schema_editor.execute("SET lock_timeout = 0")
        try:
            name = schema_editor.quote_name(self.index.name)
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        finally:
            schema_editor.execute("SELECT set_config('lock_timeout', %s, false)", [patience])
