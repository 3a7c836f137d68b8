"""A model behind a managed online endpoint: deployed beside the one that answers now, and then given its traffic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from earmark.cloud.azure import serving
from earmark.cloud.azure.faults import spoken
from earmark.cloud.azure.names import checked
from earmark.cloud.azure.scoring import PREFIX
from earmark.cloud.azure.serving import Say
from earmark.errors import CloudError, SettingError

COLOURS = ("blue", "green")
_TIMEOUT = 90_000  # milliseconds for a request; Azure's own is 5,000
_LINES = 40  # of the log of a deployment that failed
_MOST_INSTANCES = 1000


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment that answers.

    Parameters
    ----------
    endpoint, deployment
        Their names.
    model, version
        As the workspace knows the model.
    uri
        Where requests go.
    traffic
        For each deployment its share of the requests, in percent.
    """

    endpoint: str
    deployment: str
    model: str
    version: str
    uri: str
    traffic: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the record as ``earmark azure deploy --json`` prints it."""
        return asdict(self)


def deploy(
    ml: Any,
    model: Path,
    name: str,
    say: Say,
    instance_type: str,
    instances: int = 1,
    traffic: int = 100,
    limits: dict[str, str] | None = None,
    earmark: str = "earmark",
) -> Deployed:
    """Register a model, deploy it to an endpoint, which is made where there is none, and give it traffic.

    Nothing is deleted. A second deployment stands beside the first, ``blue`` and ``green``; a third takes the place of
    the one that answers nothing.

    Parameters
    ----------
    ml
        The SDK's client.
    instance_type, instances
        On which machines, and how many.
    traffic
        Percent of the requests that the new deployment answers, once it stands.
    limits
        Variables for `scoring.settings_of`.
    earmark
        By which pip installs Earmark there.

    Raises
    ------
    SettingError
        For what cannot be asked.
    BundleError
        When the model cannot be trusted.
    CloudError
        When Azure refuses, or the deployment does not come up; the last lines of its log are said.
    """
    check(name, instances, traffic)
    registered = serving.register(ml, model, say)
    endpoint = _endpoint(ml, name, say)
    shares = {other: int(share) for other, share in (endpoint.traffic or {}).items()}
    colour = free_colour(shares, name)
    if not shares and traffic != 100:
        raise SettingError(
            f"{name} has no deployment yet, so that this one answers everything. Leave out --traffic."
        )
    _deployment(ml, name, colour, registered, instance_type, instances, limits or {}, earmark, say)
    with serving.quietly(), spoken("asking for the endpoint"):
        endpoint = ml.online_endpoints.get(name)
    endpoint.traffic = shared(shares, colour, traffic)
    with serving.quietly(), spoken("giving it its share of the requests"):
        poller = ml.online_endpoints.begin_create_or_update(endpoint)
        endpoint = serving.wait(poller, "giving it its share of the requests", say)
    given = {other: int(share) for other, share in (endpoint.traffic or {}).items()}
    say("Traffic", ", ".join(f"{other} {share} %" for other, share in sorted(given.items())))
    return Deployed(name, colour, registered.name, registered.version, str(endpoint.scoring_uri), given)


def check(name: str, instances: int = 1, traffic: int = 100) -> None:
    """Refuse what cannot be asked for.

    Raises
    ------
    SettingError
        For a name that Azure does not take, and numbers that cannot be.
    """
    checked("endpoint", name)
    if not 0 <= traffic <= 100:
        raise SettingError(f"--traffic is {traffic}, but must be from 0 to 100, in percent.")
    if not 1 <= instances <= _MOST_INSTANCES:
        raise SettingError(f"--instances is {instances}, but must be from 1 to {_MOST_INSTANCES:,}.")


def check_shares(name: str, shares: dict[str, int]) -> None:
    """Refuse shares that do not add up to 100 percent. Raises `SettingError`."""
    checked("endpoint", name)
    if sum(shares.values()) != 100:
        told = ", ".join(f"{other}={share}" for other, share in shares.items())
        raise SettingError(f"{told} adds up to {sum(shares.values())} %, but must to 100 %.")


def free_colour(shares: dict[str, int], name: str) -> str:
    """Return which deployment is to be made, or made anew: one that answers nothing.

    >>> free_colour({}, "x"), free_colour({"blue": 100}, "x"), free_colour({"blue": 0, "green": 100}, "x")
    ('blue', 'green', 'blue')
    """
    for colour in COLOURS:
        if not shares.get(colour):
            return colour
    raise SettingError(
        f"Both deployments of {name} answer requests: blue {shares['blue']} %, green {shares['green']} %. Decide for"
        f" one first: earmark azure traffic {name} blue=100"
    )


def shared(shares: dict[str, int], colour: str, percent: int) -> dict[str, int]:
    """Return the shares when one deployment takes so many percent, and the others what is left, as they had it.

    >>> shared({"blue": 100}, "green", 10), shared({}, "blue", 100)
    ({'blue': 90, 'green': 10}, {'blue': 100})
    """
    others = {other: share for other, share in shares.items() if other != colour and share}
    total, left = sum(others.values()), 100 - percent
    found = {other: round(share * left / total) for other, share in others.items()}
    if others:  # what rounding left over
        last = max(found, key=lambda other: found[other])
        found[last] += left - sum(found.values())
    return {**found, colour: percent if others else 100}


def give_traffic(ml: Any, name: str, shares: dict[str, int], say: Say) -> dict[str, int]:
    """Give the deployments of an endpoint their shares of the requests, in percent.

    Raises
    ------
    SettingError
        When they do not add up to 100, or one is none of the endpoint's.
    CloudError
        When there is no such endpoint, or Azure refuses.
    """
    check_shares(name, shares)
    endpoint = existing(ml, name)
    known = set(endpoint.traffic or {})
    if unknown := sorted(set(shares) - known):
        raise SettingError(
            f"{name} has no deployment {', '.join(unknown)}. It has: {', '.join(sorted(known)) or 'none'}."
        )
    endpoint.traffic = shares
    with serving.quietly(), spoken("changing the shares"):
        endpoint = serving.wait(
            ml.online_endpoints.begin_create_or_update(endpoint), "changing the shares", say
        )
    return {other: int(share) for other, share in (endpoint.traffic or {}).items()}


def delete(ml: Any, name: str, say: Say) -> None:
    """Delete an endpoint with its deployments; models stay in the workspace.

    Raises
    ------
    CloudError
        When there is none, or Azure refuses.
    """
    existing(ml, name)
    with serving.quietly(), spoken(f"deleting {name}"):
        serving.wait(ml.online_endpoints.begin_delete(name), f"deleting {name}", say)


def existing(ml: Any, name: str) -> Any:
    """Return an endpoint.

    Raises
    ------
    CloudError
        When there is none.
    """
    checked("endpoint", name)
    found = serving.endpoint(ml.online_endpoints, name)
    if found is None:
        raise CloudError(
            f"The workspace has no endpoint {name}. Make it: earmark azure deploy MODEL.earmark {name}"
        )
    return found


def _endpoint(ml: Any, name: str, say: Say) -> Any:
    """Return the endpoint, and make it where there is none."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    found = serving.endpoint(ml.online_endpoints, name)
    if found is not None:
        return found
    made = serving.make_endpoint(ml.online_endpoints, ManagedOnlineEndpoint(name=name, auth_mode="key"), say)
    say("Endpoint", f"{name} is made; requests need its key")
    return made


