from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """One number of a simulator and where it comes from.

    Attributes:
        name: what it is.
        value: in words.
        fitted: whether the log told it; else it is assumed.
        source: by which method, or why it is assumed.
    """

    name: str
    value: str
    fitted: bool
    source: str
