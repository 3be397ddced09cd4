"""Django's name for the package."""

from django.apps import AppConfig


class ReviewQueueConfig(AppConfig):
    name = "reviewqueue"
    verbose_name = "Review"

    def ready(self) -> None:
        from reviewqueue import checks  # noqa: F401, PLC0415 - registers the system checks
