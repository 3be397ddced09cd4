"""Django's name for the package."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from reviewqueue.application_role import grant_after_migration
from reviewqueue.schedule import create_schedule


class ReviewQueueConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review"

    def ready(self) -> None:
        # The first is the Celery application of our tasks, the second registers the system checks.
        from reviewqueue import celery, checks  # noqa: F401, PLC0415
        from reviewqueue.sign_ins import watch_sign_ins  # noqa: PLC0415

        watch_sign_ins()
        post_migrate.connect(create_schedule, sender=self)
        post_migrate.connect(grant_after_migration, sender=self)
