"""A claim rewrites its row; without early vacuums the claim's index fills with dead entries."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE reviewqueue_reviewtask SET (autovacuum_vacuum_scale_factor = 0.01, "
            "autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.02, "
            "autovacuum_vacuum_cost_delay = 0, fillfactor = 80)",
            "ALTER TABLE reviewqueue_reviewtask RESET (autovacuum_vacuum_scale_factor, "
            "autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor, "
            "autovacuum_vacuum_cost_delay, fillfactor)",
        ),
    ]
