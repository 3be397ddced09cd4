"""Decisions made before second opinions acted on what their own scores predicted."""

from django.db import migrations

# Decisions are append-only, so their guard steps aside for this one statement.
FILL = """
    ALTER TABLE routing_decision DISABLE TRIGGER USER;
    UPDATE routing_decision SET category = predicted WHERE action IN ('act', 'act_and_review');
    ALTER TABLE routing_decision ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):
    dependencies = [("routing", "0002_fallback")]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop)]
