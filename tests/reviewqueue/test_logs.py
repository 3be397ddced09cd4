"""What stands in a line of the log, and what never does."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest
from django.db import connection

from reviewqueue import logs
from reviewqueue.variables import ConfigurationError

CANARY = "canary-8b1f"


def record(
    message: str = "said", error: BaseException | None = None, **extra: object
) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("routing.x", logging.INFO, "x.py", 1, message, (), info)
    vars(made).update(extra)
    return made


def raised(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_json_line_has_what_it_is_bound_to() -> None:
    with logs.bound_anew(request_id="r-1", user=7):
        logs.bind(item="i-1", stream=None)
        line = json.loads(logs.JsonFormatter().format(record(fields={"ms": 1.5})))
    assert list(line) == [
        *("time", "level", "logger", "message", "request_id", "user", "item", "ms"),
    ]
    assert (line["level"], line["logger"], line["message"]) == ("info", "routing.x", "said")
    assert (line["request_id"], line["user"], line["item"], line["ms"]) == ("r-1", "7", "i-1", 1.5)
    assert dict(logs.bound()) == {}


def test_human_line_ends_with_what_it_is_bound_to() -> None:
    with logs.bound_anew(request_id="r-1"):
        line = logs.HumanFormatter().format(record())
    assert line.endswith(" INFO routing.x said request_id=r-1")


def test_what_one_request_binds_is_gone_in_the_next() -> None:
    with logs.bound_anew(request_id="r-1"):
        logs.bind(item="i-1")
    with logs.bound_anew(request_id="r-2"):
        assert dict(logs.bound()) == {"request_id": "r-2"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.HumanFormatter()])
def test_error_of_the_database_is_told_without_the_row(formatter: logging.Formatter) -> None:
    def insert() -> None:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE t (body text CHECK (body = ''))")
            cursor.execute("INSERT INTO t VALUES (%s)", [CANARY])

    error = raised(insert)
    assert CANARY in str(error)
    line = formatter.format(record(error=error))
    assert CANARY not in line
    assert "violates check constraint" in line
    assert "psycopg.errors.CheckViolation" in line
    assert "in insert" in line
    # As Celery writes it: the error by repr() in the message itself.
    assert CANARY not in formatter.format(record(f"Task x raised unexpected: {error!r}"))


def test_error_is_told_with_what_led_to_it() -> None:
    def fail() -> None:
        try:
            raise psycopg.DataError(f"first line\n{CANARY}")
        except psycopg.DataError as error:
            raise ValueError(f"second\n{CANARY}") from error

    told = logs.describe_error((ValueError, raised(fail), None))
    assert "psycopg.DataError: first line\nwhich led to:\n" in told
    assert told.endswith("builtins.ValueError: second")
    assert CANARY not in told


def test_line_break_in_a_message_does_not_begin_another_json_line() -> None:
    assert "\n" not in logs.JsonFormatter().format(record("one\ntwo", error=ValueError("x")))


def test_unknown_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(ConfigurationError, match="LOG_FORMAT is 'xml': write human or json"):
        logs.read_format()


def test_requests_are_told_as_json_only() -> None:
    levels = [
        logs.configure(name)["loggers"]["reviewqueue.requests"]["level"]  # type: ignore[index]
        for name in (logs.HUMAN, logs.JSON)
    ]
    assert levels == ["WARNING", "INFO"]


def test_logs_load_no_django() -> None:
    probe = "import sys, reviewqueue.web; print(sorted({'django', 'celery'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
