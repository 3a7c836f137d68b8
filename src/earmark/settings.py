"""Dataclass settings to and from plain dictionaries (JSON, TOML), strictly: nothing unknown, nothing ignored."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from earmark.errors import SettingError, UnknownNameError, nearest

T = TypeVar("T")

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def to_dict(settings: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as JSON-ready values (tuples become lists)."""
    return {f.name: _plain(getattr(settings, f.name)) for f in dataclasses.fields(settings) if f.init}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def from_dict(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build ``cls`` from ``values``; ``where`` names the place in errors, such as ``"[feature]"``.

    Raises
    ------
    SettingError
        For a name the class does not have, a missing name that has no default, or a value of the wrong kind.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Window:
    ...     length: int = 2048
    >>> from_dict(Window, {"length": 512}, "[window]")
    Window(length=512)
    >>> from_dict(Window, {"lenght": 512}, "[window]")
    Traceback (most recent call last):
    earmark.errors.SettingError: [window] has no setting 'lenght'. There are: length. Did you mean 'length'?
    """
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    for name in values:
        if name not in fields:
            allowed = ", ".join(fields) or "none"
            raise SettingError(
                f"{where} has no setting '{name}'. There are: {allowed}.{nearest(str(name), fields)}"
            )
    for name, f in fields.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise SettingError(f"{where} lacks the setting '{name}'.")
    kwargs = {name: _convert(hints[name], value, f"{where} {name}") for name, value in values.items()}
    return cls(**kwargs)


def named_to_dict(settings: Any) -> dict[str, Any]:
    """Return the fields of an entry of a registry, with the ``name`` that it has there."""
    return {"name": settings.name, **to_dict(settings)}


def named_from_dict(kind: str, registry: Mapping[str, type[T]], values: Mapping[str, Any]) -> T:
    """Invert `named_to_dict`; ``kind`` says in errors what the registry holds.

    Raises
    ------
    UnknownNameError
        For a name that the registry does not have.
    SettingError
        As `from_dict`.
    """
    name = str(values.get("name", ""))
    if name not in registry:
        raise UnknownNameError(kind, name, registry)
    return from_dict(registry[name], {k: v for k, v in values.items() if k != "name"}, f"[{kind}]")


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        first, *others = (a for a in args if a is not type(None))
        for hint in others:
            with suppress(SettingError):
                return _convert(hint, value, where)
        try:
            return _convert(first, value, where)
        except SettingError as error:
            more = "".join(f" Also: {_WORDS.get(other, other.__name__)}." for other in others)
            raise SettingError(f"{error}{more}") from None
    if origin is typing.Literal:
        if value in args and not isinstance(value, bool):
            return value
        allowed = ", ".join(map(repr, args))
        raise SettingError(f"{where} is {value!r}. Allowed: {allowed}.{nearest(str(value), map(str, args))}")
    if origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(_convert(args[0], v, where) for v in value)
        raise SettingError(f"{where} is {value!r}, but must be a list.")
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, Mapping):
            return from_dict(hint, value, where)
        raise SettingError(f"{where} is {value!r}, but must be a table of settings.")
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value, where)
    if hint is Any or (isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool)):
        return value
    raise SettingError(f"{where} is {value!r}, but must be {_WORDS.get(hint, hint.__name__)}.")


def _finite(value: float, where: str) -> float:
    try:
        if math.isfinite(number := float(value)):
            return number
    except OverflowError:  # a whole number beyond what a float holds
        pass
    raise SettingError(f"{where} is not a finite number.")
