"""`earmark fetch` into object storage: file by file, whole only when the checksum says so, and nothing put twice."""

from __future__ import annotations

import io
import json
import random
import tarfile
import uuid
import zipfile
from dataclasses import replace

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from earmark.errors import ArchiveError, FetchError, PathError, SettingError
from earmark.fetch import DATASETS, fetch, plan
from earmark.fetch import put as put_module
from earmark.fetch.place import MARKER
from earmark.fetch.stream import Stream
from earmark.readers import read
from earmark.remote import UNFINISHED
from test_fetch import SIZE, Heard, files_of, packed, sha256
from test_remote import Store, store  # noqa: F401
from web_site import Site, answer, cut, says, serving

NAME = "urbansound8k"
FILES = files_of(NAME)
TAR, ZIP = packed("x.tar.gz", FILES), packed("x.zip", FILES)


@pytest.fixture
def site():
    with serving(Site(TAR)) as site:
        yield site


@pytest.fixture
def dest():
    return f"memory://{uuid.uuid4().hex}/us8k"


def source_of(site, **more):
    body = site.body
    known = {"bytes": len(body), "checksum": sha256(body), "unpacked": SIZE, "files": 10, **more}
    return replace(DATASETS[NAME], url=f"{site.url}/x", **known)


def get(site, dest, heard=None, known=None, **how):
    return fetch(source_of(site, **(known or {})), dest, heard, pause=lambda seconds: None, **how)


def below(dest):
    system = MemoryFileSystem() if dest.startswith("memory") else Store()
    top = system._strip_protocol(dest)
    return {path.removeprefix(f"{top}/"): system.cat_file(path) for path in system.find(top)}


def data_in(dest):
    return {path: data for path, data in below(dest).items() if path not in (MARKER, UNFINISHED)}


class TestWhole:
    def test_every_file_and_the_marker(self, site, dest):
        heard = Heard()
        got = get(site, dest, heard)
        assert data_in(dest) == FILES
        marker = json.loads(below(dest)[MARKER])
        assert (marker["name"], marker["files"], marker["bytes"]) == (NAME, 4, SIZE - 93)
        assert (marker["checksum"], marker["checked"]) == (sha256(TAR), True)
        assert (str(got.path), got.files, got.there) == (dest, 4, False)
        assert heard.stages[-1] == ("Download", len(TAR), len(TAR))
        assert heard.plans[0].free is None
        assert site.starts == [0]

    def test_the_second_time_nothing_is_asked(self, site, dest):
        get(site, dest)
        assert get(site, dest).there
        assert site.starts == [0]

    def test_what_was_deleted_there_is_put_again(self, site, dest):
        get(site, dest)
        MemoryFileSystem().rm_file(f"{dest}/README.md")
        heard = Heard()
        assert not get(site, dest, heard).there
        assert "3 of 4 files were there already." in heard.notes
        assert data_in(dest) == FILES

    @pytest.mark.parametrize("ranges", [True, False])
    def test_a_zip_file(self, dest, ranges):
        with serving(Site(ZIP, ranges=ranges)) as site:
            heard = Heard()
            got = get(site, dest, heard)
            assert got.checksum == sha256(ZIP)
            assert data_in(dest) == FILES
            assert any("goes through a temporary file" in note for note in heard.notes) is not ranges
            if ranges:
                assert site.sent < len(ZIP) + 2**20, "read once, in order"

    def test_without_a_checksum_that_is_known(self, dest):
        with serving(Site(ZIP, lengths=False, etag="", date="")) as site:
            got = get(site, dest, known={"checksum": None})
            assert (got.checksum, got.checked) == (sha256(ZIP), False)

    def test_an_archive_on_this_machine(self, site, dest, tmp_path):
        (tmp_path / "x.tar.gz").write_bytes(TAR)
        got = get(site, dest, mirror=str(tmp_path / "x.tar.gz"))
        assert (data_in(dest), got.checked, site.asked) == (FILES, True, [])

    def test_from_kaggle(self, dest, monkeypatch):
        with serving(Site(packed("x.zip", FILES, ""))) as site:
            monkeypatch.setattr(plan, "KAGGLE", f"{site.url}/{{}}")
            got = get(site, dest, origin="kaggle")
            assert set(site.paths) == {"/chrisfilo/urbansound8k"}
            assert (data_in(dest), got.checked) == (FILES, False)
            assert got.url == "https://www.kaggle.com/datasets/chrisfilo/urbansound8k"

    def test_a_large_file_goes_by_way_of_the_disk(self, site, dest, monkeypatch):
        monkeypatch.setattr(put_module, "_IN_MEMORY", 10_000)
        get(site, dest)
        assert data_in(dest) == FILES

    def test_files_without_a_folder_that_holds_all(self, dest):
        files = {"dog/a.wav": b"sound", "cat/b.wav": b"sound", "list.txt": b"x"}
        with serving(Site(packed("x.tar.gz", files, ""))) as site:
            heard = Heard()
            get(site, dest, heard)
            assert data_in(dest) == files
            assert "Not all of the archive is in one folder. Begun anew." in heard.notes


