"""What a stream's log without the work on items is read by."""

from django.db import migrations, models

from routing.indexes import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("routing", "0017_event_of_stream")]

    operations = [
        BuildIndexConcurrently(
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
