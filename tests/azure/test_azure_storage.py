"""az:// by the real client, against Azurite over TLS: what a user types, and what is said when storage refuses."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from between import once

from earmark.readers import read
from earmark.remote import local_file, look_up, place

fsspec = pytest.importorskip("fsspec")

PATTERN = "{label}_{group}_{take}.wav"
QUICK = ("--pattern", PATTERN, "--set", "train.epochs=3", "--progress", "none")


def upload(folder, uri: str) -> str:
    system, top = fsspec.core.url_to_fs(uri)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            system.pipe_file(f"{top}/{file.relative_to(folder).as_posix()}", file.read_bytes())
    return uri


@pytest.fixture
def sounds(tone_set, container) -> str:
    """The tones, in a container."""
    return upload(tone_set, f"az://{container}/tones")


@pytest.fixture
def signed_in(monkeypatch, storage) -> Callable[..., None]:
    """Let this process know another account, or none; what it had opened is forgotten."""

    def sign(**variables: str) -> None:
        for name in ("CONNECTION_STRING", "ACCOUNT_NAME", "ACCOUNT_KEY", "SAS_TOKEN"):
            monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        from adlfs import AzureBlobFileSystem

        from earmark.remote import ask

        AzureBlobFileSystem.clear_instance_cache()
        ask._ANSWERED.clear()

    return sign


class TestReading:
    def test_what_is_put_comes_back(self, container):
        system, top = fsspec.core.url_to_fs(f"az://{container}/sounds")
        content = bytes(range(256)) * 1_000
        system.pipe_file(f"{top}/dog 1.wav", content)
        system.pipe_file(f"{top}/hänsel & gretel #1.wav", content[:5])
        assert local_file(place(f"az://{container}/sounds/dog 1.wav")).read_bytes() == content
        files = place(f"az://{container}/sounds").files()
        assert {path: file.size for path, file in files.items()} == {
            "dog 1.wav": 256_000,
            "hänsel & gretel #1.wav": 5,
        }
        assert all(file.version for file in files.values())

    def test_many_at_once(self, sounds, tone_set):
        dataset = read(sounds, pattern=PATTERN)
        with ThreadPoolExecutor(16) as pool:
            found = dict(pool.map(lambda c: (c.path, dataset.local(c).read_bytes()), dataset.clips))
        assert found == {file.name: file.read_bytes() for file in tone_set.iterdir()}

    @pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
    def test_a_large_file_in_several_pieces(self, container, tmp_path):
        content = random.Random(0).randbytes(40 * 2**20)
        (tmp_path / "large.wav").write_bytes(content)
        fsspec.filesystem("az").put_file(str(tmp_path / "large.wav"), f"{container}/large.wav")
        assert local_file(place(f"az://{container}/large.wav")).read_bytes() == content

    @pytest.mark.parametrize("wrong", ["az://{}/tones/b.wav", "az://no-such-container/b.wav"])
    def test_what_is_not_there(self, sounds, container, wrong):
        uri = wrong.format(container)
        assert look_up([uri]) == {}
        with pytest.raises(Exception, match=f"^{uri}: no such file or directory$"):
            local_file(place(uri))


class TestSigningIn:
    def test_a_token_that_may_only_read(self, sounds, container, read_only, signed_in, tone_set):
        signed_in(**read_only(container))
        clips = read(sounds, pattern=PATTERN).clips
        assert len(clips) == len(list(tone_set.iterdir()))
        with pytest.raises(OSError, match="the key or token that we have does not allow it: Authorization"):
            place(f"{sounds}/new.earmark").put(b"x")

    @pytest.mark.parametrize("scheme", ["key", "token"])
    def test_an_account_by_its_name(
        self, earmark, sounds, container, azurite, names, read_only, scheme, signed_in
    ):
        """As on Azure, the account is part of the host's name. Its suffix is Azure's own everywhere but here."""
        import azurite as module

        token = read_only(container)["AZURE_STORAGE_CONNECTION_STRING"].partition("SharedAccessSignature=")[2]
        more = {"key": f"AccountKey={module.KEY}", "token": f"SharedAccessSignature={token}"}[scheme]
        string = f"DefaultEndpointsProtocol=https;AccountName=devstoreaccount1;{more};EndpointSuffix={azurite.suffix}"
        done = earmark(
            "check", sounds, "--pattern", PATTERN, "--json",
            env_more={"AZURE_STORAGE_CONNECTION_STRING": string, "PYTHONPATH": _before(names)},
        )  # fmt: skip
        assert json.loads(done.stdout)["clips"] == 54

    def test_a_wrong_key(self, earmark, sounds, azurite):
        string = azurite.connection_string_with("AAAA" + "A" * 84)
        began = time.monotonic()
        done = earmark("check", sounds, code=2, env_more={"AZURE_STORAGE_CONNECTION_STRING": string})
        assert time.monotonic() - began < 10
        assert (
            "cannot be read: Permission denied (the storage account does not accept AZURE_STORAGE_CONNECTION_STRING: "
            in (done.stderr)
        )
        assert done.stderr.count("\n") == 1
        assert "AAAA" not in done.stderr

    def test_a_key_that_is_none(self, sounds, azurite, signed_in):
        signed_in(AZURE_STORAGE_CONNECTION_STRING=azurite.connection_string_with("no key"))
        with pytest.raises(
            Exception, match=r"\(the account's key is none: see AZURE_STORAGE_CONNECTION_STRING\)\.$"
        ):
            read(sounds)

    def test_nobody_is_signed_in(self, earmark, sounds, signed_in):
        began = time.monotonic()
        signed_in(AZURE_STORAGE_ACCOUNT_NAME="devstoreaccount1")
        none = {"AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": "/nowhere"}
        done = earmark("check", sounds, code=2, env_more=none)
        assert time.monotonic() - began < 10
        assert done.stderr.strip().endswith(
            "cannot be read: Permission denied (nobody is signed in to Azure. Type: az login. Or set"
            " AZURE_STORAGE_CONNECTION_STRING)."
        )
        assert done.stderr.count("\n") == 1


class TestNobodyAnswers:
    @pytest.mark.parametrize("where", ["closed", "unknown", "silent"])
    def test_it_is_said_within_ten_seconds(self, earmark, azurite, where):
        import azurite as module

        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(16)
            host = {
                "closed": "127.0.0.1:1", "unknown": "account.blob.invalid",
                "silent": f"127.0.0.1:{silent.getsockname()[1]}",
            }[where]  # fmt: skip
            string = azurite.connection_string_with(module.KEY, f"https://{host}/devstoreaccount1")
            began = time.monotonic()
            done = earmark(
                "check", "az://sounds/x", code=2, env_more={"AZURE_STORAGE_CONNECTION_STRING": string}
            )
            seconds = time.monotonic() - began
        assert "no network, or no such name (" in done.stderr
        assert done.stderr.count("\n") == 1
        assert module.KEY not in done.stderr
        assert seconds < 10


class TestTrouble:
    def test_throttling_passes(self, earmark, sounds, between, tone_set):
        between.moods.append(once(503, "GET", "hum_hum0_0.wav", times=2))
        done = earmark(
            "check", sounds, "--pattern", PATTERN, "--json", "--strict", env_more=between.environment
        )
        assert json.loads(done.stdout)["clips"] == 54
        assert sum(asked.endswith("hum_hum0_0.wav") for asked in between.asked) >= 3

    def test_a_cut_connection_is_opened_again(self, earmark, sounds, between):
        between.moods.append(once("cut", "GET", "hum_hum0_0.wav"))
        done = earmark(
            "check", sounds, "--pattern", PATTERN, "--json", "--strict", env_more=between.environment
        )
        assert json.loads(done.stdout)["problems"] == []

    def test_a_file_that_vanishes_while_it_is_read_is_named(
        self, earmark, sounds, container, between, tmp_path
    ):
        """The connection is cut in the middle of the file, which is gone when it is asked for again."""
        system = fsspec.core.url_to_fs(sounds)[0]
        gone = f"{container}/tones/whistle_whistle1_1.wav"
        between.moods.append(once("cut", "GET", "whistle_whistle1_1.wav", also=lambda: system.rm_file(gone)))
        done = earmark(
            "train", sounds, *QUICK, "-o", "m.earmark", "--json", cwd=tmp_path, env_more=between.environment
        )
        told = json.loads(done.stdout)
        assert told["skipped"] == [{"path": "whistle_whistle1_1.wav", "reason": "no such file or directory"}]
        assert sum(told["split"][role] for role in ("train", "validation", "test")) == 53
        assert sum(a.startswith("GET") and a.endswith("whistle_whistle1_1.wav") for a in between.asked) >= 2


class TestTheLine:
    def test_trained_from_storage_as_from_a_folder(self, earmark, sounds, container, tone_set, tmp_path):
        """The same bytes in the model, which goes to storage itself, and is used from there."""
        models = {}
        for name, data, out in (
            ("here", tone_set, tmp_path / "here.earmark"), ("there", sounds, f"az://{container}/m.earmark"),
        ):  # fmt: skip
            store = tmp_path / f"store-{name}"
            done = earmark(
                "train",
                data,
                *QUICK,
                "-o",
                out,
                "--json",
                cwd=tmp_path,
                env_more={"EARMARK_STORE": str(store)},
            )
            models[name] = json.loads(done.stdout)
        assert models["there"]["bundle"] == f"az://{container}/m.earmark"
        for key in ("test", "split", "leakage", "skipped"):
            assert models["here"][key] == models["there"][key]
        there = local_file(place(f"az://{container}/m.earmark"))
        from earmark import read_bundle

        one, other = read_bundle(tmp_path / "here.earmark"), read_bundle(there)
        assert one.members[0].network == other.members[0].network
        files = ("hum_hum0_0.wav", "hiss_hiss3_1.wav")
        model = f"az://{container}/m.earmark"
        remote = json.loads(earmark("predict", model, *(f"{sounds}/{f}" for f in files), "--json").stdout)
        local = json.loads(
            earmark("predict", tmp_path / "here.earmark", *(tone_set / f for f in files), "--json").stdout
        )
        assert [row["scores"] for row in remote] == [row["scores"] for row in local]
        assert remote[0]["path"] == f"{sounds}/hum_hum0_0.wav"
        names = sorted(path for path in place(f"az://{container}").files() if "tones/" not in path)
        assert names == ["m.earmark"], "nothing else was left there"

    def test_the_store_in_storage(self, earmark, sounds, container, tmp_path):
        features = f"az://{container}/features"
        extract = ("extract", sounds, "--pattern", PATTERN, "--to", features, "--json", "--progress", "none")
        first = json.loads(earmark(*extract, cwd=tmp_path).stdout)
        again = json.loads(earmark(*extract, cwd=tmp_path).stdout)
        assert first["clips"] == again["clips"] == 54
        assert place(features).files()

    def test_label_files_beside_recordings(self, earmark, container, write_wav, tmp_path):
        import numpy as np

        noise = np.random.default_rng(0).standard_normal(16_000 * 4) * 0.1
        write_wav(tmp_path / "r" / "dawn.wav", noise, 16_000)
        (tmp_path / "r" / "dawn.txt").write_text("0.5\t1.5\tfinch\n2.0\t3.0\twren\n")
        upload(tmp_path / "r", f"az://{container}/r")
        told = json.loads(earmark("check", f"az://{container}/r", "--json").stdout)
        assert told["classes"] == {"finch": 1, "wren": 1}

    def test_where_the_model_cannot_go(self, earmark, sounds, container, read_only, tmp_path):
        """It is said before anything is trained."""
        done = earmark(
            "train", sounds, *QUICK, "-o", f"az://{container}/m.earmark", code=2, cwd=tmp_path,
            env_more=read_only(container),
        )  # fmt: skip
        assert done.stderr.strip().endswith(
            f"az://{container}/m.earmark cannot be written: Permission denied (the key or token that we have does not"
            " allow it: AuthorizationPermissionMismatch)."
        )
        done = earmark("train", sounds, *QUICK, "-o", "az://not-made-yet/m.earmark", code=2, cwd=tmp_path)
        assert done.stderr.strip().endswith(
            "There is no container or bucket to put az://not-made-yet/m.earmark into. Make it first, or give -o another"
            " place."
        )
        done = earmark("predict", f"az://{container}/none.earmark", f"{sounds}/hum_hum0_0.wav", code=2)
        assert f"There is no model file 'az://{container}/none.earmark'." in done.stderr


def _before(folder) -> str:
    import os

    return os.pathsep.join(part for part in (str(folder), os.environ.get("PYTHONPATH", "")) if part)