class TestCut:
    def test_it_goes_on_where_it_was(self, site, dest):
        site.moods = [cut(100_000), says(503), cut(100_000)]
        heard = Heard()
        get(site, dest, heard)
        assert site.starts == [0, 100_000, 100_000, 200_000]
        assert data_in(dest) == FILES

    def test_a_server_that_cannot_go_on_is_read_again(self, dest):
        with serving(Site(TAR, ranges=False, moods=[cut(100_000)])) as site:
            heard = Heard()
            get(site, dest, heard)
            assert data_in(dest) == FILES
            assert any("cannot go on in the middle of a file" in note for note in heard.notes)

    def test_another_file_meanwhile(self, site, dest):
        def other(site, request):
            site.etag = '"v2"'
            answer(site, request)

        site.moods = [cut(100_000), other]
        heard = Heard()
        get(site, dest, heard)
        assert any("it changed while it was read" in note for note in heard.notes)
        assert data_in(dest) == FILES

    def test_it_is_given_up(self, site, dest):
        site.moods = [cut(100_000)] + [says(503)] * 10
        with pytest.raises(FetchError) as caught:
            get(site, dest)
        assert str(caught.value) == (
            "The server answers 503 Service Unavailable, 5 times in a row after 100 kB. Run the same command again, or"
            " take another place with --mirror URL."
        )
        assert MARKER not in below(dest)
        with pytest.raises(PathError, match="is not whole: what puts a data set there has not ended"):
            read(dest)
        site.moods = []
        heard = Heard()
        get(site, dest, heard)
        assert data_in(dest) == FILES
        assert UNFINISHED not in below(dest)

    def test_what_is_there_is_not_put_again(self, site, store, monkeypatch):  # noqa: F811
        get(site, "teststore://sounds/us8k")
        Store().rm_file(f"/sounds/us8k/{MARKER}")
        Store().pipe_file(
            f"/sounds/us8k/{UNFINISHED}", json.dumps({"name": NAME, "files": 0, "bytes": 0}).encode()
        )
        Store().pipe_file("/sounds/us8k/audio/fold2/b.wav", b"x" * 900)  # of the right size, but another
        puts, put = [], Store.pipe_file
        monkeypatch.setattr(
            Store, "pipe_file", lambda self, path, data: (puts.append(path), put(self, path, data))
        )
        heard = Heard()
        get(site, "teststore://sounds/us8k", heard)
        assert "3 of 4 files were there already." in heard.notes
        assert [path.removeprefix("/sounds/us8k/") for path in puts] == [
            UNFINISHED,
            "audio/fold2/b.wav",
            MARKER,
        ]
        assert data_in("teststore://sounds/us8k") == FILES


