"""Where `earmark fetch` puts things: folders that are taken, full disks, two at once, Kaggle, Ctrl-C, the command."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from earmark.errors import FetchError, PathError, SettingError
from earmark.fetch import DATASETS, fetch
from earmark.fetch.place import MARKER, Workplace
from earmark.fetch.plan import Plan
from test_fetch import SIZE, Heard, below, files_of, packed, sha256
from web_site import Site, cut, serving

NAME = "fsdd"
SOURCE = replace(DATASETS[NAME], unpacked=SIZE, files=10)
BODY = packed(SOURCE.file, files_of(NAME))


@pytest.fixture
def site():
    with serving(Site(BODY)) as site:
        yield site


def get(site, dest, heard=None, **how):
    return fetch(replace(SOURCE, url=f"{site.url}/x"), str(dest), heard, pause=lambda seconds: None, **how)


def everything(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


# The folder


def test_an_empty_folder_is_filled(site, tmp_path):
    (tmp_path / "set").mkdir()
    get(site, tmp_path / "set")
    assert below(tmp_path / "set") == files_of(NAME)
    assert everything(tmp_path)[0] == "set"


def test_through_a_link_to_a_folder_elsewhere(site, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "set")
    get(site, tmp_path / "link")
    assert below(tmp_path / "disk" / "set") == files_of(NAME)


def test_a_taken_folder_is_refused_and_left_alone(site, tmp_path, monkeypatch):
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "mine.wav").write_text("mine")
    file.write_text("mine")
    monkeypatch.chdir(full)
    for dest, said in (
        (full / ".." / "full", f"{tmp_path}/full/../full is the folder that you are in, or the top of all."),
        (".", ". is the folder that you are in, or the top of all."),
        ("/", "/ is the folder that you are in, or the top of all."),
        ("", "DEST is empty. Give the folder that the data set shall become."),
        ("az:/sounds/fsdd", "'az:/sounds/fsdd' is no URI yet. Did you mean 'az://sounds/fsdd'?"),
        (file, f"{file} is a file. Give the name of a new folder."),
    ):
        with pytest.raises(PathError) as caught:
            get(site, dest)
        assert str(caught.value).startswith(said)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PathError) as caught:
        get(site, full)
    assert str(caught.value) == f"{full} is a folder with 1 other thing in it. Give the name of a new one."
    assert site.asked == []
    assert everything(tmp_path) == ["file", "full", "full/mine.wav"]


def test_a_disk_of_its_own_is_refused(site):
    mounted = next(Path(p) for p in ("/proc", "/dev/shm", "/dev") if Path(p).is_mount())
    with pytest.raises(PathError, match=f"^{mounted} is a disk of its own. Give a new folder on it, such as"):
        get(site, mounted)


def test_another_data_set_or_a_plundered_one(site, tmp_path):
    dest = tmp_path / "set"
    get(site, dest)
    with pytest.raises(PathError, match=r"/set holds fsdd\. Give the name of a new folder\.$"):
        fetch(DATASETS["esc50"], str(dest))
    (dest / "labels.csv").write_text("one's own files are no matter")
    assert get(site, dest).there
    (dest / "README.md").unlink()
    (dest / "labels.csv").unlink()
    with pytest.raises(PathError, match=r"only 3 of its 4 files\. Delete the folder to fetch it anew\.$"):
        get(site, dest)


def test_a_damaged_marker_is_no_marker(site, tmp_path):
    dest = tmp_path / "set"
    get(site, dest)
    for text in ("[]", "{", '{"name": 5, "files": 4}', '{"name": "fsdd", "files": "4"}'):
        (dest / MARKER).write_text(text)
        with pytest.raises(PathError, match="other things in it"):
            get(site, dest)


def test_a_closed_folder(site, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**12})())
    if os.geteuid() == 0:
        dest = Path("/proc/nothing/set")
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        dest = tmp_path / "closed" / "set"
    with pytest.raises(FetchError, match=f"^fsdd cannot be fetched into {dest}: "):
        get(site, dest)


def test_settings_that_do_not_fit(site, tmp_path):
    dest = tmp_path / "set"
    archive = tmp_path / "mine.zip"
    archive.write_bytes(BODY)
    us8k = DATASETS["urbansound8k"]
    for source, how, kind, said in (
        (SOURCE, {"against": "md5:12"}, SettingError, "--checksum is 'md5:12', but must be one of md5, sha1,"),
        (SOURCE, {"mirror": "gopher://host/a"}, SettingError, "'gopher://host/a' is no address that begins"),
        (SOURCE, {"mirror": "http://me:word@host/a"}, SettingError, "The address of host has a user name or"),
        (SOURCE, {"mirror": "http://host:port/a"}, SettingError, "'http://host:port/a' is no web address:"),
        (SOURCE, {"mirror": "http://host/my file"}, SettingError, "'http://host/my file' has spaces in it."),
        (SOURCE, {"mirror": "file://server/a.zip"}, PathError, "'file://server/a.zip' names the machine 'server'."),
        (SOURCE, {"mirror": str(tmp_path)}, PathError, f"There is no archive at {tmp_path / SOURCE.file}."),
        (SOURCE, {"mirror": str(archive), "keep_archive": True}, SettingError, "--keep-archive is for archives"),
        (us8k, {"origin": "kaggle", "mirror": "x"}, SettingError, "--from kaggle brings its own files:"),
        (us8k, {"origin": "kaggle", "keep_archive": True}, SettingError, "--keep-archive is for archives"),
    ):  # fmt: skip
        with pytest.raises(kind) as caught:
            fetch(source, str(dest), **how)
        assert str(caught.value).startswith(said)
    assert everything(tmp_path) == ["mine.zip"]


# Room


def test_too_small_a_disk_is_refused_before_anything_is_written(site, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000_000})())
    with pytest.raises(FetchError) as caught:
        fetch(replace(SOURCE, url=site.url, bytes=900_000), str(tmp_path / "new" / "set"))
    assert str(caught.value) == (
        f"fsdd needs 1.22 MB on the disk of {tmp_path}, and 1 MB are free. Make room, or give another DEST."
    )
    assert site.asked == []
    assert everything(tmp_path) == []


def test_too_small_for_what_the_server_has(site, tmp_path, monkeypatch):
    """What nobody knew before is refused as soon as the server says it."""
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 400_000})())
    with pytest.raises(
        FetchError, match=r"^fsdd needs another 62\d kB on the disk of .*, and 400 kB are free\."
    ):
        fetch(replace(SOURCE, url=site.url, bytes=None), str(tmp_path / "new" / "set"))
    assert everything(tmp_path) == []


def test_what_is_there_already_needs_no_room(site, tmp_path, monkeypatch):
    site.moods = [cut(200_000), *[cut(0)] * 5]
    with pytest.raises(FetchError):
        get(site, tmp_path / "set")
    free = len(BODY) - 200_000 + SIZE + 10 * 2048
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": free})())
    fetch(replace(SOURCE, url=f"{site.url}/x", bytes=len(BODY)), str(tmp_path / "set"))
    assert site.starts[-1] == 200_000


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be made here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


BIG = replace(DATASETS[NAME], unpacked=1_600_000, files=10, bytes=None)


def big_site(noise: bool) -> Site:
    data = random.Random(0).randbytes(3_000_000) if noise else bytes(3_000_000)
    return Site(packed("x.zip", {"recordings/a.wav": data}), lengths=False)


def test_full_while_downloading_leaves_nothing(small_disk):
    with serving(big_site(noise=True)) as site, pytest.raises(FetchError) as caught:
        fetch(replace(BIG, url=site.url), str(small_disk / "data" / "set"))
    assert str(caught.value) == (
        f"The disk of {small_disk} is full. What was there of fsdd is removed. Make room, or give another DEST."
    )
    assert everything(small_disk) == []


def test_full_while_unpacking_keeps_the_whole_archive_and_says_where(small_disk):
    with serving(big_site(noise=False)) as site:
        source = replace(BIG, url=site.url)
        with pytest.raises(FetchError) as caught:
            fetch(source, str(small_disk / "set"))
        work = small_disk / ".set.fetch"
        size = (work / f"{SOURCE.file}.part").stat().st_size
        assert str(caught.value) == (
            f"The disk of {small_disk} is full. What was unpacked is removed; the archive, whole and checked, stays in"
            f" {work} ({size / 1000:.3g} kB). Make room and run the same command again, or delete that folder."
        )
        assert everything(small_disk) == [
            ".set.fetch", f".set.fetch/{SOURCE.file}.part", f".set.fetch/{SOURCE.file}.part.json", ".set.fetch/lock",
        ]  # fmt: skip
        subprocess.run(["mount", "-o", "remount,size=9m", small_disk], check=True)
        site.asked.clear()
        fetch(source, str(small_disk / "set"))
        assert site.asked == []
    assert [p.name for p in small_disk.iterdir()] == ["set"]


@pytest.mark.parametrize("step", ["write", "unpack", "marker", "note"])
def test_whatever_step_finds_the_disk_full(site, tmp_path, monkeypatch, step):
    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    where = {
        "write": "earmark.fetch.download._write", "unpack": "earmark.fetch.unpack.pieces",
        "marker": "earmark.fetch.place.write_json", "note": "earmark.fetch.part.write_json",
    }[step]  # fmt: skip
    monkeypatch.setattr(where, full)
    with pytest.raises(FetchError, match=r"^The disk of .* is full\. "):
        get(site, tmp_path / "set")
    monkeypatch.undo()
    assert not (tmp_path / "set").exists()
    assert everything(tmp_path) == [] or step in ("unpack", "marker")
    assert not (tmp_path / ".set.fetch" / "unpacked").exists()
    get(site, tmp_path / "set")
    assert below(tmp_path / "set") == files_of(NAME)


# Two at once, and what killed ones leave


def test_two_at_once(site, tmp_path):
    with Workplace(tmp_path / "set").held(), pytest.raises(FetchError) as caught:
        get(site, tmp_path / "set")
    assert str(caught.value) == (
        f"Another earmark fetch is filling {tmp_path}/set. Let it finish, or end it."
    )
    assert site.asked == []
    get(site, tmp_path / "set")


def test_another_run_finishes_first(site, tmp_path, monkeypatch):
    """It was not there when this run looked, and is when its turn comes."""
    dest = tmp_path / "set"

    class Late(Heard):
        def offered(self, plan):
            get(site, dest)

    got = get(site, dest, Late())
    assert got.there
    assert len(site.asked) == 1
    assert everything(tmp_path)[0] == "set"


def test_a_lock_that_was_taken_away_meanwhile_is_asked_for_again(tmp_path, monkeypatch):
    work, seen = Workplace(tmp_path / "set"), []
    ours = Workplace._ours

    def late(self, file):
        if not seen:
            (self.folder / "lock").unlink()
        seen.append(ours(self, file))
        return seen[-1]

    monkeypatch.setattr(Workplace, "_ours", late)
    with work.held():
        assert seen == [False, True]
        assert (work.folder / "lock").exists()
    assert everything(tmp_path) == []


def test_what_killed_runs_left_is_swept(site, tmp_path):
    work = Workplace(tmp_path / "set")
    work.tree.mkdir(parents=True)
    (work.tree / "half.wav").write_text("half")
    old = work.folder / f".{'0' * 16}.part"
    old.write_text("{")
    (work.folder / "another-set.zip.part").write_text("begun once, for the same folder")
    get(site, tmp_path / "set")
    assert everything(tmp_path)[0] == "set"


def test_what_a_run_left_that_was_killed_at_the_very_end_is_tidied_away(site, tmp_path):
    get(site, tmp_path / "set")
    work = Workplace(tmp_path / "set")
    work.folder.mkdir()
    (work.folder / f"{SOURCE.file}.part").write_bytes(BODY)
    with work.held():
        assert get(site, tmp_path / "set").there
        assert work.folder.exists()
    assert get(site, tmp_path / "set").there
    assert not work.folder.exists()


# Kaggle

KAGGLE = """
import os, pathlib, sys
def dataset_download(handle):
    print("kagglehub talks and talks")
    mood = os.environ["MOOD"]
    cache = pathlib.Path(os.environ["KAGGLEHUB_CACHE"])
    assert os.environ["TQDM_DISABLE"] == "1"
    if mood == "refuses":
        raise RuntimeError("403 Client Error.\\n\\nYou don't have permission to access resource.")
    if mood == "offline":
        raise ConnectionError("no network")
    archive = cache / "datasets" / handle / "1.archive"
    archive.parent.mkdir(parents=True, exist_ok=True)
    if mood == "killed":
        archive.write_text("half")
        os.kill(os.getpid(), 9)
    if mood == "goes on":
        assert archive.read_text() == "half"
        archive.unlink()
    where = cache / "datasets" / handle / "versions" / "1"
    if mood == "notebook":
        where = pathlib.Path(os.environ["INPUT"])
    (where / "fold1").mkdir(parents=True)
    (where / "fold1" / "a.wav").write_text("sound")
    (where / "UrbanSound8K.csv").write_text("slice_file_name")
    if mood == "link":
        (where / "fold1" / "b.wav").symlink_to("/etc/passwd")
    if mood == "large":
        (where / "large.wav").write_bytes(bytes(900_000))
    return str(where)