def _deployment(
    ml: Any, name: str, colour: str, registered: serving.Registered, instance_type: str, instances: int,
    limits: dict[str, str], earmark: str, say: Say,
) -> None:  # fmt: skip
    from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings

    say("Deploy", f"{colour} on {instances} × {instance_type}; this takes some minutes")
    with serving.code("score.py") as code, serving.quietly():
        deployment = ManagedOnlineDeployment(
            name=colour,
            endpoint_name=name,
            model=registered.reference,
            environment=serving.environment("earmark-serving", earmark),
            code_configuration=code,
            instance_type=instance_type,
            instance_count=instances,
            # A sound is scored by one process at a time; Azure holds back the next.
            request_settings=OnlineRequestSettings(
                request_timeout_ms=_TIMEOUT, max_concurrent_requests_per_instance=1
            ),
            environment_variables={PREFIX + key.upper(): value for key, value in limits.items()},
        )
        try:
            with spoken(f"deploying {colour}"):
                poller = ml.online_deployments.begin_create_or_update(deployment)
            serving.wait(poller, f"deploying {colour}", say)
        except CloudError:
            for line in log_of(ml, name, colour):
                say("", line)
            raise


def log_of(ml: Any, name: str, colour: str) -> list[str]:
    """Return the last lines that a deployment's server wrote; none where Azure has none."""
    from azure.core.exceptions import AzureError

    try:
        text = ml.online_deployments.get_logs(name=colour, endpoint_name=name, lines=_LINES)
    except AzureError:  # the machine never came up
        return []
    return [line for line in str(text).splitlines() if line.strip()]