class TestWrong:
    def test_a_wrong_checksum_leaves_nothing(self, site, dest):
        heard = Heard()
        with pytest.raises(ArchiveError) as caught:
            get(site, dest, heard, known={"checksum": "md5:" + "0" * 32})
        assert str(caught.value).startswith(f"{site.url}/x is not the archive that it should be: it has md5:")
        assert str(caught.value).endswith("Nothing of it was kept. Take another place with --mirror URL.")
        assert site.starts == [0, 0]
        assert data_in(dest) == {}
        assert MARKER not in below(dest)

    def test_damage_that_passes_is_mended(self, site, dest):
        def damaged(site, request):
            whole, site.body = site.body, TAR[:200_000] + bytes(100) + TAR[200_100:]
            answer(site, request)
            site.body = whole

        site.moods = [damaged]
        get(site, dest)
        assert data_in(dest) == FILES

    @pytest.mark.parametrize(
        ("name", "said"),
        [("../up.wav", "leads out of the folder"), ("set/" + UNFINISHED, "is a name that Earmark uses")],
    )
    def test_names_that_mean_harm(self, dest, name, said):
        with (
            serving(Site(packed("x.tar.gz", {"set/a.wav": b"a", name: b"x"}, ""))) as site,
            pytest.raises(ArchiveError, match=said),
        ):
            get(site, dest)
        assert data_in(dest) == {}

    def test_more_than_it_may_hold(self, dest):
        many = Site(packed("x.tar.gz", {"a.wav": bytes(10 * SIZE)}))
        with (
            serving(many) as site,
            pytest.raises(ArchiveError, match="more than the 600,000 bytes that it may"),
        ):
            get(site, dest)
        assert data_in(dest) == {}

    def test_a_link_is_refused(self, dest):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            link = tarfile.TarInfo("set/link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        with serving(Site(out.getvalue())) as site, pytest.raises(ArchiveError, match="in it is a link"):
            get(site, dest)

    def test_what_else_stands_there(self, site, dest):
        memory = MemoryFileSystem()
        memory.pipe_file(f"{dest}/mine.wav", b"mine")
        with pytest.raises(PathError) as caught:
            get(site, dest)
        assert (
            str(caught.value) == f"{dest} is a folder with 1 other thing in it. Give the name of a new one."
        )
        with pytest.raises(PathError, match=r"mine\.wav is a file\. Give the name of a new folder\.$"):
            get(site, f"{dest}/mine.wav")
        for name, said in ((UNFINISHED, " in part"), (MARKER, "")):
            memory.pipe_file(f"{dest}/{name}", b'{"name": "esc50", "files": 0, "bytes": 0}')
            with pytest.raises(PathError) as caught:
                get(site, dest)
            assert str(caught.value) == f"{dest} holds esc50{said}. Give the name of a new folder."
        assert site.asked == []

    def test_where_nothing_can_be_put(self, site):
        pytest.importorskip("aiohttp")
        with pytest.raises(PathError, match=r"^https://host/us8k is on the web, where nothing can be put\."):
            get(site, "https://host/us8k")

    def test_no_archive_is_kept(self, site, dest):
        with pytest.raises(SettingError, match=r"^--keep-archive is for folders on this machine"):
            get(site, dest, keep_archive=True)

    def test_a_store_that_refuses_is_asked_first(self, site, store):  # noqa: F811
        store.pipe_file("/sounds/else.wav", b"")
        store.failures.extend([FileNotFoundError("x")])
        type(store).always = PermissionError("no")
        with pytest.raises(
            FetchError, match=r"^teststore://sounds/us8k cannot be written: Permission denied \(no\)\.$"
        ):
            get(site, "teststore://sounds/us8k")
        assert site.asked == []

    def test_other_files_that_came_meanwhile(self, site, dest):
        memory = MemoryFileSystem()
        memory.pipe_file(f"{dest}/{UNFINISHED}", json.dumps({"name": NAME, "files": 0, "bytes": 0}).encode())
        memory.pipe_file(f"{dest}/notes.txt", b"mine")
        heard = Heard()
        get(site, dest, heard)
        assert f"1 other files are in {dest}, such as notes.txt, and left alone." in heard.notes
        assert data_in(dest) == {**FILES, "notes.txt": b"mine"}


class TestStream:
    @pytest.mark.parametrize("size", [511, 512, 513, 2**17 - 512, 2**17])
    def test_a_tar_file_is_read_once_wherever_its_files_end(self, dest, size):
        """tarfile goes back by a byte after each file, and by a block at the end."""
        files = {f"{n:02}.wav": random.Random(n).randbytes(size) for n in range(9)}
        with serving(Site(packed("x.tar.gz", files))) as site:
            get(site, dest, known={"unpacked": 2 * SIZE})
            assert site.starts == [0]
        assert data_in(dest) == files

    def test_as_a_file_is_read(self):
        from earmark.fetch.download import Wanted

        body = random.Random(0).randbytes(3 * 2**20)
        with serving(Site(body)) as site:
            stream = Stream(Wanted(f"{site.url}/x", None, None, len(body)), Heard(), lambda seconds: None)
            rng, here = random.Random(1), io.BytesIO(body)
            for _ in range(40):
                place, size = rng.randrange(len(body)), rng.choice([0, 1, 70_000, 2**21])
                assert stream.seek(place) == here.seek(place)
                assert stream.read(size) == here.read(size)
                assert stream.tell() == here.tell()
            assert stream.seek(-5, 2) == here.seek(-5, 2)
            assert stream.read() == here.read()
            assert stream.finish() == sha256(body)
            stream.close()

    def test_zip_files_that_list_their_files_in_another_order(self, dest):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for path, data in FILES.items():
                archive.writestr(f"set/{path}", data)
            archive.filelist.reverse()
        with serving(Site(out.getvalue())) as site:
            assert get(site, dest).checksum == sha256(out.getvalue())
        assert data_in(dest) == FILES
