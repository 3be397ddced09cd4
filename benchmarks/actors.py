"""The clients of a fault run: upstreams that post until they are told, reviewers that answer.

What they may rely on is what the product promises: an answer is final, anything that was cut or
answered 5xx may be sent again as it is, and no kill is answered as a fault of the program's.
"""

import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from queue import Empty, Queue
from threading import Event
from urllib.parse import urlencode
from uuid import uuid4

from benchmarks.cast import Reviewer, encode
from benchmarks.clients import Answer, Caller, CutError
from benchmarks.ledger import Ledger
from benchmarks.review import read_form

Work = Sequence[dict[str, object]]

QUEUES = ("hold", "flagged", "escalated")
_UNDO = re.compile(rb'action="/verdicts/([0-9a-f-]{36})/undo"')
_UNDO_TABLE = re.compile(rb'action="(/streams/[\w-]+/flagged/batch/([0-9a-f-]{36})/undo)"')
_ROW = re.compile(rb'name="row" value="([0-9a-f-]{36})"')
_TOKEN = re.compile(rb'name="lease_token" value="([0-9a-f-]{36})"')
_ROWS_LOST = b"nothing of yours was recorded"
_TAKEN = (HTTPStatus.OK, HTTPStatus.CREATED)
_AWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
_SEEN_AGAIN = 0.05
_THINK_SECONDS = 0.02


@dataclass
class Gate:
    """How many items may have been sent by now: the next kill has to come before the rest."""

    limit: float = 0.0

    def is_open(self, ledger: Ledger) -> bool:
        """Whether another piece of work may be sent."""
        return len(ledger.posted) <= self.limit


@dataclass
class Upstream:
    """Posts pieces of work, one item or a batch, each until it is acknowledged whole."""

    url: str
    stream_key: str
    headers: dict[str, str]
    ledger: Ledger
    gate: Gate
    seed: int
    stop: Event

    def run(self, works: "Queue[Work]") -> None:
        """Take pieces of work until there are none, or until told to stop."""
        rng = random.Random(self.seed)
        caller = Caller(self.url, self.headers)
        while not self.stop.is_set():
            if not self.gate.is_open(self.ledger):
                time.sleep(0.01)
                continue
            try:
                work = works.get_nowait()
            except Empty:
                return
            for item in work:
                self.ledger.note_posted(str(item["external_id"]))
            self._post(caller, work, rng)
            if rng.random() < _SEEN_AGAIN:
                self._post(caller, work, rng)

    def _post(self, caller: Caller, work: Work, rng: random.Random) -> None:
        place = f"/api/v1/streams/{self.stream_key}/items"
        single = len(work) == 1 and rng.random() < 0.9
        path, body = (place, encode(work[0])) if single else (f"{place}/batch", encode(work))
        while not self.stop.is_set():
            answer = ask_or_none(self.ledger, caller, "POST", path, body)
            if answer is None:
                self.ledger.retry()
                time.sleep(rng.uniform(0.01, 0.1))
                continue
            self._note(answer, work, single=single)
            return

    def _note(self, answer: Answer, work: Work, *, single: bool) -> None:
        if answer.status not in (_TAKEN if single else _TAKEN[:1]):
            self.ledger.surprise(f"{answer.status} to a post: {answer.body[:200]!r}")
            return
        told = json.loads(answer.body)
        lines = [told] if single else [line.get("decision") for line in told["results"]]
        if len(lines) != len(work) or None in lines:
            self.ledger.surprise(f"not every item was taken: {answer.body[:200]!r}")
            return
        for item, line in zip(work, lines, strict=True):
            if line["external_id"] != item["external_id"]:
                self.ledger.surprise(f"{item['external_id']} was answered {line['external_id']}")
            self.ledger.acknowledge(str(item["external_id"]), line["id"])


