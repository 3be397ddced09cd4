"""What people wrote in verdicts and requests can be emptied once its item is erased."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("reviewqueue", "0019_drop_verdict_stream"),
        ("routing", "0014_erasure"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="retryrequest",
            name="append_only",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="verdict",
            name="append_only",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="retryrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n        IF TG_OP = 'UPDATE' THEN\n            IF to_jsonb(NEW) = to_jsonb(OLD) || '{\"note\": \"\"}' AND EXISTS (\n    SELECT FROM routing_item AS item WHERE item.id = OLD.item_id AND item.erased_at IS NOT NULL) THEN\n                RETURN NEW;\n            END IF;\n        END IF;\n        RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;\n        ",  # noqa: E501
                    hash="b301c2645b8b65bc605bec2251e24f72e12e652b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_396d3",
                    table="reviewqueue_retryrequest",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="verdict",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='\n        IF TG_OP = \'UPDATE\' THEN\n            IF to_jsonb(NEW) = to_jsonb(OLD) || \'{"comment": "", "proposed_name": ""}\' AND EXISTS (\n    SELECT FROM routing_item AS item WHERE item.id = OLD.item_id AND item.erased_at IS NOT NULL) THEN\n                RETURN NEW;\n            END IF;\n        END IF;\n        RAISE EXCEPTION \'pgtrigger: Cannot update or delete rows from % table\', TG_TABLE_NAME;\n        ',  # noqa: E501
                    hash="93524e7e2e8d53e209901f936663fffa6d04bfe1",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_3a0e7",
                    table="reviewqueue_verdict",
                    when="BEFORE",
                ),
            ),
        ),
    ]
