"""The two lines of a queue, for statements written by hand, of a seat that is called `task`.

Seats are judged one by one, or, in the flagged queue, as rows of a batch. Of those that are open
each line is an index read from its start, if the statement says it as the index does: `task_next`
and `task_batch`. With items slipped in, which are nobody else's, see `ReviewTask.objects.singly`.
"""

from typing import Final

SINGLY: Final = "(task.pi IS NOT NULL OR task.queue <> 'flagged')"
IN_BATCH: Final = "(task.queue = 'flagged' AND task.pi IS NULL)"
OPEN_SINGLY: Final = f"task.state = 'open' AND {SINGLY}"
OPEN_IN_BATCH: Final = f"task.state = 'open' AND {IN_BATCH}"
IN_ORDER: Final = "task.priority DESC, task.due_at, task.id"
