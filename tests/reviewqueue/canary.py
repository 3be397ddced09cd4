"""An item of which the words can be found again wherever they went, and answers that hold them."""

from django.contrib.auth.models import User

from reviewqueue.claims import claim_next
from reviewqueue.models import ReviewTask, Verdict
from reviewqueue.verdicts import (
    Answer,
    record_verdict,
)

CANARY = "Quetzal Birdsong"
SAID = {"subject": CANARY, "body": f"I am {CANARY}, and locked out."}


def answer(
    task: ReviewTask, person: User, said: Answer | None = None, queue: str = "hold"
) -> Verdict:
    """The person claims the next of the queue, which has to be this task, and answers."""
    claimed = claim_next(user=person, stream=task.stream, queue=queue)
    assert claimed is not None
    assert claimed.id == task.id
    assert claimed.lease_token is not None
    return record_verdict(
        task_id=task.id,
        lease_token=claimed.lease_token,
        reviewer=person,
        answer=said or Answer("category", ("vpn_issue",), comment=f"It is {CANARY} again"),
    )
