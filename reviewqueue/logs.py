"""What a line in the log says, and what it never does.

Each line carries what its request or task is bound to: request id, person, stream, item. Payloads
and secrets stay out: errors are told by the first line of their message, since what PostgreSQL and
validators add below it quotes the row ("DETAIL: Failing row contains ..."), and tracebacks show
code without values. Loads no Django, since the web server's own process uses it too.
"""

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from reviewqueue import variables

HUMAN: Final = "human"
JSON: Final = "json"
LONGEST_MESSAGE: Final = 300

# What PostgreSQL adds to a message, also where somebody wrote the error with repr().
_QUOTES: Final = re.compile(r"(?:\n|\\n)(?:DETAIL|CONTEXT|HINT|QUERY|LINE \d+):.*", re.DOTALL)
_NOTHING: Final[Mapping[str, str]] = {}
_bound: ContextVar[Mapping[str, str]] = ContextVar("reviewqueue_log", default=_NOTHING)


def bind(**fields: object) -> None:
    """Have every further line of this request or task carry `fields`; None adds nothing."""
    said = {name: str(value) for name, value in fields.items() if value is not None}
    _bound.set({**_bound.get(), **said})


def bound() -> Mapping[str, str]:
    """What lines carry now."""
    return _bound.get()


@contextmanager
def bound_anew(**fields: object) -> Iterator[None]:
    """A request or task: its lines carry `fields` and nothing of the one before."""
    token = _bound.set(_NOTHING)
    try:
        bind(**fields)
        yield
    finally:
        _bound.reset(token)


class HumanFormatter(logging.Formatter):
    """One line for a terminal, the bound fields last."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, with what it is bound to."""
        record.message = without_quotes(record.message)
        fields = fields_of(record)
        told = "".join(f" {name}={value}" for name, value in fields.items())
        return super().formatMessage(record) + told

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """The traceback without values."""
        return describe_error(ei)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the bound fields, the error."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_quotes(record.getMessage()),
            **fields_of(record),
        }
        if record.exc_info:
            told["error"] = describe_error(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


def write_line(message: str, *, logger: str) -> str:
    """A line as JSON for whoever must not go through logging, which takes locks."""
    record = logging.LogRecord(logger, logging.INFO, "", 0, message, None, None)
    return JsonFormatter().format(record) + "\n"


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What the record is bound to, and what it brought itself as `extra={"fields": {...}}`."""
    own = getattr(record, "fields", None)
    return {**bound(), **(own if isinstance(own, dict) else {})}


def describe_error(info: object) -> str:
    """The traceback of `exc_info`, each error with the first line of its message alone."""
    if not isinstance(info, tuple) or not isinstance(info[1], BaseException):
        return ""
    return "\n".join(_describe(info[1], set())).rstrip()


def without_quotes(message: str) -> str:
    """The message up to where PostgreSQL quotes the row."""
    return _QUOTES.sub("", message)


def first_line(error: BaseException) -> str:
    """The first line of the message: what databases and validators quote stands below it."""
    said = without_quotes(str(error).strip())
    return said.partition("\n")[0][:LONGEST_MESSAGE]


def _describe(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _describe(before, seen)
        yield "which led to:"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        if frame.line:
            yield f"    {frame.line}"
    kind = type(error)
    yield f"{kind.__module__}.{kind.__qualname__}: {first_line(error)}"


def read_format() -> str:
    """`LOG_FORMAT`. Raises `ConfigurationError`."""
    return variables.one_of("LOG_FORMAT", (HUMAN, JSON))


def configure(log_format: str) -> dict[str, object]:
    """Python's logging configuration, for Django, Celery and the web server's own process.

    A line for each request only as JSON: a terminal is for what is broken, and a refused request
    is answered with its reason.
    """
    quiet = {"level": "ERROR"}
    ours = {"level": "INFO"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            HUMAN: {"()": "reviewqueue.logs.HumanFormatter"},
            JSON: {"()": "reviewqueue.logs.JsonFormatter"},
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": log_format}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            **dict.fromkeys(("reviewqueue", "routing", "calibration", "celery"), ours),
            "reviewqueue.requests": {"level": "INFO" if log_format == JSON else "WARNING"},
            "django.request": quiet,
            # The web server gives its own logger a handler that writes plain lines.
            "_granian": {"handlers": [], "level": "WARNING", "propagate": True},
        },
    }
