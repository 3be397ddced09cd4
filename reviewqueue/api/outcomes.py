"""The feed of what people decided, for upstreams that would rather ask than be told."""

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from reviewqueue.api.answers import respond_json
from reviewqueue.api.bearer import find_stream
from reviewqueue.api.document import answers_like
from reviewqueue.api.examples import OUTCOMES
from reviewqueue.api.problems import REFUSALS
from reviewqueue.api.schemas import OutcomesOut
from reviewqueue.outcomes import MOST, CursorError, read_outcomes
from reviewqueue.refusals import ProblemError

router = Router(tags=["outcomes"])


@router.get(
    "/streams/{stream}/outcomes",
    response={200: OutcomesOut, **REFUSALS},
    openapi_extra=answers_like({200: {"one": ("One settled item", OUTCOMES)}}),
    summary="What people decided, since a cursor",
)
def get_outcomes(
    request: HttpRequest, stream: Path[str], after: Query[str] = "", limit: Query[str] = "100"
) -> HttpResponse:
    """Published verdicts and overturns, the oldest first; each once, none left out.

    Ask again with `after` set to the answer's `next`; while `more` is true, at once. `limit` is 1
    to 1,000.
    """
    found = find_stream(request, stream, queries=("after", "limit"))
    try:
        page = read_outcomes(stream=found, after=after, limit=_read_limit(limit))
    except CursorError as error:
        raise ProblemError("invalid", str(error), field="after", value=after) from error
    return respond_json({"outcomes": page.outcomes, "next": page.next, "more": page.more})


def _read_limit(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
    if not 1 <= number <= MOST:
        raise ProblemError(
            "invalid",
            f"A page has 1 to {MOST:,} outcomes; ask for so many.",
            field="limit",
            value=text,
        )
    return number
