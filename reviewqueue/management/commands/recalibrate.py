"""`manage.py recalibrate STREAM --reason REASON`: a calibration run on demand."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from calibration.models import CalibrationRun
from calibration.runs import FITTED_DAYS, OvertakenError, RunReasonError
from reviewqueue.management.streams import find_stream
from reviewqueue.recalibrations import recalibrate_stream
from routing.policies import NoPolicyError


class Command(BaseCommand):
    """Refit a stream's map on its labels and draft a policy; a person publishes it."""

    help = "Refits a stream's calibration on its labels and drafts a policy. Publishes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("stream", help="the stream's key")
        parser.add_argument("--reason", required=True, help="why now: a rollout, a taxonomy ...")
        parser.add_argument("--days", type=int, default=FITTED_DAYS, help="days to fit on")

    def handle(
        self, *_args: object, stream: str, reason: str, days: int, **_options: object
    ) -> None:
        """Run it and print what it found."""
        found = find_stream(stream)
        if days < 1:
            raise CommandError(f"--days is {days}; give 1 or more.")
        try:
            run = recalibrate_stream(stream=found, at=timezone.now(), reason=reason, days=days)
        except (NoPolicyError, OvertakenError, RunReasonError) as error:
            raise CommandError(f"{stream}: {error}") from error
        self._describe(run)

    def _describe(self, run: CalibrationRun) -> None:
        say = self.stdout.write
        say(f"{run.labels} labels, {run.open_tasks} still open, model {run.model_version!r}")
        if run.ece_before is not None:
            after = "" if run.ece_after is None else f", {run.ece_after:.4f} with the draft"
            say(f"calibration error {run.ece_before:.4f}{after}")
        for kind in ("findings", "notes", "changes"):
            for sentence in run.report[kind]:
                say(f"  {kind.removesuffix('s')}: {sentence}")
        draft = run.draft_id
        say("No draft." if draft is None else f"Draft {draft}, to be published by a person.")
