"""Drop an index that another begins with, by name: Django would check the whole table anew."""

from django.db import migrations, models

INDEX = "reviewqueue_verdict_stream_id_5358b828"


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0018_verdict_of_stream")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"DROP INDEX IF EXISTS {INDEX}",
                    f"CREATE INDEX IF NOT EXISTS {INDEX} ON reviewqueue_verdict (stream_id)",
                )
            ],
            state_operations=[
                migrations.AlterField(
                    "verdict",
                    "stream",
                    models.ForeignKey(
                        "routing.stream", models.PROTECT, related_name="+", db_index=False
                    ),
                )
            ],
        ),
    ]
