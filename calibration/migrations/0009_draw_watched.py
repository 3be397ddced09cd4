"""An index for how the evidence of a drift watch went."""

from django.db import migrations, models

from routing.indexes import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("calibration", "0008_day_count")]

    operations = [
        BuildIndexConcurrently(
            model_name="auditdraw",
            index=models.Index(
                condition=models.Q(("watched_at__isnull", False)),
                fields=["stream", "watched_at"],
                name="draw_watched",
            ),
        ),
    ]
