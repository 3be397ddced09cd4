"""Drop indexes that others begin with: each costs every new row, and serves nothing.

By name: Django would lay the foreign keys on anew, and read whole tables to check them.
"""

from django.db import migrations, models


def _drop(
    model: str, field: str, index: str, to: str, name: str
) -> migrations.SeparateDatabaseAndState:
    table = f"calibration_{model}"
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
        ("calibration", "0006_autovacuum"),
        ("routing", "0012_drop_doubled_indexes"),
    ]

    operations = [
        _drop(
            "auditdraw", "stream", "calibration_auditdraw_stream_id_b01d6922", "routing.stream", "+"
        ),
        _drop(
            "framecount",
            "stream",
            "calibration_framecount_stream_id_9c60c0fd",
            "routing.stream",
            "+",
        ),
        _drop(
            "framedelta",
            "stream",
            "calibration_framedelta_stream_id_d848e319",
            "routing.stream",
            "+",
        ),
    ]
