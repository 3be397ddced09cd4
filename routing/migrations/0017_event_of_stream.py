"""What a stream's log is read by, built beside those who write events."""

from django.db import migrations, models

from routing.indexes import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("routing", "0016_guard_history")]

    operations = [
        BuildIndexConcurrently(
            model_name="event",
            index=models.Index(fields=["stream", "id"], name="event_of_stream"),
        ),
    ]
