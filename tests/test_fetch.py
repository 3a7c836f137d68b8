"""`earmark fetch`: every entry against a server that cuts, lies and refuses; in the end it is whole or not there."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from earmark.errors import ArchiveError, FetchError, PathError
from earmark.fetch import DATASETS, Source, fetch, web
from earmark.fetch import flow as flow_module
from earmark.fetch.place import MARKER
from web_site import Site, answer, cut, says, serving

SIZE = 300_000
MARK = {
    "name",
    "url",
    "checksum",
    "checked",
    "files",
    "bytes",
    "licence",
    "licence_url",
    "homepage",
    "citation",
}


class Heard:
    """Hears how it goes."""

    def __init__(self):
        self.plans, self.stages, self.notes = [], [], []

    def offered(self, plan):
        self.plans.append(plan)

    def fetching(self, stage, done, total):
        self.stages.append((stage, done, total))

    def noted(self, text):
        self.notes.append(text)


def files_of(name: str) -> dict[str, bytes]:
    """The files of a tiny data set; most of it is noise, so that it is as large when packed."""
    noise = random.Random(name).randbytes
    return {
        "README.md": b"read me",
        "audio/fold1/a.wav": noise(SIZE - 1000),
        "audio/fold2/b.wav": noise(900),
        "meta/empty.csv": b"",
    }


def packed(name: str, files: dict[str, bytes], top: str = "some-folder/") -> bytes:
    """Return an archive of the kind that the name says."""
    out = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in files.items():
                archive.writestr(top + path, data)
    else:
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
            for path, data in files.items():
                info = tarfile.TarInfo(top + path)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def below(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != MARKER
    }


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture(params=DATASETS)
def entry(request):
    """A data set as it is registered, and an archive that stands in for its own."""
    source = DATASETS[request.param]
    return source, packed(source.file, files_of(source.name))


@pytest.fixture
def site(entry):
    with serving(Site(entry[1])) as site:
        yield site


def made_for(entry: tuple[Source, bytes], site: Site) -> Source:
    """The entry with the archive's own size and checksum, by the algorithm that it has."""
    source, body = entry
    checksum = None
    if source.checksum is not None:
        kind = source.checksum.partition(":")[0]
        checksum = f"{kind}:{hashlib.new(kind, body).hexdigest()}"
    return replace(
        source, url=f"{site.url}/{source.file}", checksum=checksum, bytes=len(body), unpacked=SIZE, files=10
    )


class Trial:
    """One fetch into an empty folder, and what is there afterwards."""

    def __init__(self, entry, site, tmp_path):
        self.source, self.site, self.root = made_for(entry, site), site, tmp_path
        self.dest = tmp_path / "data" / "set"
        self.heard, self.pauses = Heard(), []

    def fetch(self, **how):
        return fetch(self.source, str(self.dest), self.heard, pause=self.pauses.append, **how)

    def fails(self, match: str, kind: type[Exception] | None = FetchError, **how):
        with pytest.raises(kind or FetchError, match=match) as caught:
            self.fetch(**how)
        assert kind in (None, type(caught.value))
        assert "\n" not in str(caught.value)
        assert not self.dest.exists()
        return str(caught.value)

    @property
    def work(self) -> Path:
        return self.dest.with_name(f".{self.dest.name}.fetch")

    @property
    def left(self) -> list[str]:
        """What is in the test's folder, apart from folders and the data set."""
        inside = [p for p in self.root.rglob("*") if self.dest not in p.parents and not p.is_dir()]
        return sorted(str(p.relative_to(self.root)) for p in inside)

    def check(self, got):
        assert below(self.dest) == files_of(self.source.name)
        marker = json.loads((self.dest / MARKER).read_text())
        assert marker.keys() >= MARK
        assert marker["name"] == self.source.name
        assert marker["files"] == got.files == 4
        assert marker["bytes"] == got.bytes == sum(map(len, files_of(self.source.name).values()))
        assert marker["checksum"] == got.checksum == (self.source.checksum or sha256(self.site.body))
        assert got.checked == (self.source.checksum is not None)
        assert not self.work.exists()


@pytest.fixture
def trial(entry, site, tmp_path):
    return Trial(entry, site, tmp_path)


