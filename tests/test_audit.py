"""The leakage audit: five planted leaks are found and named, official folds pass, shortcuts are told."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from earmark.check import check
from earmark.check.shortcuts import judge
from earmark.dataset import Clips
from earmark.engine import Local
from earmark.errors import LeakageError
from earmark.leakage import leakage
from earmark.links import overlaps
from earmark.listener import Silent
from earmark.pipeline import prepare
from earmark.readers import read
from earmark.recipe import Recipe
from earmark.split import TEST, TRAIN, UNUSED, Rows, Split, SplitSettings, cross_validation, holdout
from earmark.types import Clip
from test_landmarks import EDITS, HZ, scene

CLASSES = ("dog", "cat")


@pytest.fixture(scope="module")
def planted(tmp_path_factory, write_wav):
    """Two folds of clean clips, and five leaks from fold 1 into fold 2."""
    root = tmp_path_factory.mktemp("planted") / "planted"
    rows = []

    def clip(name, group, fold, samples=None, rate=HZ, label=None, cut=",", **how):
        if samples is not None:
            write_wav(root / name, samples, rate, **how)
        rows.append(f"{name},{label or CLASSES[len(rows) % 2]},{group},{fold},{cut}")

    for i in range(16):
        clip(f"clean{i}.wav", f"r{i}", i % 4 // 2 + 1, scene(i, 2.0))
    clip("same-id.wav", "r0", 2, scene(100, 2.0))  # clean0.wav is in fold 1
    write_wav(root / "long.wav", scene(101, 6.0), HZ)
    clip("long.wav", "morning", 1, cut="0.0,3.0")
    clip("long.wav", "evening", 2, cut="2.0,5.0")
    clip("exact.wav", "x1", 2, scene(1, 2.0))
    soundfile.write(root / "coded.mp3", *EDITS["mp3 at 32 kbit/s"](scene(4, 2.0)))
    clip("coded.mp3", "x2", 2, label="dog")
    clip("looped.wav", "x3", 2, *EDITS["a second, looped"](scene(5, 2.0)), label="cat")
    table = "path,label,group,fold,start,end\n" + "\n".join(rows) + "\n"
    (root / "clips.csv").write_text(table)
    return root


LEAKS = {
    "same id": ("shared_group", "r0", "the recording stands in the folds 1, 2"),
    "overlap": (
        "overlapping_cuts",
        "long.wav",
        "overlaps long.wav at 0 s, which is said to be the recording morning and not evening (from 2 to 5 s)",
    ),
    "exact copy": ("duplicate", "exact.wav", "the same sound as clean1.wav, but another recording and fold"),
    "re-encoded copy": ("near_duplicate", "coded.mp3", "nearly the same sound as clean4.wav, but another recording"),
    "looped copy": (
        "near_duplicate",
        "looped.wav",
        "nearly the same sound as clean5.wav, but another recording and fold",
    ),
}  # fmt: skip


def test_five_planted_leaks_are_found_and_named(earmark, planted):
    shown = earmark("check", planted, "--strict", code=1).stdout
    record = json.loads(earmark("check", planted, "--json").stdout)
    for kind, path, detail in LEAKS.values():
        assert any(
            (p["kind"], p["path"]) == (kind, path) and p["detail"].startswith(detail)
            for p in record["problems"]
        ), (kind, path, [p for p in record["problems"] if p["path"] == path])
        assert f"({kind})" in shown
        assert f"     {path}: {detail}" in shown
    leaks = [(p["path"], p["detail"]) for p in record["problems"] if p["kind"] == "leak"]
    assert leaks == [
        ("clean1.wav", "in fold 1, and the same sound in fold 2: exact.wav"),
        ("clean4.wav", "in fold 1, and a copy in disguise in fold 2: coded.mp3"),
        ("clean5.wav", "in fold 1, and a copy in disguise in fold 2: looped.wav"),
        ("long.wav", "in fold 1, and a stretch of the same file in fold 2: long.wav at 2 s (from 0 to 3 s)"),
    ]
    folds = record["leakage"]["folds"]
    assert (folds["passes"], folds["leaks"], folds["known_exceptions"]) == (False, 5, [])
    assert folds["each"] == {
        "1": {"test_clips": 9, "sharing": 5}, "2": {"test_clips": 13, "sharing": 5},
    }  # fmt: skip
    assert "10 of 22 clips (45.5%) share a recording, or a copy, with another fold" in shown


def test_the_quick_way_leaves_disguises_out_and_says_so(earmark, planted, tmp_path):
    record = json.loads(earmark("check", planted, "--quick", "--json").stdout)
    assert {p["kind"] for p in record["problems"]}.isdisjoint({"near_duplicate"})
    assert record["leakage"]["copies_looked_for"] is False
    assert record["leakage"]["folds"]["leaks"] == 3
    rows = (planted / "clips.csv").read_text().splitlines()
    clean = [f"{planted}/{row}" for row in rows[1:17]]
    (tmp_path / "clean.csv").write_text("\n".join([rows[0], *clean]))
    told = "no fold shares a recording or a sound with another"
    assert (
        f"{told} (copies in disguise not looked for)"
        in earmark("check", tmp_path / "clean.csv", "--quick").stdout
    )
    assert f"{told}\n" in earmark("check", tmp_path / "clean.csv", "--strict").stdout


def prepared(planted, copies):
    recipe = Recipe(split=SplitSettings(copies=copies)).with_data(str(planted))
    ready = prepare(recipe, Silent(), Local(2))
    names = ready.dataset.clips.paths[ready.table.rows].tolist()
    return ready.rows, names


def test_training_sets_disguised_copies_aside(planted, tmp_path):
    """In the same decoding: what is asked of the store again is there."""
    plain = tmp_path / "plain"
    plain.mkdir()
    table = [row for row in (planted / "clips.csv").read_text().splitlines() if not row.startswith("same-id")]
    (plain / "clips.csv").write_text("\n".join([table[0], *(f"{planted}/{row}" for row in table[1:])]))
    rows, names = prepared(plain, True)
    without, _ = prepared(plain, False)
    found = {(names[a].split("/")[-1], names[b].split("/")[-1]) for a, b in rows.links.tolist()}
    cut = ("long.wav", "long.wav")
    assert found - {("clean1.wav", "exact.wav")} == {
        cut,
        ("clean4.wav", "coded.mp3"),
        ("clean5.wav", "looped.wav"),
    }
    assert len(without.links) == 1
    split = holdout(rows, SplitSettings(test_fold=1, validation_share=0))
    aside = {names[i].split("/")[-1] for i in np.flatnonzero(split.roles == UNUSED)}
    assert aside == {"exact.wav", "coded.mp3", "looped.wav", "long.wav"}
    assert split.counts["test"] == 9
    for part in cross_validation(rows, SplitSettings(rule="grouped", folds=3)):
        for a, b in rows.links.tolist():
            assert (part.roles[a] == TEST) == (part.roles[b] == TEST)


def test_the_command_trains_and_tells_of_copies(earmark, planted, tmp_path):
    table = [row for row in (planted / "clips.csv").read_text().splitlines() if not row.startswith("same-id")]
    (tmp_path / "clips.csv").write_text("\n".join([table[0], *(f"{planted}/{row}" for row in table[1:])]))
    quick = ("--set", "train.epochs=2", "--set", "split.test_share=0.5", "--json")
    done = earmark("train", tmp_path / "clips.csv", "--split", "random", *quick, cwd=tmp_path)
    found = json.loads(done.stdout)["leakage"]
    assert found["test_clips_sharing_a_sound"] > found["test_clips_sharing_a_group"]
    blind = earmark(
        "train", tmp_path / "clips.csv", "--split", "random", *quick, "--set", "split.copies=false", cwd=tmp_path
    )  # fmt: skip
    less = json.loads(blind.stdout)["leakage"]
    assert less["test_clips_sharing_a_sound"] < found["test_clips_sharing_a_sound"]


def rows_of(groups, links, folds=None):
    n = len(groups)
    names = np.array([f"rec{g}" for g in groups], object)
    folds = np.full(n, -1, np.int32) if folds is None else np.asarray(folds, np.int32)
    base = Rows(np.arange(n) % 2, np.asarray(groups, np.int64), names, np.arange(n), folds, ("made", ""))
    return replace(base, links=np.array(links, np.int64).reshape(-1, 2))


def test_a_split_that_parts_a_copy_is_refused():
    roles = np.array([TRAIN, TRAIN, TEST, TEST], np.int8)
    with pytest.raises(LeakageError) as caught:
        Split(roles, "grouped", 0, rows_of([0, 1, 2, 3], [(1, 2)]))
    assert str(caught.value) == (
        "rec1 and rec2 share a stretch of sound, but stand in train and test. Use --split grouped."
    )


def test_only_the_copies_themselves_leak_and_not_their_recordings():
    rows = rows_of([0, 0, 1, 1, 2, 2], [(0, 2)])
    found = leakage(Split(np.array([TRAIN, TRAIN, TEST, TEST, TRAIN, TRAIN], np.int8), "random", 0, rows))
    assert (found.test_clips_sharing_a_group, found.test_clips_sharing_a_sound) == (0, 1)
    assert found.share == 0.5


def test_overlaps_chain_and_touching_cuts_do_not():
    def pairs(*cuts):
        return overlaps(Clips.of(Clip(p, ("x",), g, a, b) for p, g, a, b in cuts)).tolist()

    assert pairs(("x", "a", 0, 9), ("x", "b", 1, 2), ("x", "c", 3, 4), ("y", "d", 1, 2)) == [[0, 1], [0, 2]]
    assert pairs(("x", "a", 0, 1), ("x", "b", 1, 2), ("x", "c", 2, 3)) == []
    assert pairs(("x", "a", None, None), ("x", "b", 5, 6)) == [[0, 1]]
    assert pairs(("x", "a", 0, 2), ("x", "a", 1, 3)) == []


def test_a_hundred_copies_are_a_hundred_problems_and_no_more(tmp_path, write_wav):
    for i in range(30):
        write_wav(tmp_path / "ab"[i % 2] / f"{i}.wav", (0.3 + 0.02 * i) * scene(7, 1.5), HZ)
    found = check(read(tmp_path), engine=Local(2))
    near = [p for p in found.problems if p.kind == "near_duplicate"]
    assert len(near) == 29
    assert all("but another class" in p.detail or p.detail.endswith(".wav") for p in near)
    assert "recording" not in near[0].detail  # none are known here


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "exceptions", "near"),
    [
        ("esc10", [["151080", "151085"]], {"2-30322-A-12.flac", "2-30322-B-12.flac", "3-142605-A-21.flac"}),
        ("us8k", [["102305", "37236"], ["197318", "197320"]], set()),
    ],
)
def test_official_folds_pass(data_root, earmark, name, exceptions, near):
    record = json.loads(earmark("check", data_root / name, "--json").stdout)
    folds = record["leakage"]["folds"]
    assert (folds["passes"], folds["leaks"]) == (True, 0)
    assert [known["recordings"] for known in folds["known_exceptions"]] == exceptions
    problems = record["problems"]
    assert not {p["kind"] for p in problems} & {"leak", "shared_group", "shortcut", "overlapping_cuts"}
    assert {p["path"].split("/")[-1] for p in problems if p["kind"] == "near_duplicate"} == near


@pytest.fixture
def shaped(tmp_path, write_wav):
    """Sixty recordings of noise in three classes; ``how`` gives the options that each is written with."""

    def make(how):
        rng = np.random.default_rng(0)
        for i in range(60):
            options = {"seconds": 0.3, "rate": 16_000, "gain": 0.1, "subtype": "PCM_16", **how(i % 3, rng)}
            noise = options["gain"] * rng.standard_normal(int(options["seconds"] * options["rate"]))
            write_wav(tmp_path / "abc"[i % 3] / f"{i}.wav", noise, options["rate"], options["subtype"])
        return [p for p in check(read(tmp_path), engine=Local(2)).problems if p.kind == "shortcut"]

    return make


@pytest.mark.parametrize(
    ("field", "what", "how"),
    [
        ("encoding", "the format", lambda c, _: {"subtype": ("PCM_16", "PCM_24", "FLOAT")[c]}),
        ("rate", "the sample rate", lambda c, _: {"rate": (8_000, 16_000, 22_050)[c]}),
        ("seconds", "the duration", lambda c, rng: {"seconds": 0.2 + 0.2 * c + rng.uniform(0, 0.1)}),
        ("level", "the level", lambda c, rng: {"gain": 0.02 * 3**c * rng.uniform(0.9, 1.1)}),
    ],
)
def test_a_planted_shortcut_is_named(shaped, field, what, how):
    told = {p.path: p.detail for p in shaped(how)}
    assert field in told
    pattern = (
        rf"{re.escape(what)} alone tells the class in (8\d|9\d|100)% of clips of recordings that it was not learnt"
        " from; the largest class is 33%: a model may learn that and not the sound"
    )
    assert re.fullmatch(pattern, told[field])


def test_no_shortcut_where_there_is_none(shaped):
    def how(_, rng):
        chosen = ("PCM_16", "PCM_24", "FLOAT")[rng.integers(3)]
        return {"seconds": rng.uniform(0.2, 0.5), "gain": rng.uniform(0.02, 0.2), "subtype": chosen}

    assert shaped(how) == []


def test_what_only_recordings_have_in_common_is_no_shortcut():
    """Every recording has a level of its own; of an unseen one it says nothing."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 10)
    found = judge(rng.uniform(-40, -10, 60)[groups], groups % 3, groups)
    assert found.adds() < 0
    assert judge(np.zeros(600), groups % 3, groups) is None
