"""Review Queue: the Django project, review tasks, verdicts, API and screens."""

from reviewqueue.celery import app as celery_app

__all__ = ["celery_app"]
