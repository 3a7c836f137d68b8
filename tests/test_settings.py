"""Settings from plain dictionaries: nothing unknown, nothing ignored, nothing bent into shape."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import SettingError
from earmark.settings import from_dict, to_dict


@dataclass(frozen=True)
class Inner:
    width: int = 3


@dataclass(frozen=True)
class Outer:
    count: int
    rate: float = 1.5
    name: str = "x"
    flag: bool = False
    kind: Literal["soft", "hard"] = "soft"
    limit: float | None = None
    sizes: tuple[int, ...] = (1, 2)
    inner: Inner = field(default_factory=Inner)
    anything: Any = None
    derived: int = field(init=False, default=7)


numbers = st.floats(allow_nan=False, allow_infinity=False)
outers = st.builds(
    Outer,
    count=st.integers(),
    rate=numbers,
    name=st.text(),
    flag=st.booleans(),
    kind=st.sampled_from(["soft", "hard"]),
    limit=st.none() | numbers,
    sizes=st.lists(st.integers()).map(tuple),
    inner=st.builds(Inner, st.integers()),
)


@given(outers)
def test_round_trip_through_json(outer):
    values = to_dict(outer)
    assert "derived" not in values
    assert from_dict(Outer, json.loads(json.dumps(values)), "[outer]") == outer


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*to_dict(Outer(1)), "other"]), plain))
def test_anything_is_taken_as_it_is_or_refused(values):
    """Whatever comes, the result holds what was said, or it is an error in words."""
    try:
        said = to_dict(from_dict(Outer, values, "[outer]"))
    except SettingError:
        return
    for name, value in values.items():
        assert said[name] == value or name == "inner"
        assert isinstance(said[name], bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "[outer] lacks the setting 'count'."),
        (
            {"count": 1, "raet": 2},
            "[outer] has no setting 'raet'. There are: count, rate, name, flag, kind, limit, sizes, inner, anything."
            " Did you mean 'rate'?",
        ),
        (
            {"count": 1, "derived": 2},
            "[outer] has no setting 'derived'. There are: count, rate, name, flag, kind, limit, sizes, inner,",
        ),
        ({"count": 1.0}, "[outer] count is 1.0, but must be a whole number."),
        ({"count": True}, "[outer] count is True, but must be a whole number."),
        ({"count": "1"}, "[outer] count is '1', but must be a whole number."),
        ({"count": None}, "[outer] count is None, but must be a whole number."),
        ({"count": 1, "rate": True}, "[outer] rate is True, but must be a number."),
        ({"count": 1, "rate": "fast"}, "[outer] rate is 'fast', but must be a number."),
        ({"count": 1, "rate": float("nan")}, "[outer] rate is not a finite number."),
        ({"count": 1, "rate": float("-inf")}, "[outer] rate is not a finite number."),
        ({"count": 1, "rate": 10**400}, "[outer] rate is not a finite number."),
        ({"count": 1, "limit": float("inf")}, "[outer] limit is not a finite number."),
        ({"count": 1, "limit": "none"}, "[outer] limit is 'none', but must be a number."),
        ({"count": 1, "name": 5}, "[outer] name is 5, but must be text."),
        ({"count": 1, "flag": 1}, "[outer] flag is 1, but must be true or false."),
        (
            {"count": 1, "kind": "hart"},
            "[outer] kind is 'hart'. Allowed: 'soft', 'hard'. Did you mean 'hard'?",
        ),
        ({"count": 1, "kind": ["soft"]}, "[outer] kind is ['soft']. Allowed: 'soft', 'hard'."),
        ({"count": 1, "kind": True}, "[outer] kind is True. Allowed: 'soft', 'hard'."),
        ({"count": 1, "sizes": 5}, "[outer] sizes is 5, but must be a list."),
        ({"count": 1, "sizes": "12"}, "[outer] sizes is '12', but must be a list."),
        ({"count": 1, "sizes": [1, True]}, "[outer] sizes is True, but must be a whole number."),
        ({"count": 1, "inner": 5}, "[outer] inner is 5, but must be a table of settings."),
        (
            {"count": 1, "inner": {"hight": 5}},
            "[outer] inner has no setting 'hight'. There are: width.",
        ),
    ],
)
def test_refusals(values, message):
    with pytest.raises(SettingError, match=f"^{re.escape(message)}") as caught:
        from_dict(Outer, values, "[outer]")
    assert caught.value.exit_code == 2


def test_no_settings_at_all():
    @dataclass(frozen=True)
    class Nothing:
        pass

    assert from_dict(Nothing, {}, "[nothing]") == Nothing()
    message = r"\[nothing\] has no setting 'x'\. There are: none\."
    with pytest.raises(SettingError, match=message):
        from_dict(Nothing, {"x": 1}, "[nothing]")


def test_a_whole_number_is_a_number():
    rate = from_dict(Outer, {"count": 1, "rate": 2}, "[outer]").rate
    assert (rate, type(rate)) == (2.0, float)
