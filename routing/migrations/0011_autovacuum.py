"""Vacuum large tables often and a little, not seldom and for hours.

By default a table is looked after once a fifth of it is new: of ten million rows every two million,
which are then read anew by everything that asks what is visible, and of which the planner knows
nothing. An item is written again when it is settled: pages keep room for that, so that no index
has to be told.
"""

from django.db import migrations

_SETTINGS = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
}


def _alter(table: str, **more: str) -> migrations.RunSQL:
    settings = _SETTINGS | more
    told = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return migrations.RunSQL(
        f"ALTER TABLE {table} SET ({told})",
        f"ALTER TABLE {table} RESET ({', '.join(settings)})",
    )


class Migration(migrations.Migration):
    dependencies = [("routing", "0010_grounded_drafts")]

    operations = [
        _alter("routing_item", fillfactor="90"),
        _alter("routing_decision"),
        _alter("routing_announcement"),
        _alter("routing_event"),
    ]
