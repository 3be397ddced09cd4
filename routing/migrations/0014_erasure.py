"""Items can be erased: when, how long a stream keeps them, and what may be emptied of an event."""

import django.core.validators
import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0013_decision_sampled"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="item",
            options={
                "ordering": ["stream", "-id"],
                "permissions": [("erase_item", "Can erase what items hold")],
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="event",
            name="append_only",
        ),
        migrations.AddField(
            model_name="item",
            name="erased_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="stream",
            name="retention_days",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="What an item holds is erased so many days after it was taken in, once nobody has to judge it any more. Empty: it is kept.",  # noqa: E501
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(36500),
                ],
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="event",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        IF TG_OP = 'UPDATE' THEN\n            IF to_jsonb(NEW) = to_jsonb(OLD) || jsonb_build_object('data', OLD.data || '{\"comment\": \"\"}') AND EXISTS (\n                    SELECT FROM routing_event AS erasure\n                    WHERE erasure.stream_id = OLD.stream_id\n                        AND erasure.subject_id = OLD.subject_id\n                        AND erasure.kind = 'comment.erased') THEN\n                RETURN NEW;\n            END IF;\n        END IF;\n        RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;\n        ",  # noqa: E501
                    hash="81b37566c30f46ff55f4e49c067bcf8e569b72b8",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_ed2cf",
                    table="routing_event",
                    when="BEFORE",
                ),
            ),
        ),
        AddConstraintNotValid(
            model_name="item",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("erased_at__isnull", True),
                    models.Q(
                        models.Q(("blocks__isnull", True), ("blocks", []), _connector="OR"),
                        ("metadata", {}),
                        ("payload", {}),
                        ("signals", {}),
                        models.Q(("claims__isnull", True), ("claims", []), _connector="OR"),
                        ("state__in", ["routed", "settled"]),
                    ),
                    _connector="OR",
                ),
                name="item_erased_is_empty",
            ),
        ),
    ]
