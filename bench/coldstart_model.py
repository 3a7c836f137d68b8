"""``python bench/coldstart_model.py FOLDER``: a small trained model and a clip for the cold-start benchmark."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from clips import make_clips
from earmark.bundle import read_bundle
from earmark.decide import DecideSettings
from earmark.demo import make_demo
from earmark.features import Mfcc
from earmark.pipeline import train
from earmark.recipe import Recipe
from earmark.train import TrainSettings


def main(folder: Path) -> None:
    # Not calibrated: the others know the network alone, and the answers are compared.
    recipe = Recipe(
        feature=Mfcc(statistics=("mean",)), train=TrainSettings(epochs=30), decide=DecideSettings(folds=0)
    )
    data = make_demo(folder / "demo")
    path = folder / "model.earmark"
    train(recipe.with_data(str(data), "auto", ""), path, folder / "runs")
    bundle = read_bundle(path)
    (folder / "network.onnx").write_bytes(bundle.members[0].network)
    (folder / "labels.json").write_text(json.dumps(bundle.labels))
    make_clips(folder, 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
