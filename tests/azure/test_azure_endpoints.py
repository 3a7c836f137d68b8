"""deploy → invoke by the unmodified SDK: the real azmlinfsrv serves what was uploaded, and says what predict says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from scoring_server import PYTHON, WHY_NOT
from test_score import lying, sound

from earmark.errors import CloudError, SettingError
from surroundings import ROOT, installed

if TYPE_CHECKING:
    from azurite import Azurite
    from standin import StandIn

pytestmark = [
    pytest.mark.skipif(not PYTHON.exists(), reason=WHY_NOT),
    pytest.mark.skipif(not installed("azure.ai.ml"), reason="no azure-ai-ml; type: make test-azure"),
]
NAME = "city-sounds"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def cloud(azurite: Azurite, names: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """The stand-in, for all tests here: deployments take seconds."""
    from standin.server import running

    path = os.pathsep.join((str(names), str(ROOT / "src")))
    with running(azurite, tmp_path_factory.mktemp("cloud"), {"PYTHONPATH": path}) as found:
        yield found


@pytest.fixture(scope="module")
def run(cloud: StandIn, names: Path, earmark: Run) -> Run:
    """The command line, in a process whose environment leads to the stand-in."""
    path = os.pathsep.join((str(names), str(ROOT / "src")))

    def call(*arguments: object, code: int = 0, **more: Any) -> Any:
        return earmark(
            "azure", *arguments, code=code, env_more={**cloud.environment, "PYTHONPATH": path}, **more
        )

    return call


@pytest.fixture(scope="module")
def deployed(run: Run, tone_model: Path) -> dict[str, Any]:
    done = run("deploy", tone_model, NAME, "--json", "--seconds", "60")
    assert "\nModel     tones.earmark is now tones, version " in f"\n{done.stderr}"
    assert done.stderr.rstrip().endswith("Traffic   blue 100 %")
    return json.loads(done.stdout)


def test_what_was_deployed_is_told_and_uploaded_alone(deployed, cloud, tone_model):
    import hashlib

    assert (deployed["endpoint"], deployed["deployment"], deployed["traffic"]) == (
        NAME,
        "blue",
        {"blue": 100},
    )
    assert deployed["version"] == hashlib.sha256(tone_model.read_bytes()).hexdigest()[:12]
    home = next((cloud.folder / "deployments" / NAME).iterdir())
    uploaded = [path.name for path in (home / "code").rglob("*") if "__pycache__" not in path.parts]
    assert uploaded == ["score.py"]
    made = next(r for path, r in cloud.resources.items() if path.endswith("/deployments/blue"))["properties"]
    assert made["environmentVariables"] == {"EARMARK_SCORE_SECONDS": "60"}
    assert made["requestSettings"]["requestTimeout"] == "PT1M30S"
    environment = cloud.resources[made["environmentId"].removeprefix("azureml:").lower()]["properties"]
    assert "azureml-inference-server-http" in environment["condaFile"]


def test_scores_are_those_of_local_predict(deployed, run, tone_model, tmp_path, earmark):
    kinds = ("wav", "flac", "ogg")
    paths = [tmp_path / f"clip.{kind}" for kind in kinds]
    for kind, path in zip(kinds, paths, strict=True):
        path.write_bytes(sound(kind.upper()))
    here = json.loads(earmark("predict", tone_model, *paths, "--json").stdout)
    there = json.loads(run("invoke", NAME, *paths, "--json").stdout)
    assert len(here) == len(there) == len(kinds)
    for mine, yours in zip(here, there, strict=True):
        for name in ("scores", "score", "familiarity"):
            assert yours.pop(name) == pytest.approx(mine.pop(name), abs=1e-6)
        assert yours == mine


def test_it_prints_as_predict_does_also_of_what_is_broken(
    deployed, run, tone_model, tone_set, tmp_path, earmark
):
    for path in sorted(tone_set.glob("*.wav"))[:3]:
        shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(0).bytes(5_000))
    (tmp_path / "text.flac").write_text("no sound at all")
    here = earmark("predict", tone_model, tmp_path, code=1)
    there = run("invoke", NAME, tmp_path, code=1)
    assert there.stdout == here.stdout
    assert there.stderr == here.stderr
    assert here.stderr.count("error: ") == 2


def test_what_is_too_long_for_it_is_told(deployed, run, tmp_path):
    soundfile.write(tmp_path / "c.flac", np.zeros(61 * 8_000), 8_000)
    (record,) = json.loads(run("invoke", NAME, tmp_path / "c.flac", "--json", code=1).stdout)
    assert record["error"] == (
        "61 s of sound by its header, and so more than the 60 s of sound that are taken at once"
    )


def test_the_next_model_stands_beside_the_first_and_takes_its_share(
    deployed, cloud, run, tone_model, tmp_path
):
    second = tmp_path / "second.earmark"
    shutil.copyfile(tone_model, second)
    told = json.loads(run("deploy", second, NAME, "--traffic", 30, "--json").stdout)
    assert (told["deployment"], told["traffic"]) == ("green", {"blue": 70, "green": 30})
    assert run("traffic", NAME, "blue=100").stdout == "blue 100 %\n"
    clip = tmp_path / "a.wav"
    clip.write_bytes(sound())
    assert run("invoke", NAME, clip, "--deployment", "green").stdout.startswith("whistle")


def test_two_that_answer_are_not_replaced_unasked():
    from earmark.cloud.azure.endpoint import free_colour

    with pytest.raises(SettingError) as error:
        free_colour({"blue": 70, "green": 30}, NAME)
    assert str(error.value) == (
        f"Both deployments of {NAME} answer requests: blue 70 %, green 30 %. Decide for one first:"
        f" earmark azure traffic {NAME} blue=100"
    )


@pytest.mark.parametrize("percent", [0, 1, 33, 50, 99, 100])
def test_shares_always_add_up_to_100(percent):
    from earmark.cloud.azure.endpoint import shared

    for before in ({"blue": 100}, {"blue": 33, "red": 33, "white": 34}, {"blue": 1, "red": 99}):
        found = shared(before, "green", percent)
        assert sum(found.values()) == 100
        assert found["green"] == percent
        assert all(share >= 0 for share in found.values())


def test_a_failing_init_fails_the_deployment_with_the_end_of_its_log(
    cloud, run, tone_model, tmp_path, monkeypatch
):
    # The model is damaged on the way there: here it is sound.
    import standin.endpoints as endpoints

    whole = endpoints.fetched

    def damaged(standin: Any, identity: str, where: str, to: Path) -> Path:
        found = whole(standin, identity, where, to)
        for path in found.rglob("*.earmark"):
            lying(tone_model, path)
        return found

    monkeypatch.setattr(endpoints, "fetched", damaged)
    done = run("deploy", tone_model, "broken-sounds", code=1)
    lines = done.stderr.splitlines()
    assert any("GoldenTestError: The model's self-test failed: test sound 0 gives" in line for line in lines)
    assert lines[-1].startswith("error: ")
    assert "while deploying blue" in lines[-1]
    assert "User container has crashed or terminated" in lines[-1]
    endpoint = next(
        r for path, r in cloud.resources.items() if path.endswith("/onlineendpoints/broken-sounds")
    )
    assert not endpoint["properties"]["traffic"]


def test_a_batch_endpoint_works_through_a_folder(cloud, run, tone_model, tone_set, tmp_path):
    from azure.storage.blob import BlobServiceClient

    told = json.loads(run(
        "deploy", tone_model, "archive", "--batch", "--compute", "cpu-cluster", "--mini-batch", 20, "--json",
    ).stdout)  # fmt: skip
    assert told["compute"] == "cpu-cluster"
    made = next(
        r
        for path, r in cloud.resources.items()
        if path.endswith("/batchendpoints/archive/deployments/earmark")
    )
    environment = made["properties"]["environmentId"].removeprefix("azureml:").lower()
    conda = cloud.resources[environment]["properties"]["condaFile"]
    assert "azureml-dataset-runtime[fuse]" in conda
    assert "numpy==" not in conda  # it wants an older one than is here
    assert "inference-server" not in conda
    from standin.entrance import trusted

    with BlobServiceClient.from_connection_string(
        cloud.azurite.connection_string, **trusted(cloud)
    ) as service:
        client = service.get_container_client(cloud.container)
        for path in sorted(tone_set.glob("*.wav")):
            client.upload_blob(f"archive/{path.name}", path.read_bytes())
        client.upload_blob("archive/broken.wav", b"RIFF and no more")
        source = "azureml://datastores/workspaceblobstore/paths/archive/"
        name = run("invoke", "archive", "--batch", source).stdout.strip()
        rows = [
            json.loads(line)
            for blob in client.list_blobs(name_starts_with=f"azureml/{name}/score/")
            for line in client.download_blob(blob.name).readall().splitlines()
        ]
    assert len(rows) == len(list(tone_set.glob("*.wav"))) + 1
    assert [Path(row["path"]).name for row in rows if "error" in row] == ["broken.wav"]


def test_what_is_not_there_is_told_in_a_sentence(deployed, run, tone_model, tmp_path):
    clip = tmp_path / "clip.wav"
    clip.write_bytes(sound())
    for arguments, code, sentence in (
        (
            ("invoke", "nobody", clip), 1,
            "The workspace has no endpoint nobody. Make it: earmark azure deploy MODEL.earmark nobody",
        ),
        (
            ("deploy", tone_model, "fresh", "--traffic", "20"), 2,
            "fresh has no deployment yet, so that this one answers everything. Leave out --traffic.",
        ),
    ):  # fmt: skip
        assert run(*arguments, code=code).stderr.splitlines()[-1] == f"error: {sentence}"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("invoke", "8k", "{clip}"),
            "The endpoint's name '8k' is not allowed. Azure takes 3 to 32 letters, digits or '-', the first a letter"
            " and the last no '-'.",
        ),
        (
            ("invoke", "nobody"),
            "Which files? Name some after the endpoint, or a folder of the workspace with --batch.",
        ),
        (
            ("invoke", "nobody", "{clip}", "--format", "xml"),
            "No format is called 'xml'. There are: csv, json, jsonl, table.",
        ),
        (
            ("deploy", "{model}", "fresh", "--traffic", "120"),
            "--traffic is 120, but must be from 0 to 100, in percent.",
        ),
        (("deploy", "{model}", "fresh", "--instances", "0"), "--instances is 0, but must be from 1 to 1,000."),
        (
            ("deploy", "{model}", "fresh", "--compute", "x"),
            "--compute is for a batch endpoint. Leave it out, or add --batch.",
        ),
        (
            ("deploy", "{model}", "fresh", "--batch", "--traffic", "5"),
            "--traffic is for an online endpoint. Leave it out.",
        ),
        (
            ("deploy", "{model}", "fresh", "--batch"),
            "On which cluster shall it work? Add --compute CLUSTER.",
        ),
        (
            ("traffic", "nobody", "blue"),
            "'blue' is no share of the requests. Type it as DEPLOYMENT=PERCENT: blue=100",
        ),
        (("traffic", "nobody", "blue=30"), "blue=30 adds up to 30 %, but must to 100 %."),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_before_anybody_is(
    arguments, sentence, tone_model, tmp_path, earmark
):
    clip = tmp_path / "clip.wav"
    clip.write_bytes(sound())
    told = [str(argument).format(clip=clip, model=tone_model) for argument in arguments]
    done = earmark("azure", *told, code=2, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == f"error: {sentence}"


class Said:
    """An endpoint's answer, as the client has it."""

    def __init__(self, status: int, body: Any) -> None:
        self.status_code, self._body, self.text = status, body, str(body)

    def json(self) -> Any:
        if isinstance(self._body, str):
            raise ValueError(self._body)
        return self._body


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            Said(401, {"message": "Key is not valid"}),
            f"The endpoint {NAME} refuses the key that the workspace gave (HTTP 401). Try again: it may be new.",
        ),
        (
            Said(500, {"message": "upstream is gone"}),
            f"The endpoint {NAME} answers with HTTP 500: upstream is gone",
        ),
        (Said(404, "<html>"), f"The endpoint {NAME} answers with HTTP 404: <html>"),
        (
            Said(200, [{"cat": 0.9}]),
            "The endpoint's answer is none of Earmark's: it was not made by earmark azure deploy.",
        ),
    ],
)
def test_an_answer_that_is_none_is_told_in_a_sentence(answer, sentence):
    from earmark.cloud.azure.invoke import _told

    with pytest.raises(CloudError) as error:
        list(_told("a.wav", answer, NAME))
    assert str(error.value) == sentence


