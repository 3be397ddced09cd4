"""What a stream's log is read by, built beside those who write events."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("routing", "0016_guard_history")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(fields=["stream", "id"], name="event_of_stream"),
        ),
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                condition=models.Q(
                    ("kind__startswith", "verdict."),
                    ("kind__startswith", "task."),
                    _connector="OR",
                    _negated=True,
                ),
                fields=["stream", "id"],
                name="event_but_work",
            ),
        ),
    ]
