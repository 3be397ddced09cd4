"""`manage.py simulate_loop PAST [FUTURE]`: what a number of verdicts buys on labelled files."""

import gzip
import json
import zlib
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from calibration.simulations import (
    PILOT_VERDICTS,
    Predictions,
    Reference,
    RoundResult,
    SimulationError,
    find_reference,
    play_loop,
    read_predictions,
)

Row = dict[str, object]

_GZIP_MAGIC: Final = b"\x1f\x8b"
_FUTURE: Final = 0.3
_FEWEST_ROWS: Final = 20
_LINE: Final = "{:>8} {:>9} {:>11} {:>11} {:>10} {:>16}"


class Command(BaseCommand):
    """Play the loop over labelled files and print what it came to."""

    help = (
        "Plays labelled predictions, JSON lines with scores and truth, through the rules, the "
        "audits, the recalibrations and their certificates, and prints per round, as medians over "
        "the seeds, how much of the future is acted on alone and how much of that is wrong. Of one "
        "file the last 30 % are the future. Stores nothing."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("past", help="a file of JSON lines, may be gzipped")
        parser.add_argument("future", nargs="?", default="", help="another, for what comes after")
        parser.add_argument(
            "--budget", type=float, default=0.02, help="error rate that may be shipped (0.02)"
        )
        parser.add_argument(
            "--verdicts", type=int, default=4000, help="all that people are asked (4000)"
        )
        parser.add_argument("--seeds", type=int, default=20, help="times it is played (20)")

    def handle(
        self,
        *_args: object,
        past: str,
        future: str,
        budget: float,
        verdicts: int,
        seeds: int,
        **_options: object,
    ) -> None:
        """Play and print; the last line is one JSON object."""
        _check(budget, verdicts, seeds)
        before, after = read_files(past, future)
        reference = find_reference(after, alpha=budget)
        played = [
            play_loop(past=before, future=after, alpha=budget, verdicts=verdicts, seed=seed)
            for seed in tqdm(range(seeds), unit=" seeds", disable=None)
        ]
        self._print_rounds(played, reference, len(before), len(after), budget)
        last = [results[-1] for results in played]
        outcome = {
            "auto_share": median(one.auto_share for one in last),
            "auto_error": median(one.auto_error for one in last),
            "oracle_share": reference.oracle_share,
            "certified": sum(one.certified is not None for one in last) / seeds,
            "verdicts": median(one.verdicts for one in last),
            "default_share": reference.default_share,
            "default_error": reference.default_error,
        }
        self.stdout.write(json.dumps({name: round(value, 5) for name, value in outcome.items()}))

    def _print_rounds(
        self,
        played: Sequence[Sequence[RoundResult]],
        reference: Reference,
        past: int,
        future: int,
        budget: float,
    ) -> None:
        self.stdout.write(
            f"{past:,} items of the past, {future:,} of the future, budget {budget:.2%}, "
            f"medians of {len(played)} seeds. Round 0 is a pilot with {PILOT_VERDICTS:.0%} of the "
            "verdicts; nothing is acted on before a cut-off is certified."
        )
        heads = ("round", "verdicts", "auto share", "auto error", "certified", "future over it")
        self.stdout.write(_LINE.format(*heads))
        for number, results in enumerate(zip(*played, strict=True)):
            certified = [one for one in results if one.certified is not None]
            broken = sum(one.auto_error > budget for one in results)
            self.stdout.write(
                _LINE.format(
                    number,
                    f"{median(one.verdicts for one in results):,.0f}",
                    f"{median(one.auto_share for one in results):.1%}",
                    f"{median(one.auto_error for one in results):.2%}",
                    f"{len(certified)} of {len(results)}",
                    f"{broken} of {len(results)}",
                )
            )
        share, error = f"{reference.default_share:.1%}", f"{reference.default_error:.2%}"
        self.stdout.write(_LINE.format("default", "-", share, error, "-", "-"))
        oracle = f"{reference.oracle_share:.1%}"
        self.stdout.write(_LINE.format("oracle", "-", oracle, f"{budget:.2%}", "-", "-"))


def _check(budget: float, verdicts: int, seeds: int) -> None:
    if not 0.0 < budget < 1.0:
        raise CommandError(f"--budget is {budget}; give a share between 0 and 1, such as 0.02")
    if verdicts < 1:
        raise CommandError(f"--verdicts is {verdicts}; give 1 or more")
    if seeds < 1:
        raise CommandError(f"--seeds is {seeds}; give 1 or more")


def read_files(past: str, future: str) -> tuple[Predictions, Predictions]:
    """The past and the future of one or two files.

    Raises:
        CommandError: a file cannot be played on; names the line.
    """
    before = _read_file(past)
    if future:
        after = _read_file(future)
    else:
        first = round(len(before) * (1.0 - _FUTURE))
        before, after = before[:first], before[first:]
    if min(len(before), len(after)) < _FEWEST_ROWS:
        raise CommandError(
            f"{len(before)} items of the past and {len(after)} of the future; "
            f"give at least {_FEWEST_ROWS} of each"
        )
    # What the model was trained on is what it scores; any other truth fits no category.
    categories = sorted({key for row in (*before, *after) for key in _scores_of(row)})
    try:
        return (
            read_predictions(before, categories=categories),
            read_predictions(after, categories=categories),
        )
    except SimulationError as error:
        raise CommandError(f"{past}: {error}") from None


def _scores_of(row: Row) -> dict[str, float]:
    scores = row["scores"]
    assert isinstance(scores, dict)  # noqa: S101 - `_read_file` has seen to it
    return scores


def _read_file(name: str) -> list[Row]:
    try:
        body = Path(name).read_bytes()
        if body.startswith(_GZIP_MAGIC):
            body = gzip.decompress(body)
        lines = body.decode("utf-8-sig").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}") from None
    return [
        _read_row(f"{name}, line {number}", line)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _read_row(place: str, line: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CommandError(f"{place} is no JSON: {error}") from None
    if not isinstance(row, dict) or not isinstance(row.get("scores"), dict) or not row["scores"]:
        raise CommandError(f'{place}: "scores" by category are missing; every line needs them')
    if "truth" not in row:
        raise CommandError(f'{place}: "truth" is missing; every line needs it')
    return row
