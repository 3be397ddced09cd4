"""That erased items are empty is checked of those that were there before."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("routing", "0014_erasure")]

    operations = [ValidateConstraint(model_name="item", name="item_erased_is_empty")]
