"""The demo's upstream system: it posts items as any other would, over HTTP with a key."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from reviewqueue.demo import Prediction
from routing.items import Post

BATCH: Final = 100
_BODY_FIELDS = ("external_id", "payload", "scores", "model_version")
_SENTENCE_FIELDS = ("external_id", "payload", "signals", "model_version")
_TIMEOUT_SECONDS = 60.0
# The product runs on this machine: a proxy meant for the internet would not find it.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class UpstreamError(RuntimeError):
    """The product did not take the demo's items; the message says what it answered."""


@dataclass(frozen=True, slots=True)
class Posted:
    """How many items a stream took, knew and refused."""

    taken: int
    known: int
    refused: int

    def __add__(self, other: "Posted") -> "Posted":
        return Posted(
            self.taken + other.taken, self.known + other.known, self.refused + other.refused
        )


def post_predictions(
    *, url: str, api_key: str, stream_key: str, predictions: Sequence[Prediction]
) -> Posted:
    """Post the predictions to the product at `url`, in batches.

    Raises:
        UpstreamError: it answers an error, or not at all.
    """
    posted = Posted(0, 0, 0)
    rest = iter(predictions)
    while batch := list(islice(rest, BATCH)):
        address = f"{url}/api/v1/streams/{stream_key}/items/batch"
        answer = _post(address, api_key, [make_body(prediction) for prediction in batch])
        posted += Posted(answer["taken"], answer["known"], answer["refused"])
    return posted


def make_post(prediction: Prediction) -> Post:
    """A prediction as an item; the truth stays behind."""
    return Post(
        external_id=prediction.external_id,
        payload=prediction.payload,
        scores={} if prediction.grounds else prediction.scores,
        model_version=prediction.model_version,
        signals=prediction.signals,
        grounds=prediction.grounds,
    )


def make_body(prediction: Prediction) -> dict[str, object]:
    """A prediction as the API takes it."""
    post = make_post(prediction)
    if post.grounds is None:
        return {name: getattr(post, name) for name in _BODY_FIELDS}
    return {name: getattr(post, name) for name in _SENTENCE_FIELDS} | asdict(post.grounds)


def wait_for_answer(url: str, *, seconds: float) -> None:
    """Return once something answers at `url`.

    Raises:
        UpstreamError: nothing did for so many seconds.
    """
    for remaining in _countdown(seconds):
        try:
            with _OPENER.open(url, timeout=_TIMEOUT_SECONDS):
                return
        except urllib.error.HTTPError:
            return
        except OSError as error:
            if not remaining:
                raise UpstreamError(
                    f"Nothing answers at {url} ({error}): start the product with `make run`, "
                    "or say with --url where it runs."
                ) from error


def _countdown(seconds: float) -> Iterator[bool]:
    """Whether time remains, twice a second and at least once."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield True
        time.sleep(0.5)
    yield False


def _post(address: str, api_key: str, body: object) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the address is ours
        address,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:500]
        raise UpstreamError(f"{address} answered {error.code}: {said}") from error
    except OSError as error:
        raise UpstreamError(f"{address} did not answer: {error}") from error
