"""A chunk that was lost: which of its clips it was lost by, and the others done all the same."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace

from earmark.engine import Engine, Lost
from earmark.extract.work import Chunk, Done, Work

_KIND = "crashed"
_PATIENCE = 2  # cuts of one file that may be lost before the others of it are given up unheard
_HALVINGS = 3


def without_the_lost(
    chunk: Chunk, work: Work, engine: Engine, losses: Counter[str], halvings: int = _HALVINGS
) -> Done:
    """Find out which clips a chunk was lost by, name them, and do the others.

    Parameters
    ----------
    losses
        By address: how many cuts of the file were lost so far, in this chunk and others.
    """
    lost = _culprits(chunk, work, engine, losses)
    others = [i for i in range(len(chunk.keys)) if i not in lost]
    if not others:
        return Done(failed=lost)
    (done,) = engine.map(work, [chunk.only(others)])
    if not isinstance(done, Lost):
        return replace(done, failed={**{others[i]: words for i, words in done.failed.items()}, **lost})
    # Alone each of them is well, together they are not: for want of memory, or somebody ends our processes.
    if not halvings or len(others) == 1:
        return Done(failed={**dict.fromkeys(others, (_KIND, done.reason)), **lost})
    total, failed = Done(), dict(lost)
    for half in (others[: len(others) // 2], others[len(others) // 2 :]):
        part = without_the_lost(chunk.only(half), work, engine, losses, halvings - 1)
        total += replace(part, failed={})
        failed |= {half[i]: words for i, words in part.failed.items()}
    return replace(total, failed=failed)


def _culprits(chunk: Chunk, work: Work, engine: Engine, losses: Counter[str]) -> dict[int, tuple[str, str]]:
    """Return the clips that are lost even alone, with the reason. Cuts of one file are tried one after the other."""
    lost: dict[int, tuple[str, str]] = {}
    waiting: dict[str, deque[int]] = {}
    for i, address in enumerate(chunk.addresses):
        waiting.setdefault(address, deque()).append(i)
    while waiting:
        batch = []
        for address, rows in waiting.items():
            if losses[address] < _PATIENCE:
                batch.append(rows.popleft())
                continue
            reason = "not tried, since other cuts of the file crashed its decoder or never ended"
            lost |= dict.fromkeys(rows, (_KIND, reason))
            rows.clear()
        for i, reason in _alone(chunk, batch, work, engine):
            losses[chunk.addresses[i]] += 1
            lost[i] = _KIND, reason
        waiting = {address: rows for address, rows in waiting.items() if rows}
    return lost


def _alone(chunk: Chunk, rows: list[int], work: Work, engine: Engine) -> list[tuple[int, str]]:
    """Return which of some clips are lost when each is done alone, and why."""
    probe = work.probe()
    found = zip(rows, engine.map(probe, (chunk.only([i]) for i in rows)), strict=True)
    lost = [(i, done) for i, done in found if isinstance(done, Lost)]
    # Who was ended from outside may have been in nobody's way but a memory watchdog's: once more.
    killed = [i for i, done in lost if "SIGKILL" in done.reason]
    again = dict(zip(killed, engine.map(probe, (chunk.only([i]) for i in killed)), strict=True))
    return [(i, done.reason) for i, done in lost if isinstance(again.get(i, done), Lost)]
