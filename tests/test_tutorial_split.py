"""What a random split hides, against a few plain lines of counting."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from earmark.leakage import leakage
from earmark.readers import read
from earmark.recipe import RECIPES
from earmark.split import Rows, random_split


@pytest.mark.data
def test_the_tutorials_split_of_urbansound8k_by_hand(data_root):
    dataset = read(data_root / "us8k")
    every = np.arange(len(dataset.clips))
    rows = Rows.of(dataset, every, every, "")  # each clip a sound of its own: what the table alone knows
    found = leakage(random_split(rows, RECIPES["tutorial"].split))

    with (data_root / "us8k" / "metadata" / "UrbanSound8K.csv").open() as file:
        clips = [(row["fsID"], row["class"]) for row in csv.DictReader(file)]
    train, test = train_test_split(clips, test_size=0.2, random_state=0)
    taught = defaultdict(Counter)
    for source, label in train:
        taught[source][label] += 1
    commonest = Counter(label for _, label in train).most_common(1)[0][0]
    shared = sum(source in taught for source, _ in test)
    told = [taught[s].most_common(1)[0][0] if s in taught else commonest for s, _ in test]
    oracle = sum(a == label for a, (_, label) in zip(told, test, strict=True)) / len(test)

    assert len(clips) == len(rows)
    assert (found.test_clips, found.test_clips_sharing_a_group) == (len(test), shared)
    assert found.oracle_accuracy == pytest.approx(oracle, abs=1e-12)
    assert found.share > 0.9