# What the registry says


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_says_what_a_person_must_know(name):
    source = DATASETS[name]
    assert source.name == name
    assert source.url.startswith("https://")
    assert re.fullmatch(r"[A-Za-z0-9._-]+\.(tar\.gz|zip)", source.file)
    assert source.licence.startswith("CC BY")
    assert source.commercial == ("NC" not in source.licence)
    for link in (source.licence_url, source.homepage):
        assert link.startswith("https://")
    assert source.citation
    assert source.title
    assert source.unpacked > 0
    assert source.files > 0
    assert source.next.format(dest="D").startswith("earmark check D")
    if source.checksum is not None:
        assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", source.checksum)
        assert source.bytes is not None
    assert source.origins[0] == source.origin
    assert source.kaggle is None or re.fullmatch(r"[\w-]+/[\w-]+", source.kaggle)


# The contract: whatever the server does, in the end the set is whole


def test_plainly(trial):
    trial.check(trial.fetch())
    assert trial.site.starts == [0]
    assert trial.heard.notes == trial.pauses == []
    (plan,) = trial.heard.plans
    assert (plan.address, plan.dest) == (trial.source.url, trial.dest)
    size = len(trial.site.body)
    downloads = [(done, total) for stage, done, total in trial.heard.stages if stage == "Download"]
    assert downloads[0] == (0, size)
    assert downloads[-1] == (size, size)
    assert {stage for stage, *_ in trial.heard.stages} == {"Download", "Unpack"}
    assert "authorization" not in trial.site.asked[0]
    assert trial.site.asked[0]["user-agent"].startswith("earmark/")


def test_a_second_time_nothing_is_asked(trial):
    trial.fetch()
    trial.site.asked.clear()
    got = trial.fetch()
    assert got.there
    trial.check(got)
    assert trial.site.asked == []


def test_cut_several_times_goes_on_where_it_was(trial):
    trial.site.moods = [cut(100_000), cut(70_000), cut(80_000)]
    trial.check(trial.fetch())
    assert trial.site.starts == [0, 100_000, 170_000, 250_000]
    assert trial.site.sent == len(trial.site.body)
    assert trial.heard.notes == ["The connection was cut. Trying again in 1 s."] * 3
    assert [a.get("if-range") for a in trial.site.asked] == [None, '"v1"', '"v1"', '"v1"']


def test_cut_before_anything_came_is_tried_again(trial):
    trial.site.moods = [cut(0), cut(0), says(503), cut(0)]
    trial.check(trial.fetch())
    assert trial.pauses == [1, 2, 4, 8]


def test_cut_for_ever_gives_up_and_the_next_run_goes_on(trial):
    trial.site.moods = [cut(100_000), *[cut(0)] * 5]
    said = trial.fails("run the same command again to go on")
    kept = re.fullmatch(
        r"The connection was cut, 5 times in a row\. (.*) run the same command again to go on\.", said
    )
    assert re.fullmatch(r"100 kB of 30[01] kB are there:", kept[1])
    trial.site.moods = []
    trial.check(trial.fetch())
    assert trial.site.starts[-1] == 100_000
    assert trial.site.sent == len(trial.site.body)


def test_without_the_date_or_tag_a_checksum_makes_going_on_safe(trial):
    trial.site.etag = trial.site.date = ""
    trial.site.moods = [cut(100_000), *[cut(0)] * 5]
    trial.fails("run the same command again")
    trial.check(trial.fetch())
    safe = trial.source.checksum is not None
    assert trial.site.starts[-1] == (100_000 if safe else 0)


def test_a_weak_tag_is_not_relied_on(trial):
    trial.site.etag = 'W/"v1"'
    trial.site.moods = [cut(100_000)]
    trial.check(trial.fetch())
    assert trial.site.asked[1]["if-range"] == trial.site.date


def test_without_range_it_is_begun_anew_and_said(trial):
    trial.site.ranges = False
    trial.site.moods = [cut(100_000)]
    trial.check(trial.fetch())
    assert trial.heard.notes[-1] == "The server cannot go on in the middle of a file. Begun anew."


def test_without_range_and_cut_each_time_gives_up(trial):
    trial.site.ranges = False
    trial.site.moods = [cut(100_000)] * 9
    trial.fails("the server cannot go on in the middle of a file each time")
    assert trial.left == []


def test_without_a_length(trial):
    trial.site.lengths = False
    trial.check(trial.fetch())


def test_a_length_too_large_is_found_out(trial):
    trial.site.moods = [lambda site, request: answer(site, request, claim=1000)]
    got = trial.fetch(mirror=trial.source.url, against=sha256(trial.site.body))
    assert below(trial.dest) == files_of(trial.source.name)
    assert got.checked
    assert trial.site.starts == [0, len(trial.site.body)]
    assert trial.heard.notes == ["The connection was cut. Trying again in 1 s."]


