"""A sheet for the health page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0016_cache")]

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
    ]
