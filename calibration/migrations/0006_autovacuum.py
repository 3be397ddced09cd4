"""Vacuum large tables often and a little (see `routing.0011_autovacuum`).

Notes are deleted as soon as they are counted, every minute: what they leave is cleared at once.
"""

from django.db import migrations

_SETTINGS = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
}
_NOTES = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "1000",
    "autovacuum_vacuum_cost_delay": "0",
}


def _alter(table: str, settings: dict[str, str]) -> migrations.RunSQL:
    told = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return migrations.RunSQL(
        f"ALTER TABLE {table} SET ({told})",
        f"ALTER TABLE {table} RESET ({', '.join(settings)})",
    )


class Migration(migrations.Migration):
    dependencies = [("calibration", "0005_adjudicated_source")]

    operations = [
        _alter("calibration_auditdraw", _SETTINGS),
        _alter("calibration_groundtruth", _SETTINGS),
        _alter("calibration_framecount", _SETTINGS),
        _alter("calibration_framedelta", _NOTES),
    ]
