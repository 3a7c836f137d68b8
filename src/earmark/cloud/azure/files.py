"""What the folder ``azure`` holds: a file for each thing that Azure ML makes, from plain dictionaries.

The files are Azure ML's own; ``az ml job create -f azure/job.yml`` takes them as `earmark azure submit` does.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from earmark.cloud.azure.client import sdk
from earmark.cloud.azure.packages import batch_conda, conda
from earmark.cloud.azure.place import CONFIG, Place
from earmark.cloud.azure.serving import IMAGE
from earmark.cloud.azure.work import COMMAND, code_command, pipeline, sweep

SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
CODE, SCORE = "code", "score"
RECIPE = "recipe.toml"
ENVIRONMENT, SERVING, BATCH = "earmark", "earmark-serving", "earmark-batch"
# What never belongs in an upload, whatever else lies in the folder.
IGNORED = (
    ".env*", "*.env", ".venv*/", "venv/", "*.pem", "*.key", "*.pfx", "*.p12", "id_rsa*", "id_ed25519*", ".ssh/",
    ".azure/", ".azureml/", ".aws/", ".kaggle/", "kaggle.json", ".netrc", ".git/", "credentials*", "*secret*",
    "*token*", "__pycache__/", "*.pyc", ".*_cache/", ".cache/", ".ipynb_checkpoints/", "node_modules/", "runs/",
    "mlruns/", "*.wav", "*.flac", "*.mp3", "*.ogg", "*.m4a", "*.earmark", "*.onnx", "*.zip", "*.tar*",
)  # fmt: skip


def files(place: Place, recipe: str, requirement: str) -> dict[str, str]:
    """Return what each file of the folder is to say, by its name.

    Parameters
    ----------
    recipe
        The text of a recipe file.
    requirement
        By which pip installs Earmark there: ``"earmark[train,tracking]==0.1.0"``.
    """
    made = {
        CONFIG: json.dumps(place.to_dict(), indent=2) + "\n",
        "environment.yml": _yml("environment", "where jobs run", {
            "name": ENVIRONMENT, "version": "1", "image": IMAGE, "conda_file": "conda.yml",
        }),
        "conda.yml": _yml("", "what is installed there", conda(ENVIRONMENT, requirement)),
        "serving.yml": _yml("environment", "where endpoints run", {
            "name": SERVING, "version": "1", "image": IMAGE, "conda_file": "conda-serving.yml",
        }),
        "conda-serving.yml": _yml("", "what is installed there", conda(SERVING, requirement, serving=True)),
        "batch.yml": _yml("environment", "where batch endpoints run", {
            "name": BATCH, "version": "1", "image": IMAGE, "conda_file": "conda-batch.yml",
        }),
        "conda-batch.yml": _yml("", "what is installed there", batch_conda(BATCH, requirement)),
        "compute.yml": _yml(
            "amlCompute", "a cluster that is empty, and costs nothing, when nothing runs",
            _cluster("cpu-cluster", "dedicated"),
        ),
        "compute-spot.yml": _yml(
            "amlCompute", "the same from what is left over: cheaper, and taken away at times",
            _cluster("cpu-spot", "low_priority"),
        ),
        "data.yml": _yml("data", "the data set; `earmark azure data FOLDER` uploads it under this name", {
            "name": "sounds", "version": "1", "type": "uri_folder", "path": "../sounds",
        }),
        "job.yml": _yml("commandJob", "one training", _job()),
        "sweep.yml": _yml("sweepJob", "several trainings, the best kept by its validation part", sweep(_job(), {
            "train.learning_rate": {"type": "loguniform", "min_value": -9.2, "max_value": -4.6},
            "train.seed": {"type": "choice", "values": [0, 1, 2]},
        })),
        "pipeline.yml": _yml(
            "pipelineJob", "check, extract, train, evaluate; what has not changed is not done again", pipeline(_job())
        ),
        "endpoint.yml": _yml("managedOnlineEndpoint", "an address that answers at once", {
            "name": "earmark-sounds", "auth_mode": "key",
        }),
        "deployment.yml": _yml("managedOnlineDeployment", "what answers there", {
            "name": "blue", "endpoint_name": "earmark-sounds", "model": "azureml:earmark-model:1",
            "environment": f"azureml:{SERVING}:1",
            "code_configuration": {"code": SCORE, "scoring_script": "score.py"},
            "instance_type": "Standard_DS3_v2", "instance_count": 1,
            "request_settings": {"request_timeout_ms": 60_000, "max_concurrent_requests_per_instance": 4},
            "liveness_probe": {"initial_delay": 30}, "readiness_probe": {"initial_delay": 30},
        }),
        "batch-endpoint.yml": _yml("batchEndpoint", "an address for millions of clips", {
            "name": "earmark-archive", "auth_mode": "aad_token",
        }),
        "batch-deployment.yml": _yml("modelBatchDeployment", "what works through them", {
            "name": "blue", "endpoint_name": "earmark-archive", "type": "model", "model": "azureml:earmark-model:1",
            "environment": f"azureml:{BATCH}:1", "compute": "azureml:cpu-cluster",
            "code_configuration": {"code": SCORE, "scoring_script": "score_batch.py"},
            "settings": {
                "instance_count": 1, "mini_batch_size": 1_000, "max_concurrency_per_instance": 1,
                "output_action": "summary_only", "error_threshold": -1,
                "retry_settings": {"max_retries": 3, "timeout": 3_600},
            },
        }),
        f"{CODE}/{RECIPE}": recipe,
        f"{CODE}/.amlignore": ignore(),
        f"{SCORE}/.amlignore": ignore(),
    }  # fmt: skip
    for name in ("score.py", "score_batch.py"):
        made[f"{SCORE}/{name}"] = (resources.files("earmark.cloud.azure") / name).read_text(encoding="utf-8")
    return made


def ignore() -> str:
    """Return the text of an ``.amlignore``, which holds only in the folder that is uploaded."""
    return "# What is never uploaded from this folder.\n" + "\n".join(IGNORED) + "\n"


def dump(value: Any) -> str:
    """Return YAML."""
    sdk()
    import yaml

    class Plain(yaml.SafeDumper):  # type: ignore[misc]
        """Writes a thing that stands twice twice, without a name for it."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return str(yaml.dump(value, Dumper=Plain, sort_keys=False, width=110, allow_unicode=True))


def _yml(schema: str, about: str, value: dict[str, Any]) -> str:
    head = {"$schema": SCHEMA.format(schema)} if schema else {}
    return f"# {about[:1].upper()}{about[1:]}.\n{dump({**head, **value})}"


def _cluster(name: str, tier: str) -> dict[str, Any]:
    return {
        "name": name, "type": "amlcompute", "size": "Standard_DS3_v2", "min_instances": 0, "max_instances": 2,
        "idle_time_before_scale_down": 120, "tier": tier,
    }  # fmt: skip


def _job() -> dict[str, Any]:
    return {
        "type": "command", "display_name": "earmark", "experiment_name": "earmark", "code": CODE,
        "command": code_command(COMMAND),
        "inputs": {"data": {"type": "uri_folder", "path": "azureml:sounds:1", "mode": "ro_mount"}},
        "outputs": {"run": {"type": "uri_folder", "mode": "rw_mount"}},
        "environment": f"azureml:{ENVIRONMENT}:1", "compute": "azureml:cpu-cluster",
        "resources": {"instance_count": 1},
    }  # fmt: skip
