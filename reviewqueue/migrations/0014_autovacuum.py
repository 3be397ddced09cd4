"""Vacuum large tables often and a little (see `routing.0011_autovacuum`).

A delivery is written at each of its tries, so that its pages keep room for that.
"""

from django.db import migrations

_SETTINGS = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
}


def _alter(table: str, settings: dict[str, str]) -> migrations.RunSQL:
    told = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return migrations.RunSQL(
        f"ALTER TABLE {table} SET ({told})",
        f"ALTER TABLE {table} RESET ({', '.join(settings)})",
    )


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0013_budget_sheet")]

    operations = [
        _alter("reviewqueue_verdict", _SETTINGS),
        _alter("reviewqueue_delivery", _SETTINGS | {"fillfactor": "80"}),
    ]
