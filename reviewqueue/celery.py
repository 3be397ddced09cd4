"""The Celery application: `celery -A reviewqueue worker`.

A task's lines in the log carry its name and id, and the id of the request that rang for it.
"""

import logging.config
import os
import sys
from contextlib import AbstractContextManager
from typing import Final, TextIO

from celery import Celery, Task
from celery.signals import (
    before_task_publish,
    celeryd_init,
    setup_logging,
    task_postrun,
    task_prerun,
)

from reviewqueue import logs, watched

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewqueue.settings")

app = Celery("reviewqueue")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(watched.TouchFile)

REQUEST_ID: Final = "request_id"
_running: Final[dict[str, AbstractContextManager[None]]] = {}


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_our_logging(**_signal: object) -> None:
    """Celery would put handlers of its own in place of ours."""
    logging.config.dictConfig(logs.configure(logs.read_format()))


@celeryd_init.connect  # type: ignore[untyped-decorator]
def keep_to_json(**_signal: object) -> None:
    """What Celery says past the log, that it runs as root or was told to stop, is an object too."""
    if logs.read_format() == logs.JSON:
        from celery.apps import worker  # noqa: PLC0415 - of a worker alone

        keep_our_logging()
        logging.captureWarnings(True)
        worker.safe_say = say_as_json


def say_as_json(message: str, stream: TextIO | None = sys.__stderr__) -> None:
    """In place of Celery's `safe_say`: from a signal handler, so by one plain write."""
    if stream is not None:
        os.write(stream.fileno(), logs.write_line(message, logger="celery.worker").encode())


@before_task_publish.connect  # type: ignore[untyped-decorator]
def send_request_id(headers: dict[str, object], **_signal: object) -> None:
    """The message says which request, or which task of one, rings."""
    if request_id := logs.bound().get(REQUEST_ID):
        headers[REQUEST_ID] = request_id


@task_prerun.connect  # type: ignore[untyped-decorator]
def bind_task(task_id: str, task: Task, **_signal: object) -> None:
    """Bind what the task's lines carry, until it ends."""
    request_id = getattr(task.request, REQUEST_ID, None)
    _running[task_id] = logs.bound_anew(request_id=request_id, task=task.name, task_id=task_id)
    _running[task_id].__enter__()


@task_postrun.connect  # type: ignore[untyped-decorator]
def unbind_task(task_id: str, **_signal: object) -> None:
    """The thread's next task begins with nothing bound."""
    if (running := _running.pop(task_id, None)) is not None:
        running.__exit__(None, None, None)