"""
CALL = """
import json, os, sys
from dataclasses import replace
from earmark.errors import EarmarkError
from earmark.fetch import DATASETS, fetch
source = replace(DATASETS["urbansound8k"], bytes=1000, unpacked=300_000, files=10)
before = dict(os.environ)
try:
    print(json.dumps(fetch(source, sys.argv[1], origin="kaggle").to_dict()))
except EarmarkError as error:
    print(f"{type(error).__name__}: {error}")
assert dict(os.environ) == before
"""


def kaggle(tmp_path: Path, mood: str, code: int = 0) -> str:
    fake = tmp_path / "fake"
    fake.mkdir(exist_ok=True)
    (fake / "kagglehub.py").write_text(KAGGLE)
    paths = os.pathsep.join([str(fake), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "MOOD": mood, "INPUT": str(tmp_path / "input")}
    done = subprocess.run(
        [sys.executable, "-c", CALL, tmp_path / "out" / "us8k"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("mood", ["good", "notebook"])
def test_from_kaggle(tmp_path, mood):
    got = json.loads(kaggle(tmp_path, mood))
    dest = tmp_path / "out" / "us8k"
    assert below(dest) == {"fold1/a.wav": b"sound", "UrbanSound8K.csv": b"slice_file_name"}
    version = "/versions/1" if mood == "good" else ""
    assert got["url"] == f"https://www.kaggle.com/datasets/chrisfilo/urbansound8k{version}"
    assert (got["files"], got["bytes"], got["checksum"], got["checked"]) == (2, 20, None, False)
    assert os.listdir(dest.parent) == ["us8k"]  # noqa: PTH208
    assert (tmp_path / "input").exists() == (mood == "notebook")


def test_from_kaggle_goes_on_after_a_kill(tmp_path):
    kaggle(tmp_path, "killed", -signal.SIGKILL)
    assert json.loads(kaggle(tmp_path, "goes on"))["files"] == 2


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        (
            "refuses",
            "FetchError: Kaggle gives no data: 403 Client Error. You don't have permission to access resource."
            " Leave out --from kaggle to ask the publisher.",
        ),
        (
            "offline",
            "FetchError: Kaggle gives no data: no network. Leave out --from kaggle to ask the publisher.",
        ),
        ("link", "ArchiveError: CACHE/fold1/b.wav is not taken over: it is neither a file nor a folder."),
        ("large", "ArchiveError: CACHE is not taken over: it holds more than 20 files or 600,000 bytes."),
    ],
)
def test_from_kaggle_refused(tmp_path, mood, said):
    cache = (
        tmp_path
        / "out"
        / ".us8k.fetch"
        / "kaggle"
        / "datasets"
        / "chrisfilo"
        / "urbansound8k"
        / "versions"
        / "1"
    )
    assert kaggle(tmp_path, mood) == said.replace("CACHE", str(cache))
    assert not (tmp_path / "out" / "us8k").exists()


# The command


def test_the_list(earmark):
    done = earmark("fetch")
    assert all(name in done.stdout for name in DATASETS)
    assert "not for commercial use" in done.stdout
    listed = json.loads(earmark("fetch", "--json").stdout)["datasets"]
    assert [entry["name"] for entry in listed] == list(DATASETS)


def test_wrong_calls(earmark, tmp_path):
    names, guess = ", ".join(sorted(DATASETS)), "Did you mean 'urbansound8k'?"
    for arguments, said in (
        (["urbansond8k", "x"], f"No data set is called 'urbansond8k'. There are: {names}. {guess}"),
        (["fsdd"], "Where shall fsdd go? Give a new folder. Type: earmark fetch fsdd fsdd"),
        (["--keep-archive"], f"Which data set? Type: earmark fetch NAME DEST. There are: {', '.join(DATASETS)}."),
        (["esc50", "x", "--from", "kaggle"], "No source of esc50 is called 'kaggle'. There are: github."),
    ):  # fmt: skip
        done = earmark("fetch", *arguments, cwd=tmp_path, code=2)
        assert done.stderr == f"error: {said}\n"
    assert everything(tmp_path) == []


def test_as_a_person_sees_it(earmark, site, tmp_path):
    dest = tmp_path / "my digits"
    done = earmark("fetch", "fsdd", dest, "--mirror", f"{site.url}/")
    assert done.stdout == (
        f"fsdd is in {dest}: 4 files, 300 kB.\n"
        f"Archive  {sha256(BODY)} (nobody has published one to compare it with)\n"
        f"Cite     {SOURCE.citation}\n"
        f"Next     earmark check '{dest}'/recordings --pattern '{{label}}_{{group}}_{{take}}.wav'\n"
    )
    lines = done.stderr.splitlines()
    assert lines[:4] == [
        f"Data      {SOURCE.title}",
        "Licence   CC BY-SA 4.0, https://creativecommons.org/licenses/by-sa/4.0/",
        f"From      {site.url}/{SOURCE.file}",
        f"To        {dest}",
    ]
    assert lines[4].startswith("Size      16.4 MB to download, about 21.5 MB unpacked; ")
    assert re.fullmatch(r"Download  301 kB of 301 kB · [0-9.]+ [kMG]B/s · \d+\.\d s", lines[5])
    assert lines[6].startswith("Unpack    300 kB of 300 kB")
    again = earmark("fetch", "fsdd", dest)
    assert again.stdout.startswith(f"fsdd is in {dest} already: 4 files, 300 kB.\n")
    assert again.stderr == ""
    assert len(site.asked) == 1


def test_what_is_not_for_commercial_use_says_so(earmark, site, tmp_path):
    archive = packed("x.zip", files_of("esc50"))
    (tmp_path / "x.zip").write_bytes(archive)
    done = earmark(
        "fetch", "esc50", tmp_path / "esc", "--mirror", tmp_path / "x.zip", "--checksum", sha256(archive)
    )
    assert done.stderr.splitlines()[1:3] == [
        "Licence   CC BY-NC 3.0 (its part ESC-10: CC BY 3.0), https://github.com/karolpiczak/ESC-50/blob/master/LICENSE",
        "          Not for commercial use.",
    ]
    assert "(as expected)" in done.stdout


def test_as_a_program_sees_it(earmark, site, tmp_path):
    dest = tmp_path / "set"
    done = earmark("fetch", "fsdd", dest, "--mirror", f"{site.url}/x?key=1", "--json", "--progress", "json")
    got = json.loads(done.stdout)
    assert got.pop("seconds") > 0
    assert got == {
        "name": "fsdd", "path": str(dest), "url": f"{site.url}/x", "bytes": 299_907, "files": 4,
        "checksum": sha256(BODY), "checked": False, "licence": "CC BY-SA 4.0", "there": False,
    }  # fmt: skip
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[0]["event"] == "fetch"
    assert events[0]["licence"] == "CC BY-SA 4.0"
    last = [e for e in events if e["event"] == "download"][-1]
    assert last["done"] == last["total"] == len(BODY)
    assert last.keys() >= {"bytes_per_second", "seconds_left", "elapsed"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(earmark, site, tmp_path, number, code):
    site.pace = 0.05
    dest = tmp_path / "set"
    arguments = [sys.executable, "-m", "earmark", "fetch", "fsdd", dest, "--mirror", f"{site.url}/x"]
    run = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part = Workplace(dest).folder / f"{SOURCE.file}.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 50_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    run.send_signal(number)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == code
    assert errors.endswith("Interrupted. Run the same command again to go on.\n")
    assert not dest.exists()
    there = part.stat().st_size
    site.pace = 0.0
    done = earmark("fetch", "fsdd", dest, "--mirror", f"{site.url}/x")
    assert site.starts == [0, there]
    assert f"went on at {there / 1000:.3g} kB" in done.stderr


def test_sources_that_cannot_be_reached(tmp_path):
    heard = Heard()
    for url, said in (
        ("http://127.0.0.1:1/x", "Cannot reach 127.0.0.1: connection refused"),
        ("http://nowhere.invalid/x", "Cannot find nowhere.invalid: no network, or no such name"),
    ):
        with pytest.raises(FetchError) as caught:
            fetch(replace(SOURCE, url=url), str(tmp_path / "set"), heard)
        assert str(caught.value) == f"{said}. Take another place with --mirror URL, or try again later."
    assert heard.notes == []
    assert everything(tmp_path) == []


def test_a_network_that_went_away_costs_nothing_of_what_is_there(site, tmp_path):
    site.moods = [cut(200_000), *[cut(0)] * 5]
    with pytest.raises(FetchError):
        get(site, tmp_path / "set")
    site.url = "http://127.0.0.1:1"
    with pytest.raises(FetchError) as caught:
        fetch(
            replace(SOURCE, url=f"{site.url}/x", checksum=sha256(BODY), bytes=len(BODY)),
            str(tmp_path / "set"),
        )
    assert str(caught.value) == (
        "Cannot reach 127.0.0.1: connection refused. 200 kB of 301 kB are there:"
        " run the same command again to go on."
    )
    assert (Workplace(tmp_path / "set").folder / f"{SOURCE.file}.part").stat().st_size == 200_000


def test_a_plan_knows_its_bounds(tmp_path):
    plan = Plan(SOURCE, "github", "https://host/a?key=1", None, tmp_path / "set", None, None)
    assert plan.address == "https://host/a"
    assert plan.most_bytes == 2 * SIZE
    assert plan.free > 0
