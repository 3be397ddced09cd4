"""Support tickets in seven categories, scored by a classifier that is too sure of itself.

Words and character n-grams, TF-IDF weighted, under a logistic regression with next to no
regularisation: it separates its few hundred training tickets perfectly, and so believes itself.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reviewqueue.demo import Category, Prediction
from reviewqueue.demo.crossfit import cross_fit

MODEL_VERSION = "tickets-logreg-1"
TICKETS_FILE = Path(__file__).with_name("tickets.jsonl")
FOLDS = 5
# Inverse regularisation strength; 1 would be the usual choice, and a timid model.
INVERSE_REGULARISATION = 10_000.0

CATEGORIES = (
    Category(
        "account_unlock",
        "Account unlock",
        "Somebody cannot sign in to an account of their own: locked, disabled or expired, a "
        "forgotten password, a lost second factor. Not missing rights once signed in.",
    ),
    Category(
        "vpn_issue",
        "VPN issue",
        "The remote connection itself fails, drops or crawls: client, tunnel, certificate or "
        "gateway. Not a locked account, even if the VPN reports it.",
    ),
    Category(
        "security_incident",
        "Security incident",
        "Something may have been compromised: phishing, fraud, malware, sign-ins or prompts that "
        "nobody asked for, a lost or stolen device or badge, data in the wrong hands.",
    ),
    Category(
        "hardware_request",
        "Hardware request",
        "A thing that can be touched is needed, broken or to be moved: computers, screens, "
        "phones, printers, cables. Not one that was stolen or lost.",
    ),
    Category(
        "software_install",
        "Software install",
        "A program, driver, plug-in or licence is to be installed, updated, repaired or removed. "
        "Not the VPN client once it is installed.",
    ),
    Category(
        "email_delivery",
        "E-mail delivery",
        "Mail or calendar messages bounce, come late, twice, mangled or not at all, or land in "
        "the wrong place. Not a message that is suspicious in itself.",
    ),
    Category(
        "access_request",
        "Access request",
        "Somebody who can sign in needs rights given, changed or taken away: folders, "
        "mailboxes, systems, roles, doors.",
    ),
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket with its label; `also` names the other labels that would be right, if any."""

    external_id: str
    subject: str
    body: str
    truth: str
    also: tuple[str, ...]


def read_tickets() -> list[Ticket]:
    """Return the bundled tickets in the order of their ids."""
    lines = TICKETS_FILE.read_text(encoding="utf-8").splitlines()
    return [_ticket(json.loads(line)) for line in lines]


def predictions(*, seed: int = 7) -> Iterator[Prediction]:
    """Train, and yield an out-of-fold prediction for every ticket as soon as its fold is done.

    The order is that of the folds, which `seed` draws; the set is always all tickets, once each.
    """
    tickets = read_tickets()
    texts = np.array([f"{ticket.subject}\n{ticket.body}" for ticket in tickets], dtype=object)
    labels = np.array([ticket.truth for ticket in tickets])
    for index, scores in cross_fit(_make_model, texts, labels, folds=FOLDS, seed=seed):
        ticket = tickets[index]
        yield Prediction(
            external_id=ticket.external_id,
            payload={"subject": ticket.subject, "body": ticket.body},
            scores={category.key: scores[category.key] for category in CATEGORIES},
            truth=ticket.truth,
            also=ticket.also,
            model_version=MODEL_VERSION,
        )


def _ticket(record: dict[str, Any]) -> Ticket:
    return Ticket(
        external_id=record["external_id"],
        subject=record["subject"],
        body=record["body"],
        truth=record["truth"],
        also=tuple(record.get("also", ())),
    )


def _make_model() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline, make_union  # noqa: PLC0415

    return make_pipeline(
        make_union(
            TfidfVectorizer(stop_words="english", sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True),
        ),
        LogisticRegression(C=INVERSE_REGULARISATION, max_iter=1_000),
    )
