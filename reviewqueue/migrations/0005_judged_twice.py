from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("reviewqueue", "0004_known_answers_and_batches"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="reviewtask",
            index=models.Index(
                condition=Q(seat=2, state="answered"),
                fields=["stream", "-closed_at"],
                name="task_judged_twice",
            ),
        ),
    ]