def test_a_length_too_small_is_found_out(trial):
    trial.site.moods = [lambda site, request: answer(site, request, claim=-1000)] * 2
    if trial.source.checksum is None:  # nobody knows better, but the archive itself does
        trial.fails("is damaged", ArchiveError)
        assert trial.left == []
    else:
        trial.fails("That is another file")
        trial.site.moods = [lambda site, request: answer(site, request, claim=-1000)]
        trial.fetch(mirror=trial.source.url, against=sha256(trial.site.body))
        assert "Fetched once more, from its beginning." in trial.heard.notes[-1]
        assert below(trial.dest) == files_of(trial.source.name)


def test_a_server_that_falls_silent_is_left_and_asked_again(trial, monkeypatch):
    monkeypatch.setattr(web, "PATIENCE", 0.1)

    def silent(site, request):
        request.head(200, ETag=site.etag, Content_Length=len(site.body))
        request.pieces(site.body[:100_000])
        time.sleep(0.3)

    trial.site.moods = [silent]
    trial.check(trial.fetch())
    assert trial.heard.notes == ["Nothing came for 0.1 s. Trying again in 1 s."]
    assert trial.site.starts == [0, 100_000]


def test_a_wrong_size_is_refused_at_once_where_the_right_one_is_known(trial):
    trial.site.body = trial.site.body[:-1]
    if trial.source.checksum is None:
        trial.fails("is damaged", ArchiveError)
    else:
        said = trial.fails("where 30[0-9],[0-9]{3} belong")
        assert said.startswith(f"{trial.source.url} offers ")
        assert trial.site.sent <= 2**20  # what was on its way already
    assert trial.left == []


def test_a_body_without_end_is_stopped(trial):
    def endless(site, request):
        request.head(200)
        while True:
            request.pieces(bytes(2**16))

    trial.site.moods = [endless, endless]
    if trial.source.checksum is None:
        trial.fails("sends without an end, where at most 60[0-9] kB belong. Nothing of it was kept.")
    else:
        trial.fails("is not the archive that it should be", ArchiveError)
    assert trial.left == []


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "401 Unauthorized. It wants a sign-in that Earmark does not have."),
        (403, "403 Forbidden. It does not let us have the file."),
        (404, "404 Not Found. There is no such file any more."),
    ],
)
def test_refused_at_once(trial, status, why):
    trial.site.moods = [says(status)]
    said = trial.fails("cannot be fetched")
    assert said == (
        f"{trial.source.url} cannot be fetched: the server answers {why} Take another place with --mirror URL, or an"
        " archive on this machine with --mirror FILE."
    )
    assert len(trial.site.asked) == 1
    assert trial.left == []


