"""Label Studio's JSON: an array of tasks, read one at a time.

A task is `{"data": {...}, "predictions": [...], "annotations": [...]}`. Choices of predictions are
scores, choices of annotations the truth; both name categories by key or by label. What the export
adds under `meta.review_queue` is read first, so that nothing is lost on the way back.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from reviewqueue.files.json_objects import split_objects
from reviewqueue.files.jsonl import note_error, plain_body, strip_note
from reviewqueue.files.records import ERROR_FIELD, Record, Source
from reviewqueue.refusals import ProblemError
from reviewqueue.strict_json import Flaw

# Where the export keeps what Label Studio has no place for.
META: Final = "review_queue"


class Tasks:
    """The tasks of an array, or of one object after the other.

    `names` maps categories' labels to their keys; what is no label is taken to be a key.
    """

    suffix = ".json"

    def __init__(self, source: Source, *, names: Mapping[str, str] | None = None) -> None:
        self.source = source
        self.names = names or {}

    def __iter__(self) -> Iterator[Record]:
        for number, (text, task, problem) in enumerate(split_objects(self.source), start=1):
            place = f"task {number}"
            source = strip_note(text.encode("utf-8", "surrogateescape"))
            if problem is not None:
                yield Record(place, source, problem=problem)
                continue
            if isinstance(task, dict) and task.pop(ERROR_FIELD, None) and not task:
                continue
            try:
                yield Record(place, source, _read_task(task, self.names))
            except ProblemError as found:
                yield Record(place, source, problem=found)

    def note_head(self) -> bytes:
        return b"[\n"

    def note(self, record: Record, message: str, *, is_first: bool) -> bytes:
        """The task with the message as its first field."""
        return (b"" if is_first else b",\n") + note_error(record.source or b"{}", message)

    def note_tail(self) -> bytes:
        return b"\n]\n"


def _read_task(task: object, names: Mapping[str, str]) -> dict[str, object]:
    """What a task says, as the API takes items.

    Raises:
        ProblemError: names the place in the task.
    """
    found = _object(task, "task")
    data = _object(found.get("data"), "data")
    meta = found.get("meta")
    kept = meta.get(META) if isinstance(meta, dict) else None
    body = plain_body(dict(kept)) if isinstance(kept, dict) else {}
    body["external_id"] = _id_of(found, data)
    payload = data.get("payload")
    body["payload"] = (
        payload
        if isinstance(payload, dict)
        else {key: value for key, value in data.items() if key != "external_id"}
    )
    # The prediction of an exported sentence says what was decided, and no scores of it.
    if "scores" not in body and "blocks" not in body:
        predictions = _list(found.get("predictions"), "predictions")
        if predictions:
            if isinstance(predictions[0], int):  # as Label Studio's plain export has them
                raise ProblemError(
                    "invalid",
                    "predictions[0] is the id of a prediction that the file lacks; export a "
                    "snapshot from Label Studio with predictions in full.",
                    field="predictions[0]",
                )
            body |= _read_prediction(_object(predictions[0], "predictions[0]"), names)
    truth = _read_annotations(_list(found.get("annotations"), "annotations"), names)
    if truth:
        body["truth"] = truth[0] if len(truth) == 1 else truth
    return body


def _id_of(task: dict[str, object], data: dict[str, object]) -> object:
    given = data.get("external_id")
    if given is None and isinstance(task.get("id"), int | str):
        return f"task-{task['id']}"
    if given is None:
        raise ProblemError(
            "invalid", "data.external_id is missing, and so is id; add one.", field="external_id"
        )
    return str(given) if isinstance(given, int) else given


def _read_prediction(prediction: dict[str, object], names: Mapping[str, str]) -> dict[str, object]:
    """The model version and the scores of a prediction; what they lack to 1 stays missing."""
    scores: dict[str, object] = {}
    for place, region, choices in _regions(prediction, "predictions[0]", names):
        if len(choices) != 1:
            raise ProblemError(
                "invalid",
                f"{place} has {len(choices)} choices; give one, with its score.",
                field=place,
            )
        score = region.get("score", prediction.get("score"))
        if choices[0] in scores:
            detail = f"{place} names {choices[0]} again; name each choice once."
            raise ProblemError("invalid", detail, field=place)
        if score is None:
            raise ProblemError("invalid", f"{place} has no score; add it.", field=place)
        scores[choices[0]] = score
    read: dict[str, object] = {"scores": scores} if scores else {}
    if prediction.get("model_version") is not None:
        read["model_version"] = prediction["model_version"]
    return read


def _read_annotations(annotations: list[object], names: Mapping[str, str]) -> list[str]:
    """The categories on which the annotations that count agree; empty where there are none.

    One that is marked as ground truth outweighs the others.
    """
    answers: dict[bool, list[list[str]]] = {True: [], False: []}
    for number, given in enumerate(annotations):
        annotation = _object(given, f"annotations[{number}]")
        chosen = [
            choice
            for _, _, choices in _regions(annotation, f"annotations[{number}]", names)
            for choice in choices
        ]
        if chosen and not annotation.get("was_cancelled"):
            answers[annotation.get("ground_truth") is True].append(chosen)
    counting = answers[True] or answers[False]
    if any(set(answer) != set(counting[0]) for answer in counting):
        raise ProblemError(
            "invalid",
            "annotations disagree; keep one, or mark one as ground_truth.",
            field="annotations",
        )
    return counting[0] if counting else []


def _regions(
    holder: dict[str, object], place: str, names: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, object], list[str]]]:
    """Place, region and category keys of each result that is a choice."""
    for number, given in enumerate(_list(holder.get("result"), f"{place}.result")):
        here = f"{place}.result[{number}]"
        region = _object(given, here)
        if region.get("type") != "choices":
            continue
        value = _object(region.get("value"), f"{here}.value")
        choices = _list(value.get("choices"), f"{here}.value.choices")
        if not all(isinstance(choice, str) for choice in choices):
            raise ProblemError("invalid", f"{here} has a choice that is no text.", field=here)
        yield here, region, [names.get(str(choice), str(choice)) for choice in choices]


def _object(value: object, place: str) -> dict[str, object]:
    if isinstance(value, Flaw):
        raise ProblemError("invalid", f"{place}: {value} {value.message}.", field=place)
    if not isinstance(value, dict):
        raise ProblemError("invalid", f"{place} is no object; write a JSON object.", field=place)
    return value


def _list(value: object, place: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ProblemError("invalid", f"{place} is no array; write a JSON array.", field=place)
    return value
