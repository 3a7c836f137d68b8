"""A model behind a batch endpoint: for millions of clips in storage, on a cluster that comes and goes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earmark.cloud.azure import serving
from earmark.cloud.azure.faults import spoken
from earmark.cloud.azure.names import checked
from earmark.cloud.azure.serving import Say
from earmark.errors import CloudError, SettingError

DEPLOYMENT = "earmark"
MINI_BATCH = 1_000
_MOST = 10_000
_ERRORS = -1  # however many files cannot be heard, the job goes on: each is named in its place
_TRIES, _SECONDS = 3, 3_600  # for one part of the files


@dataclass(frozen=True, slots=True)
class BatchDeployed:
    """A batch deployment that is ready to be given files.

    Parameters
    ----------
    endpoint, deployment
        Their names.
    model, version
        As the workspace knows the model.
    compute
        The cluster.
    """

    endpoint: str
    deployment: str
    model: str
    version: str
    compute: str

    def to_dict(self) -> dict[str, Any]:
        """Return the record as ``earmark azure deploy --batch --json`` prints it."""
        return asdict(self)


def deploy_batch(
    ml: Any,
    model: Path,
    name: str,
    say: Say,
    compute: str,
    instances: int = 1,
    mini_batch: int = MINI_BATCH,
    earmark: str = "earmark",
) -> BatchDeployed:
    """Register a model and deploy it to a batch endpoint, which is made where there is none.

    Parameters
    ----------
    ml
        The SDK's client.
    compute, instances
        The cluster, and how many of its machines work at once; each uses all its cores.
    mini_batch
        Files that a machine is given at a time.
    earmark
        By which pip installs Earmark there.

    Raises
    ------
    SettingError
        For what cannot be asked.
    BundleError
        When the model cannot be trusted.
    CloudError
        When Azure refuses.
    """
    from azure.ai.ml.constants import BatchDeploymentOutputAction
    from azure.ai.ml.entities import BatchRetrySettings, ModelBatchDeployment, ModelBatchDeploymentSettings

    check(name, instances, mini_batch)
    registered = serving.register(ml, model, say)
    endpoint = _endpoint(ml, name, say)
    with serving.code("score_batch.py") as code, serving.quietly(), spoken("making the deployment"):
        deployment = ModelBatchDeployment(
            name=DEPLOYMENT,
            endpoint_name=name,
            model=registered.reference,
            environment=serving.environment("earmark-batch", earmark, batch=True),
            code_configuration=code,
            compute=compute,
            settings=ModelBatchDeploymentSettings(
                mini_batch_size=mini_batch,
                instance_count=instances,
                max_concurrency_per_instance=1,
                output_action=BatchDeploymentOutputAction.SUMMARY_ONLY,
                retry_settings=BatchRetrySettings(max_retries=_TRIES, timeout=_SECONDS),
                error_threshold=_ERRORS,
                logging_level="info",
            ),
        )
        serving.wait(ml.batch_deployments.begin_create_or_update(deployment), "making the deployment", say)
        endpoint.defaults = {"deployment_name": DEPLOYMENT}
        serving.wait(ml.batch_endpoints.begin_create_or_update(endpoint), "making it the default", say)
    say("Deploy", f"{DEPLOYMENT} on up to {instances} × {compute}, which costs only while it works")
    return BatchDeployed(name, DEPLOYMENT, registered.name, registered.version, compute)


def check(name: str, instances: int = 1, mini_batch: int = 1) -> None:
    """Refuse what cannot be asked for. Raises `SettingError`."""
    checked("endpoint", name)
    for option, value in (("--instances", instances), ("--mini-batch", mini_batch)):
        if not 1 <= value <= _MOST:
            raise SettingError(f"{option} is {value}, but must be from 1 to {_MOST:,}.")


def start(ml: Any, name: str, source: str) -> str:
    """Give a batch endpoint a folder of sounds; return the name of the job.

    Parameters
    ----------
    source
        ``azureml:NAME:VERSION`` of a data asset, or a folder in the workspace's storage, as ``azureml://…`` says it.

    Raises
    ------
    CloudError
        When there is no such endpoint, or it refuses.
    """
    from azure.ai.ml import Input
    from azure.core.exceptions import ResourceNotFoundError

    checked("endpoint", name)
    with serving.quietly(), spoken(f"giving {source} to {name}"):
        try:
            ml.batch_endpoints.get(name)
        except ResourceNotFoundError:
            pass
        else:
            job = ml.batch_endpoints.invoke(name, inputs={"sounds": Input(type="uri_folder", path=source)})
            return str(job.name)
    raise CloudError(
        f"The workspace has no batch endpoint {name}. Make it:"
        f" earmark azure deploy MODEL.earmark {name} --batch --compute CLUSTER"
    )


def _endpoint(ml: Any, name: str, say: Say) -> Any:
    from azure.ai.ml.entities import BatchEndpoint

    found = serving.endpoint(ml.batch_endpoints, name)
    if found is not None:
        return found
    made = serving.make_endpoint(ml.batch_endpoints, BatchEndpoint(name=name), say)
    say("Endpoint", f"{name} is made")
    return made