def test_busy_for_a_while(trial):
    trial.site.moods = [
        says(503, Retry_After=7),
        says(503),
        says(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
    ]
    trial.check(trial.fetch())
    assert trial.pauses == [7, 2, 4]
    assert trial.heard.notes[0] == "The server answers 503 Service Unavailable. Trying again in 7 s."


def test_busy_for_longer_than_anyone_waits(trial):
    trial.site.moods = [says(503, Retry_After=3600)]
    trial.fails("asks us to come back in 60 minutes")
    assert trial.pauses == []


def test_busy_for_ever(trial):
    trial.site.moods = [says(503)] * 9
    trial.fails(
        "The server answers 503 Service Unavailable, 5 times in a row. Take another place with --mirror URL"
    )
    assert len(trial.site.asked) == 5


def test_whole_but_killed_before_it_was_unpacked(trial, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(flow_module, "unpack", killed)
    with pytest.raises(KeyboardInterrupt):
        trial.fetch()
    monkeypatch.undo()
    assert not trial.dest.exists()
    trial.site.asked.clear()
    trial.check(trial.fetch())
    assert trial.site.asked == []
    assert "Checksum" in {stage for stage, *_ in trial.heard.stages}


def test_416_when_every_byte_is_there(trial):
    """The size is not known, and the last run ended before it noted that the file was whole."""
    trial.site.moods = [cut(100_000), *[cut(0)] * 5]
    trial.fails("again to go on")
    part = trial.work / f"{trial.source.file}.part"
    note = part.with_name(part.name + ".json")
    part.write_bytes(trial.site.body)
    note.write_text(json.dumps({**json.loads(note.read_text()), "total": None}))
    got = trial.fetch(mirror=trial.source.url, against=sha256(trial.site.body))
    assert trial.site.starts[-1] == len(trial.site.body)
    assert below(trial.dest) == files_of(trial.source.name)
    assert got.checked


def test_416_when_the_file_has_become_shorter(trial):
    trial.site.moods = [cut(100_000), says(416, Content_Range="bytes */50000")]
    trial.check(trial.fetch())
    assert trial.heard.notes[-1] == "The file at the server is not what it was. Begun anew."
    assert trial.site.starts == [0, 100_000, 0]


def test_changed_between_two_runs_is_begun_anew(trial):
    whole = trial.site.body
    trial.site.body = bytes(len(whole))
    trial.site.moods = [cut(100_000), *[cut(0)] * 5]
    trial.fails("again to go on")
    trial.site.body, trial.site.etag, trial.site.date = whole, '"v2"', "Sat, 01 Jan 2022 00:00:00 GMT"
    trial.check(trial.fetch())
    assert "The file at the server is not what it was. Begun anew." in trial.heard.notes


def test_changed_behind_a_server_that_knows_no_if_range(trial):
    whole = trial.site.body
    trial.site.body = bytes(len(whole))

    def careless(site, request):
        site.body, site.etag, site.date = whole, '"v2"', ""
        del request.headers["If-Range"]
        answer(site, request)

    trial.site.moods = [cut(100_000), careless]
    trial.check(trial.fetch())
    assert trial.site.starts == [0, 100_000, 0]


def test_another_part_than_was_asked_for(trial):
    def elsewhere(site, request):
        total = len(site.body)
        request.head(
            206, Content_Range=f"bytes 5-{total - 1}/{total}", Content_Length=total - 5, ETag=site.etag
        )
        request.pieces(site.body[5:])

    trial.site.moods = [cut(100_000), elsewhere]
    trial.check(trial.fetch())
    assert "The server sent another part than was asked for. Trying again in 2 s." in trial.heard.notes


def test_a_part_that_comes_damaged_is_fetched_once_more(trial):
    def damaged(site, request):
        whole, site.body = site.body, site.body[:150_000] + b"\0" * 20 + site.body[150_020:]
        answer(site, request)
        site.body = whole

    trial.site.moods = [cut(100_000), damaged]
    if trial.source.checksum is None:  # what the archive itself knows of its contents
        trial.fails("is damaged", ArchiveError)
        assert trial.left == []
        trial.check(trial.fetch())
        return
    trial.check(trial.fetch())
    assert "Fetched once more, from its beginning." in trial.heard.notes[-1]
    assert trial.site.starts == [0, 100_000, 0]


def test_a_part_that_was_damaged_on_the_disk(trial):
    trial.site.moods = [cut(100_000), *[cut(0)] * 5]
    trial.fails("again to go on")
    with (trial.work / f"{trial.source.file}.part").open("r+b") as file:
        file.seek(60_000)
        file.write(b"\0" * 100)
    if trial.source.checksum is None:
        trial.fails("is damaged", ArchiveError)
        assert trial.left == []
    trial.check(trial.fetch())


def test_always_damaged(trial):
    trial.site.body = random.Random(1).randbytes(len(trial.site.body))
    if trial.source.checksum is None:
        trial.fails("is neither a zip file nor a tar.gz file", ArchiveError)
        assert len(trial.site.asked) == 1
    else:
        said = trial.fails("is not the archive that it should be", ArchiveError)
        assert said.endswith("expected. Nothing of it was kept. Take another place with --mirror URL.")
        assert len(trial.site.asked) == 2
    assert trial.left == []


def test_redirected(trial):
    trial.site.moods = [says(302, Location="/elsewhere?sig=secret")]
    trial.check(trial.fetch())
    assert trial.site.paths == [f"/{trial.source.file}", "/elsewhere?sig=secret"]
    assert "secret" not in (trial.dest / MARKER).read_text()


def test_redirected_without_end(trial):
    trial.site.moods = [says(302, Location="/round")] * 20
    trial.fails("sends us from one address to another without an end")


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,x"])
def test_redirected_out_of_the_web(trial, to):
    trial.site.moods = [says(302, Location=to)]
    trial.fails("sends us on to .* which is not safe to follow")


def test_redirected_from_encrypted_to_plain(monkeypatch):
    from urllib.request import Request as Asked

    handler = web._Redirects()
    asked = Asked("https://host/a.zip?sig=secret")
    with pytest.raises(FetchError) as caught:
        handler.redirect_request(asked, io.BytesIO(), 302, "Found", {}, "http://host/a.zip?sig=secret")
    assert str(caught.value) == (
        "https://host/a.zip sends us on to http://host/a.zip, which is not safe to follow."
        " Take another place with --mirror URL."
    )
    assert handler.redirect_request(asked, io.BytesIO(), 302, "Found", {}, "https://other/a.zip") is not None


# Mirrors and archives on this machine


def test_a_mirror_is_a_folder_or_a_file(trial):
    site = trial.site
    trial.source = replace(trial.source, url="https://nowhere.invalid/x")
    got = trial.fetch(mirror=f"{site.url}/pub/")
    trial.check(got)
    assert site.paths == [f"/pub/{trial.source.file}"]
    assert got.url == f"{site.url}/pub/{trial.source.file}"
    trial.dest = trial.root / "other"
    trial.check(trial.fetch(mirror=f"{site.url}/mine.bin?key=1"))
    assert site.paths[-1] == "/mine.bin?key=1"
    assert "key" not in (trial.dest / MARKER).read_text()


def test_a_mirror_goes_on_with_what_another_place_began(trial):
    """With a checksum it is the same archive, wherever it comes from."""
    trial.site.moods = [cut(100_000), *[cut(0)] * 5]
    trial.fails("again to go on")
    with serving(Site(trial.site.body, etag='"other"')) as other:
        trial.check(trial.fetch(mirror=f"{other.url}/x"))
        assert other.starts == [100_000 if trial.source.checksum else 0]
        assert "if-range" not in other.asked[0]


def test_a_repacked_mirror(trial, tmp_path):
    repacked = packed(
        "x.zip" if trial.source.file.endswith(".gz") else "x.tar.gz", files_of(trial.source.name), ""
    )
    trial.site.body = repacked
    trial.site.moods = []
    if trial.source.checksum is not None:
        trial.fails("another file|is not the archive", mirror=f"{trial.site.url}/x", kind=None)
    got = trial.fetch(mirror=f"{trial.site.url}/x", against=sha256(repacked).upper())
    assert below(trial.dest) == files_of(trial.source.name)
    assert (got.checksum, got.checked) == (sha256(repacked), True)


@pytest.mark.parametrize("form", ["file", "folder", "uri"])
def test_an_archive_on_this_machine_needs_no_network(trial, form):
    folder = trial.root / "my archives"
    folder.mkdir()
    archive = folder / trial.source.file
    archive.write_bytes(trial.site.body)
    mirror = {"file": str(archive), "folder": str(folder), "uri": archive.as_uri()}[form]
    trial.source = replace(trial.source, url="https://nowhere.invalid/x")
    got = trial.fetch(mirror=mirror)
    trial.check(got)
    assert got.url == str(archive)
    assert trial.site.asked == []
    assert archive.read_bytes() == trial.site.body
    assert trial.left == [f"my archives/{trial.source.file}"]


def test_an_archive_on_this_machine_is_held_against_its_checksum(trial):
    archive = trial.root / "mine"
    archive.write_bytes(trial.site.body[:-5])
    said = trial.fails("is not the archive of|is damaged", ArchiveError, mirror=str(archive))
    assert trial.left == ["mine"]
    if trial.source.checksum is not None:
        assert said.endswith("If it was repacked by somebody whom you trust, add --checksum ALGORITHM:HEX.")


def test_the_archive_is_kept_and_used_again(trial):
    trial.check(trial.fetch(keep_archive=True))
    archive = trial.dest.with_name(trial.source.file)
    assert archive.read_bytes() == trial.site.body
    assert trial.left == [f"data/{trial.source.file}"]
    trial.site.asked.clear()
    trial.dest = trial.dest.with_name("again")
    trial.check(trial.fetch(keep_archive=True))
    assert trial.site.asked == []
    assert trial.heard.notes == [f"{archive} is there already, and not downloaded."]


def test_a_strange_file_where_the_archive_would_be_kept_is_left_alone(trial):
    archive = trial.dest.with_name(trial.source.file)
    archive.parent.mkdir()
    archive.write_bytes(b"my own")
    if trial.source.checksum is None:
        trial.fails("is neither a zip file nor a tar.gz file", ArchiveError)
    else:
        with pytest.raises(PathError, match="is another file than the archive"):
            trial.fetch(keep_archive=True)
        trial.check(trial.fetch())
        assert trial.heard.notes == [f"{archive} is another file than the archive, and left alone."]
    assert archive.read_bytes() == b"my own"
