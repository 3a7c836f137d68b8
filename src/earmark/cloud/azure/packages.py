"""What is installed where jobs run: Earmark as it is here, and the packages whose versions results depend on."""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from typing import Any

from earmark.runs import versions

_EXTRAS = "train,tracking,report"
_TRACKING = ("mlflow-skinny", "azureml-mlflow")
_SERVER = "azureml-inference-server-http"
_BATCH = ("azureml-core", "azureml-dataset-runtime[fuse]")


def requirement(torch: bool = False) -> tuple[str, str]:
    """Return by what pip installs the Earmark that runs here, and a note where that may not be had there.

    Parameters
    ----------
    torch
        Whether a cnn is to be trained.
    """
    extras = _EXTRAS + ",torch" * torch
    version = metadata.version("earmark")
    plain = f"earmark[{extras}]=={version}"
    told = metadata.distribution("earmark").read_text("direct_url.json")
    if told is None:
        return plain, ""
    about = json.loads(told)
    if "vcs_info" in about:
        at = f"{about['vcs_info']['vcs']}+{about['url']}@{about['vcs_info']['commit_id']}"
        return f"earmark[{extras}] @ {at}", ""
    return plain, (
        f"Earmark was installed here from a folder; the job takes earmark {version} from the package index. If it is"
        f" not there, give another source with --earmark, such as 'earmark[{extras}] @ git+https://…'."
    )


def conda(name: str, earmark: str, serving: bool = False) -> dict[str, Any]:
    """Return a conda environment with the versions that are installed here.

    Parameters
    ----------
    serving
        Whether it is for endpoints, which train nothing.
    """
    pins = {package: version for package, version in versions().items() if package != "earmark"}
    if serving:
        pins = {package: pins[package] for package in pins if package not in ("onnx", "scikit-learn")}
        earmark = re.sub(r"^earmark\[[^\]]*\]", "earmark", earmark)
    more = [_SERVER] if serving else [_pinned(package) for package in _TRACKING]
    pip = [earmark, *(f"{package}=={version}" for package, version in pins.items()), *more]
    return {
        "name": name,
        "channels": ["conda-forge"],
        "dependencies": [f"python={sys.version_info[0]}.{sys.version_info[1]}", "pip", {"pip": pip}],
    }


def batch_conda(name: str, earmark: str) -> dict[str, Any]:
    """Return a conda environment for batch endpoints: that of the others, with what hands out the files of a job.

    That wants a NumPy of its own, whose version is left to it.
    """
    spec = conda(name, earmark, serving=True)
    pip = spec["dependencies"][-1]["pip"]
    pip[:] = [each for each in pip if each != _SERVER and not each.startswith("numpy==")] + list(_BATCH)
    return spec


def _pinned(package: str) -> str:
    try:
        return f"{package}=={metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return package
