"""Drafted sentences as they come in: the evidence of each, and whom it stands in the place of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from routing.core.evidence import (
    Evidence,
    EvidenceError,
    EvidenceTable,
    evidence_table,
    read_evidence,
)
from routing.core.signals import ScoreError, shorten
from routing.items import Grounds, Post
from routing.models import Stream
from routing.sentences import find_refused

SENTENCE = "sentence"


def read_sentences(
    stream: Stream, posts: Sequence[Post], *, at: datetime
) -> tuple[EvidenceTable, Mapping[int, ScoreError]]:
    """The evidence of posts, a block's age as it is `at` that time; the error of each bad one."""
    named = {post.grounds.retry_of for post in posts if post.grounds and post.grounds.retry_of}
    refused = find_refused(stream_id=stream.id, external_ids=named) if named else {}
    return evidence_table([_read(stream, post, refused, at) for post in posts])


def _read(
    stream: Stream, post: Post, refused: Mapping[str, bool], at: datetime
) -> Evidence | EvidenceError:
    grounds = post.grounds or Grounds()
    if grounds.retry_of and not refused.get(grounds.retry_of, False):
        return _explain_predecessor(grounds.retry_of, known=grounds.retry_of in refused)
    try:
        return read_evidence(
            sentence=str(post.payload.get(SENTENCE, "")),
            signals=post.signals,
            blocks=grounds.blocks,
            claims=grounds.claims,
            received=at.astimezone(ZoneInfo(stream.time_zone)).date(),
            freshness_days=stream.freshness_days,
        )
    except EvidenceError as error:
        return error


def _explain_predecessor(external_id: str, *, known: bool) -> EvidenceError:
    name = shorten(external_id)
    message = (
        f"retry_of names {name!r}, which was not refused; only a refused sentence is drafted again"
        if known
        else f"retry_of names {name!r}, which is no item of this stream; name the refused one"
    )
    return EvidenceError(message, field="retry_of", value=external_id)
