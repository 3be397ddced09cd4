"""Drop indexes that others begin with: each costs every new row, and serves nothing.

By name: Django would lay the foreign keys on anew, and read whole tables to check them.
"""

from django.db import migrations, models


def _drop(
    model: str, field: str, index: str, to: str, name: str
) -> migrations.SeparateDatabaseAndState:
    table = f"routing_{model}"
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
        ("routing", "0011_autovacuum"),
    ]

    operations = [
        _drop("decision", "stream", "routing_decision_stream_id_14ec6b56", "routing.stream", "+"),
        _drop("decision", "item", "routing_decision_item_id_a7adc2d1", "routing.item", "decisions"),
        _drop("event", "stream", "routing_event_stream_id_a64f1f44", "routing.stream", "+"),
    ]
