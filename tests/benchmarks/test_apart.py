"""Measurements in processes of their own."""

from benchmarks.apart import measure_apart
from benchmarks.tree import peak_mib


def own_peak(*words: str) -> dict[str, float]:
    return {"words": len("".join(words)), "peak": peak_mib()}


def test_figures_come_from_another_process() -> None:
    held = bytearray(b"x") * 300 * 1024 * 1024
    found = measure_apart(own_peak, "a", "bc")
    assert found["words"] == 3
    assert 20.0 < found["peak"] < len(held) / 1024**2