@dataclass
class Tab:
    """One browser tab of a reviewer; two tabs of one account race for the same task.

    `whim` is how often (0..1) an accepted answer is sent once more under another note, which has
    to be refused, and how often one, or a whole table, is taken back.
    """

    url: str
    stream_key: str
    reviewer: Reviewer
    ledger: Ledger
    seed: int
    stop: Event
    queues: Sequence[str] = QUEUES
    whim: float = 0.10

    def run(self, rounds: int | None = None) -> None:
        """Answer task after task until told to stop, or `rounds` times.

        Of what is flagged the drawn share comes one by one, then the rest as a table.
        """
        rng = random.Random(self.seed)
        caller = Caller(self.url, self.reviewer.headers)
        done = 0
        while not self.stop.is_set() and done != rounds:
            queue = rng.choice(self.queues)
            page = ask_or_none(self.ledger, caller, "GET", f"/streams/{self.stream_key}/{queue}/")
            if (
                page is None
                or page.status != HTTPStatus.OK
                or b'name="lease_token"' not in page.body
            ):
                if queue == "flagged" and self._close_table(caller, rng):
                    done += 1
                else:
                    time.sleep(rng.uniform(0.05, 0.2))
                continue
            time.sleep(_THINK_SECONDS)
            self._answer(caller, page.body, rng)
            done += 1

    def _close_table(self, caller: Caller, rng: random.Random) -> bool:
        """Confirm a whole table, today's rows too; whether it was accepted."""
        address = f"/streams/{self.stream_key}/flagged/batch/"
        page = ask_or_none(self.ledger, caller, "GET", f"{address}?today=yes")
        token = _TOKEN.search(page.body) if page is not None else None
        if page is None or token is None:
            return False
        rows = [row.decode() for row in _ROW.findall(page.body)]
        time.sleep(_THINK_SECONDS)
        fields = [("lease_token", token[1].decode()), ("today", "yes")]
        fields += [(name, row) for row in rows for name in ("row", "confirm")]
        form = urlencode(fields).encode()
        answer, _tries = self._send(caller, f"{address}confirm", form, rng)
        if answer is None or answer.status == HTTPStatus.CONFLICT:
            return False
        if answer.status != HTTPStatus.OK or b'id="work"' not in answer.body:
            self.ledger.surprise(f"{answer.status} to a table: {answer.body[:200]!r}")
            return False
        if _ROWS_LOST in answer.body:
            return False
        self.ledger.close(rows)
        if rng.random() < self.whim:
            self._take_table_back(caller, answer.body, rng)
        return True

    def _take_table_back(self, caller: Caller, page: bytes, rng: random.Random) -> None:
        found = _UNDO_TABLE.search(page)
        if found is None:
            return
        answer, _tries = self._send(caller, found[1].decode(), b"", rng)
        if answer is None or answer.status == HTTPStatus.CONFLICT:
            return  # the other tab's was faster, or the reply to the first try was cut
        if answer.status != HTTPStatus.OK or b'id="work"' not in answer.body:
            self.ledger.surprise(f"{answer.status} to an undo: {answer.body[:200]!r}")
            return
        self.ledger.undo_table(found[2].decode())

    def _answer(self, caller: Caller, page: bytes, rng: random.Random) -> None:
        path, form = read_form(page)
        kind = rng.choices((b"category", b"no_category_fits", b"cannot_judge"), (90, 5, 5))[0]
        form = form.replace(b"kind=category", b"kind=" + kind)
        shown = self._send_answer(caller, path, form, rng)
        if shown is not None and rng.random() < self.whim:
            self._send_answer(caller, path, form, rng)
        if shown is not None and rng.random() < self.whim:
            self._take_back(caller, shown, rng)

    def _send_answer(
        self, caller: Caller, path: str, form: bytes, rng: random.Random
    ) -> bytes | None:
        """Send an answer with a note of its own; returns the next page if it was accepted."""
        note = f"{self.reviewer.user.username} {uuid4()}"
        body = form + b"&" + urlencode({"comment": note}).encode()
        answer, tries = self._send(caller, path, body, rng)
        if answer is None:
            return None
        if answer.status == HTTPStatus.OK and b'id="work"' in answer.body:
            self.ledger.confirm(note)
            return answer.body
        if answer.status == HTTPStatus.CONFLICT and tries == 1:
            self.ledger.refuse(note)
        elif answer.status != HTTPStatus.CONFLICT:
            self.ledger.surprise(f"{answer.status} to a verdict: {answer.body[:200]!r}")
        return None

    def _take_back(self, caller: Caller, page: bytes, rng: random.Random) -> None:
        found = _UNDO.search(page)
        if found is None:
            return
        verdict = found[1].decode()
        answer, _tries = self._send(caller, f"/verdicts/{verdict}/undo", b"", rng)
        if answer is not None and answer.status == HTTPStatus.OK:
            self.ledger.undo(verdict)

    def _send(
        self, caller: Caller, path: str, body: bytes, rng: random.Random
    ) -> tuple[Answer | None, int]:
        """Send until answered; None when told to stop first. Also how often it was sent."""
        headers = {"HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}
        tries = 0
        while not self.stop.is_set():
            tries += 1
            answer = ask_or_none(self.ledger, caller, "POST", path, body, headers=headers)
            if answer is not None:
                return answer, tries
            self.ledger.retry()
            time.sleep(rng.uniform(0.01, 0.1))
        return None, tries


def ask_or_none(
    ledger: Ledger,
    caller: Caller,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Answer | None:
    """The answer; None where the connection was cut, or the server is away or at fault.

    To be away is expected of a server that is being killed. A fault is a surprise.
    """
    try:
        answer = caller.ask(method, path, body, headers)
    except CutError:
        return None
    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer
    if answer.status not in _AWAY:
        ledger.surprise(f"{answer.status} to {method} {path}: {answer.body[:200]!r}")
    return None
