"""Training by an engine: the same to the bit as in this process, and only what is missing."""

from __future__ import annotations

import pytest

from earmark.engine import Local, Lost
from earmark.errors import RunError
from earmark.train import fit
from test_train import SETTINGS, problem, same, tasks


class Counting(Local):
    """Notes how many items it was given."""

    def __init__(self) -> None:
        super().__init__(2)
        self.items = 0

    def map(self, function, items):
        for item in items:
            self.items += 1
            yield from super().map(function, [item])


class Failing:
    workers = 1

    def map(self, function, items):
        return (Lost("it was unplugged") for _ in items)


def test_by_an_engine_and_here_are_the_same_to_the_bit(tmp_path):
    made, heard = problem(), []
    here = fit(made, tasks(), tmp_path / "here", processes=1)
    there = fit(
        made,
        tasks(),
        tmp_path / "there",
        lambda task, entry: heard.append((task, entry["epoch"])),
        engine=Local(2),
    )
    assert all(same(a, b) for a, b in zip(here, there, strict=True))
    assert heard == [(task, epoch) for task in range(3) for epoch in range(1, SETTINGS.epochs + 1)]


def test_what_is_finished_is_not_trained_again(tmp_path):
    made, engine = problem(), Counting()
    first = fit(made, tasks(), tmp_path, engine=engine)
    (tmp_path / "network-1.safetensors").unlink()
    again = fit(made, tasks(), tmp_path, engine=engine)
    assert engine.items == 3 + 1
    assert all(same(a, b) for a, b in zip(first, again, strict=True))


def test_what_was_begun_here_is_ended_there(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_CHECKPOINT_SECONDS", "0")
    made, heard = problem(), []
    whole = fit(made, tasks(), tmp_path / "whole", processes=1)

    def cut(task, entry):
        if entry["epoch"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(made, tasks(), tmp_path / "cut", cut, processes=1)
    resumed = fit(
        made, tasks(), tmp_path / "cut", lambda t, e: heard.append((t, e["epoch"])), engine=Local(2)
    )
    assert all(same(a, b) for a, b in zip(whole, resumed, strict=True))
    assert len(heard) < 3 * SETTINGS.epochs


def test_a_network_that_is_lost_is_said(tmp_path):
    with pytest.raises(RunError) as caught:
        fit(problem(), tasks(), tmp_path, engine=Failing())
    assert str(caught.value) == (
        "Network 1 of 3 was not trained: it was unplugged. Run the same command again to go on."
    )


def test_a_loss_that_breaks_down_there_is_said(tmp_path):
    made = problem()
    made.values[:] = float("nan")
    with pytest.raises(
        RunError, match=r"^Training broke down: the loss is nan in epoch 1\. A lower learning_rate"
    ):
        fit(made, tasks(), tmp_path, engine=Local(2))
