"""Ringing for a worker that may not hear."""

import socket
import uuid

import pytest
from celery import Celery
from django.conf import settings

from reviewqueue import tasks
from reviewqueue.doorbell import ASK_REMOTE_MODELS, WORK_RUN_REQUESTS, count_misses, ring


def touch(stream_id: str) -> str:
    return stream_id


def test_ring_that_nobody_hears_is_counted_and_logged_not_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        deaf = Celery("deaf", broker=f"redis://127.0.0.1:{closed.getsockname()[1]}/0")
        deaf.conf.task_publish_retry = settings.CELERY_TASK_PUBLISH_RETRY
        deaf.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        task = deaf.task(name="deaf.task")(touch)
        before = count_misses()
        assert ring(task, uuid.uuid4()) is False
        assert ring(task, uuid.uuid4()) is False
    assert count_misses() == before + 2
    assert caplog.messages[0].startswith(f"the broker did not take deaf.task, miss {before + 1}:")


def test_ring_leaves_one_message_with_the_ids_as_text() -> None:
    stream_id = uuid.uuid4()
    queue = f"test-{uuid.uuid4()}"
    app = Celery("listener", broker=settings.CELERY_BROKER_URL)
    app.conf.task_default_queue = queue
    task = app.task(name="listener.task")(touch)
    assert ring(task, stream_id) is True
    with app.connection_for_read() as connection, connection.SimpleQueue(queue) as waiting:
        message = waiting.get(timeout=5)
        message.ack()
        args, _, _ = message.payload
        assert (message.headers["task"], args) == ("listener.task", [str(stream_id)])
        assert "eta" not in message.headers or message.headers["eta"] is None
        with pytest.raises(waiting.Empty):
            waiting.get_nowait()


def test_tasks_that_are_rung_for_by_name_exist_and_are_heard() -> None:
    assert ASK_REMOTE_MODELS.name == tasks.ask_remote_models.name
    assert WORK_RUN_REQUESTS.name == tasks.work_run_requests.name
    assert ring(ASK_REMOTE_MODELS)
    assert ring(WORK_RUN_REQUESTS)
