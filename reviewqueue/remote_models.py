"""Asking a model over HTTP for a second opinion: one POST, no redirects, bounded in time and size.

The body is the item: `external_id`, `payload`, `scores`, `model_version` and the policy's
`categories`. The answer is `{"scores": {category: probability}}`. Private addresses are refused
unless the deployment allows them, and the address that was checked is the one that is connected to.
"""

import json
import math
from collections.abc import Sequence
from typing import Final

import requests
from requests_hardened.ip_filter import InvalidIPAddress

from reviewqueue.outgoing import PRIVATE, open_session
from routing.core.chain import RemoteAnswer
from routing.models import Item, RemoteModel

LONGEST_ANSWER: Final = 1 << 20
MOST_SCORES: Final = 10_000
LONGEST_KEY: Final = 100
CHUNK: Final = 1 << 16
TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class NoAnswerError(Exception):
    """The model could not be heard just now; asking again may help. The message says why."""


def ask_model(
    *, model: RemoteModel, item: Item, categories: Sequence[str], timeout: float
) -> RemoteAnswer:
    """What the model says about the item, or the error in what it says.

    `timeout` in seconds bounds the whole exchange.

    Raises:
        NoAnswerError: it is unreachable, too slow or out of order for now.
    """
    body = {
        "external_id": item.external_id,
        "payload": item.payload,
        "scores": item.scores,
        "model_version": item.model_version,
        "categories": list(categories),
    }
    headers = {"Accept": "application/json"}
    if model.token:
        headers["Authorization"] = f"Bearer {model.token}"
    try:
        with (
            open_session(timeout) as session,
            session.post(model.url, json=body, headers=headers, stream=True) as response,
        ):
            if response.status_code in TRY_AGAIN:
                raise NoAnswerError(f"it answered {response.status_code}")
            if response.status_code != requests.codes.ok:
                return RemoteAnswer(error=f"it answered {response.status_code} instead of 200")
            answer = _read_body(response)
        return _read_answer(answer)
    except InvalidIPAddress:
        return RemoteAnswer(error=PRIVATE)
    except requests.exceptions.InvalidURL:
        return RemoteAnswer(error="its address is no URL")
    except requests.Timeout:
        raise NoAnswerError(f"it did not answer within {timeout:g} s") from None
    except (requests.RequestException, UnicodeError) as error:
        raise NoAnswerError(f"it could not be reached ({type(error).__name__})") from None


def _read_body(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > LONGEST_ANSWER:
            break
    return bytes(body)


def _read_answer(body: bytes) -> RemoteAnswer:
    if len(body) > LONGEST_ANSWER:
        return RemoteAnswer(error=f"its answer is over {LONGEST_ANSWER} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return RemoteAnswer(error="its answer is no JSON")
    scores = document.get("scores") if isinstance(document, dict) else None
    if not isinstance(scores, dict) or not scores:
        return RemoteAnswer(error='its answer has no "scores" by category')
    if len(scores) > MOST_SCORES:
        return RemoteAnswer(error=f"its answer has over {MOST_SCORES} scores")
    for key, value in scores.items():
        # What PostgreSQL cannot store is no category of anybody's either.
        if len(key) > LONGEST_KEY or not key.isprintable():
            return RemoteAnswer(error="its answer scores something that is no category")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return RemoteAnswer(error=f"its answer has no number for {key!r}")
        if not 0 <= value <= 1 or not math.isfinite(value):
            return RemoteAnswer(error=f"its answer has a number outside 0..1 for {key!r}")
    return RemoteAnswer(scores={key: float(value) for key, value in scores.items()})
