"""Decisions by day, model version, bin and queue, beside the counts by cell.

These lose a constraint that refused to fold what was decided again in a later minute.
"""

import django.db.models.deletion
from django.db import migrations, models

import routing.ids


class Migration(migrations.Migration):
    dependencies = [
        ("calibration", "0007_drop_doubled_indexes"),
        ("routing", "0012_drop_doubled_indexes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="framecount",
            name="count",
            field=models.IntegerField(),
        ),
        migrations.CreateModel(
            name="DayCount",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=routing.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("day", models.DateField()),
                ("model_version", models.CharField(blank=True, max_length=100)),
                ("bin", models.SmallIntegerField()),
                (
                    "queue",
                    models.CharField(
                        choices=[
                            ("auto", "auto"),
                            ("flagged", "flagged"),
                            ("hold", "hold"),
                            ("reject", "reject"),
                        ],
                        max_length=10,
                    ),
                ),
                ("count", models.IntegerField()),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="routing.stream",
                    ),
                ),
            ],
            options={
                "ordering": ["stream", "-day", "queue"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("stream", "day", "model_version", "bin", "queue"),
                        name="day_count_unique",
                    )
                ],
            },
        ),
    ]
