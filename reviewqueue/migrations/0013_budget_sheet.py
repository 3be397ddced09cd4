"""A sheet for the error budget page of drafted sentences."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0012_insight_kinds")]

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
                ],
                max_length=20,
            ),
        ),
    ]
