"""Django's name for the package."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from reviewqueue.schedule import create_schedule


class ReviewQueueConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review"

    def ready(self) -> None:
        from reviewqueue import checks  # noqa: F401, PLC0415 - registers the system checks

        post_migrate.connect(create_schedule, sender=self)
