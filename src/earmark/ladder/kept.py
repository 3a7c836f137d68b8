"""What was trained and measured of each rung, so that the same command goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.files import write_json
from earmark.ladder.cost import Cost
from earmark.runs import read_object
from earmark.train import checkpoint

Said = list[NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder with one of each rung in it.

    Parameters
    ----------
    folder
        It is made when it is needed.
    """

    folder: Path

    def place(self, name: str) -> Path:
        """Return the folder of a rung: its networks, and what is below."""
        place = self.folder / name.replace(":", "-")
        place.mkdir(parents=True, exist_ok=True)
        return place

    def measured(self, name: str) -> dict[str, Any]:
        """Return what was measured while a rung was trained."""
        file = self.place(name) / "measured.json"
        return read_object(file) if file.exists() else {}

    def note(self, name: str, **measured: Any) -> None:
        """Add to what was measured."""
        write_json(self.place(name) / "measured.json", {**self.measured(name), **measured})

    def seconds(self, name: str) -> float:
        """Return what the first network of a rung took, as far as it was trained."""
        return float(self.measured(name).get("seconds", 0.0))

    def networks(self, name: str) -> int:
        """Return how many networks of a rung are there; the last ones may be unfinished."""
        return len(list(self.place(name).glob("network-*.safetensors")))

    def write(
        self, name: str, identity: str, said: Sequence[NDArray[np.float32]], seconds: float, cost: Cost
    ) -> None:
        """Keep what a rung said of each cell's test rows, as probabilities, and what it costs."""
        arrays = {str(i): own for i, own in enumerate(said)}
        numbers = {"seconds": seconds, "cost": [cost.features_ms, cost.predict_ms, cost.file_kb]}
        checkpoint.write(self.place(name) / "said.safetensors", arrays, numbers, identity)

    def read(self, name: str, identity: str) -> tuple[Said, float, Cost] | None:
        """Invert `write`; ``None`` where there is nothing, or it is of something else."""
        found = checkpoint.read(self.place(name) / "said.safetensors", identity)
        if found is None:
            return None
        arrays, numbers = found
        return [arrays[str(i)] for i in range(len(arrays))], numbers["seconds"], Cost(*numbers["cost"])
