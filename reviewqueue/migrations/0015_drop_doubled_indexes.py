"""Drop indexes that others begin with: each costs every new row, and serves nothing.

By name: Django would lay the foreign keys on anew, and read whole tables to check them.
"""

from django.conf import settings
from django.db import migrations, models


def _drop(
    model: str, field: str, index: str, to: str, name: str
) -> migrations.SeparateDatabaseAndState:
    table = f"reviewqueue_{model}"
    return migrations.SeparateDatabaseAndState(
        database_operations=[
            migrations.RunSQL(
                f"DROP INDEX IF EXISTS {index}",
                f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({field}_id)",
            )
        ],
        state_operations=[
            migrations.AlterField(
                model,
                field,
                models.ForeignKey(to, models.PROTECT, related_name=name, db_index=False),
            )
        ],
    )


class Migration(migrations.Migration):
    dependencies = [
        ("reviewqueue", "0014_autovacuum"),
        ("routing", "0012_drop_doubled_indexes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        _drop(
            "reviewtask",
            "stream",
            "reviewqueue_reviewtask_stream_id_d1cc9073",
            "routing.stream",
            "tasks",
        ),
        _drop(
            "verdict", "item", "reviewqueue_verdict_item_id_14d0c84c", "routing.item", "verdicts"
        ),
        _drop(
            "verdict",
            "reviewer",
            "reviewqueue_verdict_reviewer_id_68e251bf",
            settings.AUTH_USER_MODEL,
            "verdicts",
        ),
    ]
