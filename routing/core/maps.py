"""Calibration maps: from a raw confidence to a calibrated one.

With z = ln p - ln(1 - p), p clipped to [CLIP, 1 - CLIP], and s(x) = 1 / (1 + exp(-x)):

    identity      p                               (nothing clipped)
    platt         s(a z + b)                      Platt 1999, on the logit
    temperature   s(z / T)                        Guo et al. 2017, two-class form
    beta          s(a ln p - b ln(1-p) + c)       Kull, Silva Filho & Flach 2017
    isotonic      linear between knots (x, y), constant outside them

A map is plain numbers, never a pickled estimator: applying it needs numpy and nothing else.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Raw confidences are kept to nine decimals, so nothing finer than this can be told from 0 or 1.
CLIP: Final = 1e-9


class PolicyError(ValueError):
    """A policy that cannot be used; the message is for the person who wrote it.

    `field` is the place, as in `rules.vpn_issue.flagged`.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class CalibrationMap:
    """A map of one kind with its numbers; equal numbers are equal maps.

    `parameters` are (a, b) for platt, (T,) for temperature, (a, b, c) for beta, else empty;
    `knots` are the (x, y) of isotonic, x strictly rising and y not falling, all in 0..1.
    Raises PolicyError when the numbers do not make a map of that kind.
    """

    kind: str
    parameters: tuple[float, ...] = ()
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in _PARAMETERS:
            known = ", ".join(_PARAMETERS)
            raise PolicyError(
                f"kind {self.kind[:60]!r} is no map; use one of {known}", field="kind"
            )
        _check_parameters(self.kind, self.parameters)
        _check_knots(self.kind, self.knots)

    def apply(self, p: FloatArray) -> FloatArray:
        """Calibrated confidences for raw ones `p` in 0..1, any shape; the shape is kept."""
        p = np.asarray(p, dtype=np.float64)
        if self.kind == "identity":
            return p.copy()
        if self.kind == "isotonic":
            x, y = np.array(self.knots, dtype=np.float64).T
            return np.asarray(np.interp(p, x, y), dtype=np.float64)
        clipped = np.clip(p, CLIP, 1.0 - CLIP)
        return _sigmoid(_LINEAR[self.kind](self.parameters, np.log(clipped), np.log1p(-clipped)))

    def lowest_raw(self, confidence: float) -> float | None:
        """The lowest raw confidence that is taken to `confidence` or above; None if none is."""
        low, high = 0.0, 1.0
        if float(self.apply(np.array([high]))[0]) < confidence:
            return None
        if float(self.apply(np.array([low]))[0]) >= confidence:
            return low
        for _ in range(50):
            middle = (low + high) / 2.0
            if float(self.apply(np.array([middle]))[0]) >= confidence:
                high = middle
            else:
                low = middle
        return high

    def to_json(self) -> dict[str, object]:
        """The map as a JSON object; `from_json` reads it back equal."""
        return {
            "kind": self.kind,
            "parameters": list(self.parameters),
            "knots": [list(knot) for knot in self.knots],
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The map of a JSON object; raises PolicyError naming the field that is wrong."""
        if not isinstance(document, Mapping):
            raise PolicyError(
                "a map must be an object with kind, parameters and knots, "
                f"not {type(document).__name__}",
                field="map",
            )
        unknown = sorted(str(key) for key in document.keys() - {"kind", "parameters", "knots"})
        if unknown:
            raise PolicyError(
                f"{unknown[0][:60]!r} is no field of a map; remove it", field=unknown[0]
            )
        kind = document.get("kind")
        if not isinstance(kind, str):
            raise PolicyError(
                f"kind must be the name of a map, one of {', '.join(_PARAMETERS)}",
                field="kind",
            )
        knots = tuple(
            _read_knot(knot, place=f"knots.{index}")
            for index, knot in enumerate(_read_list(document.get("knots", ()), place="knots"))
        )
        parameters = _read_numbers(document.get("parameters", ()), place="parameters")
        return cls(kind=kind, parameters=parameters, knots=knots)


Linear = Callable[[tuple[float, ...], FloatArray, FloatArray], FloatArray]

_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "identity": (),
    "platt": ("a", "b"),
    "temperature": ("T",),
    "beta": ("a", "b", "c"),
    "isotonic": (),
}

# What goes into the sigmoid, from ln p and ln(1 - p).
_LINEAR: Final[Mapping[str, Linear]] = {
    "platt": lambda numbers, log_p, log_q: numbers[0] * (log_p - log_q) + numbers[1],
    "temperature": lambda numbers, log_p, log_q: (log_p - log_q) / numbers[0],
    "beta": lambda numbers, log_p, log_q: numbers[0] * log_p - numbers[1] * log_q + numbers[2],
}


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)), dtype=np.float64)


def _check_parameters(kind: str, parameters: tuple[float, ...]) -> None:
    names = _PARAMETERS[kind]
    if len(parameters) != len(names):
        wanted = f"({', '.join(names)})" if names else "no parameters"
        raise PolicyError(
            f"{kind} takes {wanted}, not {len(parameters)} numbers", field="parameters"
        )
    for name, value in zip(names, parameters, strict=True):
        if not math.isfinite(value):
            raise PolicyError(f"{kind} {name} is {value}; give a finite number", field="parameters")
        if name == "T" and value <= 0:
            raise PolicyError(f"temperature T is {value}; it must be above 0", field="parameters")
        if kind == "beta" and name != "c" and value < 0:
            raise PolicyError(f"beta {name} is {value}; it must not be under 0", field="parameters")


def _check_knots(kind: str, knots: tuple[tuple[float, float], ...]) -> None:
    if kind != "isotonic":
        if knots:
            raise PolicyError(f"{kind} takes no knots; leave them out", field="knots")
        return
    if not knots:
        raise PolicyError("isotonic needs at least one knot (x, y)", field="knots")
    for index, (x, y) in enumerate(knots):
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise PolicyError(f"knot ({x}, {y}) is outside 0..1", field=f"knots.{index}")
        if index and (x <= knots[index - 1][0] or y < knots[index - 1][1]):
            raise PolicyError(
                f"knot ({x}, {y}) does not follow {knots[index - 1]}: x must rise, y not fall",
                field=f"knots.{index}",
            )


def _read_list(value: object, *, place: str) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise PolicyError(f"{place} must be a list, not {type(value).__name__}", field=place)
    return value


def _read_numbers(value: object, *, place: str) -> tuple[float, ...]:
    numbers = []
    for number in _read_list(value, place=place):
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise PolicyError(
                f"{place} must hold numbers, not {type(number).__name__}", field=place
            )
        numbers.append(_as_float(number, place=place))
    return tuple(numbers)


def _as_float(number: float, *, place: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise PolicyError(f"{place} holds a number beyond floating point", field=place) from None


def _read_knot(value: object, *, place: str) -> tuple[float, float]:
    numbers = _read_numbers(value, place=place)
    if len(numbers) != 2:
        raise PolicyError(f"{place} must be a pair (x, y), not {len(numbers)} numbers", field=place)
    return numbers[0], numbers[1]


IDENTITY: Final = CalibrationMap("identity")
