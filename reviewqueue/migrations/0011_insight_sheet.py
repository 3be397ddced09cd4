"""Sheets of insight pages: what a worker counts and draws for them."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import routing.ids


class Migration(migrations.Migration):
    dependencies = [
        ("reviewqueue", "0010_grounded_verdicts"),
        ("routing", "0009_announcement"),
    ]

    operations = [
        migrations.CreateModel(
            name="InsightSheet",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=routing.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("reliability_30", "reliability of 30 days"),
                            ("reliability_90", "reliability of 90 days"),
                            ("what_if", "what-if"),
                        ],
                        max_length=20,
                    ),
                ),
                ("version", models.CharField(blank=True, max_length=200)),
                ("asked_version", models.CharField(blank=True, max_length=200)),
                ("figures", models.JSONField(default=dict)),
                ("pictures", models.JSONField(default=dict)),
                ("arrays", models.BinaryField(default=bytes)),
                ("error", models.CharField(blank=True, max_length=500)),
                ("seconds", models.FloatField(default=0.0)),
                ("token", models.UUIDField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("made_at", models.DateTimeField(null=True)),
                (
                    "stream",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="routing.stream",
                    ),
                ),
            ],
            options={
                "ordering": ["stream", "kind"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("version", models.F("asked_version")), _negated=True),
                        fields=["asked_at"],
                        name="insight_sheet_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("stream", "kind"), name="insight_sheet_unique")
                ],
            },
        ),
    ]
