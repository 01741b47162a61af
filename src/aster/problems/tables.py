"""Reading one TOML table into a typed record, with every trouble named by its key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from aster.problems.troubles import Trouble, nearest


class Table(BaseModel):
    """A frozen table. Each field's description completes the sentence "must be ..." in errors."""

    model_config = ConfigDict(frozen=True, strict=True, populate_by_name=True)


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


ListToTuple = BeforeValidator(_as_tuple)
"""TOML has lists, frozen records hold tuples; everything else stays as strict as it is."""

M = TypeVar("M", bound=Table)


def read_table(model: type[M], raw: object, where: str, key: str, troubles: list[Trouble]) -> M | None:
    """Return `raw` as a `model`, or None after adding what is wrong to `troubles`."""
    if not isinstance(raw, dict):
        troubles.append(Trouble(where, key, f"must be a table, written as [{key}]"))
        return None
    known = {field.alias or name for name, field in model.model_fields.items()}
    strange = [Trouble(where, _join(key, name), refusal(name, known)) for name in raw if name not in known]
    troubles.extend(strange)
    try:
        return model.model_validate({name: value for name, value in raw.items() if name in known})
    except ValidationError as error:
        label = raw.get("name") if "[" in key else None
        for detail in error.errors(include_url=False):
            troubles.append(_trouble(model, detail, where, key, label))
        return None


def read_tables(model: type[M], raw: object, where: str, key: str, troubles: list[Trouble]) -> list[M | None] | None:
    """Return `raw`, a list of tables, as records, with None for a broken one; None if it is no list of tables.

    Indices in keys count from 0.
    """
    if not isinstance(raw, list):
        troubles.append(Trouble(where, key, f"must be a list of tables: write [[{key}]] above each"))
        return None
    return [read_table(model, item, where, f"{key}[{index}]", troubles) for index, item in enumerate(raw)]


def whole(items: Sequence[M | None] | None) -> tuple[M, ...] | None:
    """Return the records if none of them is broken, else None."""
    good = tuple(item for item in items or () if item is not None)
    return good if items is not None and len(good) == len(items) else None


def refusal(name: str, known: Collection[str]) -> str:
    """Return why a key that is not known is refused."""
    return "unknown key" + (nearest(name, known) or f"; known are {', '.join(sorted(known))}")


def _trouble(model: type[Table], detail: ErrorDetails, where: str, key: str, label: object) -> Trouble:
    top = str(detail["loc"][0]) if detail["loc"] else ""
    place = detail["loc"]
    wanted = _description(model, top)
    if detail["type"] == "missing" and len(place) > 1:  # a list that is too short
        text, place = f"must be {wanted}", place[:1]
    elif detail["type"] == "missing":
        text = f"missing; it must be {wanted}"
    elif detail["type"] == "value_error":
        text = str(detail["ctx"]["error"])
    else:
        text = f"must be {wanted}, not {show(detail['input'])}"
    if isinstance(label, str) and top != "name":
        text += f' (in "{label[:60]}")'
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return Trouble(where, (key + path).lstrip("."), text)


def _description(model: type[Table], key: str) -> str:
    fields: Mapping[str, Any] = model.model_fields
    return next((field.description for name, field in fields.items() if key in (name, field.alias)), None) or "valid"


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def show(value: object) -> str:
    """Return a value as TOML would show it, bounded to about 60 characters."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    if isinstance(value, bool):
        text = text.lower()
    return text if len(text) <= 60 else text[:57] + "..."
