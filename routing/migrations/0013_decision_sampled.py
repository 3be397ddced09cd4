"""An index for samples of long periods: a sixteenth of the decisions, drawn by their items' ids."""

import django.db.models.lookups
from django.db import migrations, models

import routing.models.draws
from routing.indexes import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("routing", "0012_drop_doubled_indexes")]

    operations = [
        BuildIndexConcurrently(
            model_name="decision",
            index=models.Index(
                condition=models.Q(
                    django.db.models.lookups.LessThan(
                        routing.models.draws.LastByte(models.F("item")), 16
                    )
                ),
                fields=["stream", "decided_at"],
                include=("id", "item"),
                name="decision_sampled",
            ),
        ),
    ]
