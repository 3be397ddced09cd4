"""A sheet for the health page, and an index that holds a stream's work by day."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0013_budget_sheet")]

    operations = [
        migrations.AlterField(
            model_name="insightsheet",
            name="kind",
            field=models.CharField(
                choices=[
                    ("reliability_30", "reliability of 30 days"),
                    ("reliability_90", "reliability of 90 days"),
                    ("what_if", "what-if"),
                    ("ambiguity", "ambiguity map"),
                    ("drift", "drift"),
                    ("reviewers", "reviewers"),
                    ("budget", "error budget"),
                    ("health", "health"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="verdict",
            index=models.Index(
                fields=["stream", "answered_at"],
                include=("kind", "batch", "active_ms"),
                name="verdict_of_stream",
            ),
        ),
        migrations.AlterField(
            model_name="verdict",
            name="stream",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="routing.stream",
            ),
        ),
    ]
