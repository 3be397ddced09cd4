"""An index that holds a stream's work by day."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("reviewqueue", "0017_health_sheet")]

    operations = [
        AddIndexConcurrently(
            model_name="verdict",
            index=models.Index(
                fields=["stream", "answered_at"],
                include=("kind", "batch", "active_ms"),
                name="verdict_of_stream",
            ),
        ),
    ]
