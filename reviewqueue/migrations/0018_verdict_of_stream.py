"""An index that holds a stream's work by day."""

from django.db import migrations, models

from routing.indexes import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("reviewqueue", "0017_health_sheet")]

    operations = [
        BuildIndexConcurrently(
            model_name="verdict",
            index=models.Index(
                fields=["stream", "answered_at"],
                include=("kind", "batch", "active_ms"),
                name="verdict_of_stream",
            ),
        ),
    ]
