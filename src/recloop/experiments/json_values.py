import dataclasses
import math
from collections.abc import Mapping
from typing import Any


def to_json(value: Any) -> Any:
    """A value of dataclasses, mappings and tuples as JSON values; NaN and infinite become None.

    >>> to_json({"low": (0.5, float("-inf"))})
    {'low': [0.5, None]}
    """
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: to_json(entry) for key, entry in value.items()}
        case tuple() | list():
            return [to_json(entry) for entry in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
