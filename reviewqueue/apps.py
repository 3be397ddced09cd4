"""Django's name for the package."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from reviewqueue.schedule import create_schedule


class ReviewQueueConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review"

    def ready(self) -> None:
        # The one registers the system checks, the other is the Celery application of our tasks.
        from reviewqueue import celery, checks  # noqa: F401, PLC0415

        post_migrate.connect(create_schedule, sender=self)
