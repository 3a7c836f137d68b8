"""The main job on real recordings: the tutorial told honestly, and beaten."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def tutorial(data_root, earmark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tutorial")
    return json.loads(
        earmark("train", data_root / "us8k", "--recipe", "tutorial", "--json", cwd=folder).stdout
    )


@pytest.fixture(scope="module")
def honest(data_root, earmark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest")
    return json.loads(earmark("evaluate", data_root / "us8k", "--model", "mlp", "--json", cwd=folder).stdout)


def test_the_tutorials_score_comes_with_what_it_is_worth(tutorial):
    assert tutorial["test"]["accuracy"] >= 0.80
    assert tutorial["leakage"] == {
        "test_clips": 430,
        "test_clips_sharing_a_group": 410,
        "test_clips_sharing_a_sound": 411,
        "oracle_accuracy": pytest.approx(0.9558, abs=1e-4),
        "groups_known": True,
    }
    assert tutorial["honest"]["protocol"] == "official folds 1, 2, 3 of 10"
    assert 0.25 < tutorial["honest"]["accuracy"] < 0.50


def test_the_default_beats_the_tutorial_by_five_points_on_the_same_folds(tutorial, honest):
    assert (
        [f["n"] for f in honest["folds"]] == [f["n"] for f in tutorial["honest"]["folds"]] == [873, 888, 387]
    )
    assert honest["accuracy"] >= tutorial["honest"]["accuracy"] + 0.05
    assert honest["random_split"]["accuracy"] > honest["accuracy"] + 0.2
    assert honest["interval"][0] < honest["accuracy"] < honest["interval"][1]


def test_what_a_person_reads_says_it_in_one_breath(data_root, earmark, tmp_path):
    done = earmark("train", data_root / "us8k", "--recipe", "tutorial", cwd=tmp_path)
    assert "UrbanSound8K, 3 of 10 official folds present" in done.stderr
    for words in (
        "of a random split,",
        "but 411 of its 430 test clips (95.6%) share a recording, or a copy, with training;",
        "an oracle that only recognises recordings would score 0.956.",
        "The honest score of the same recipe is 0.3",
    ):
        assert words in done.stdout


def test_spoken_digits_by_pattern(data_root, earmark, tmp_path):
    pattern = "{label}_{group}_{take}.wav"
    arguments = (data_root / "fsdd" / "recordings", "--pattern", pattern, "-o", "digits.earmark", "--json")
    result = json.loads(earmark("train", *arguments, cwd=tmp_path).stdout)
    assert result["split"]["rule"] == "grouped"
    assert result["leakage"]["test_clips_sharing_a_group"] == 0
    assert result["test"]["accuracy"] > 0.3  # chance is 0.1
    path = data_root / "fsdd" / "recordings" / "7_theo_0.wav"
    said = json.loads(earmark("predict", "digits.earmark", path, "--format", "json", cwd=tmp_path).stdout)
    assert set(said[0]["scores"]) == set("0123456789")


def test_esc10_by_its_own_folds(data_root, earmark, tmp_path):
    result = json.loads(earmark("evaluate", data_root / "esc10", "--json", cwd=tmp_path).stdout)
    assert result["protocol"] == "official folds 1, 2, 3, 4, 5 of 5"
    assert result["accuracy"] > 0.6


def test_calibration_on_held_out_recordings_helps_on_official_folds(honest, data_root, earmark, tmp_path):
    plain = ("evaluate", data_root / "us8k", "--model", "linear", "--json")
    linear = json.loads(earmark(*plain, cwd=tmp_path).stdout)
    for told in (honest, linear):
        after = told["calibration"]
        for name in ("ece", "ece_adaptive", "nll", "brier"):
            assert after[name] <= after["before"][name], (told["model"], name)
        assert 0.85 <= told["decision"]["sets"]["coverage"] <= 0.96