def test_a_busy_endpoint_is_asked_again_and_one_that_is_gone_is_named(monkeypatch):
    import requests

    from earmark.cloud.azure import invoke

    paused: list[float] = []
    monkeypatch.setattr(invoke.time, "sleep", paused.append)
    answers = [Said(429, {}), Said(503, {}), Said(200, [])]
    for answer, after in zip(answers, ("7", "", ""), strict=True):
        answer.headers = {"Retry-After": after}  # type: ignore[attr-defined]

    class Session:
        def post(self, uri: str, **how: Any) -> Said:
            assert how["headers"] == {"Content-Type": "audio/x-wav"}
            return answers.pop(0)

    assert invoke._asked(Session(), "https://x/score", "a.wav", b"", NAME).status_code == 200
    assert paused == [7.0, 2.0]

    class Gone:
        def post(self, uri: str, **how: Any) -> Said:
            raise requests.ConnectionError("Name not known (Caused by a resolver)")

    with pytest.raises(CloudError) as error:
        invoke._asked(Gone(), "https://x/score", "a.wav", b"", NAME)
    assert str(error.value) == f"The endpoint {NAME} at https://x/score cannot be reached: Name not known."


def test_deleted_it_is_gone(cloud, run, tone_model):
    assert run("delete-endpoint", "broken-sounds", code=1, input="n\n").stderr.endswith(
        "Nothing was deleted.\n"
    )
    assert run("delete-endpoint", "broken-sounds", "--yes").stdout == "broken-sounds is deleted.\n"
    assert not any("broken-sounds" in path for path in cloud.resources)
