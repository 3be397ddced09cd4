"""What the statistics refuse."""


class CalibrationError(ValueError):
    """An input from which no honest number can be computed; the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
