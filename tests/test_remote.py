"""Data sets in object storage: read as from a folder, listed once, fetched once, and no key is ever shown."""

import errno
import functools
import http.server
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import ClassVar

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from earmark.errors import (
    LayoutError,
    MissingExtraError,
    PathError,
    TableError,
    TooLongAudioError,
    UnreadableAudioError,
)
from earmark.labels import FORMS
from earmark.readers import READERS, detect, read
from earmark.remote import RemotePath, ask, local_file, look_up, path, place, shown, spool
from test_readers import LAYOUTS, PATTERNS, kinds, make_folders, make_table, paths, problem, write_table

KEY = "?sv=2024&sig=SECRET"


class Store(MemoryFileSystem):
    """Object storage in memory that counts its requests, and fails as often as it is told to."""

    protocol = "teststore"
    store, pseudo_dirs = {}, [""]
    calls: ClassVar[list[str]] = []
    failures: ClassVar[list[Exception]] = []
    always: ClassVar[Exception | None] = None
    inside = threading.local()

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.removeprefix("teststore://").strip("/")

    def _called(self, name, *arguments, **options):
        if getattr(self.inside, "depth", 0):  # the memory asking itself
            return getattr(super(), name)(*arguments, **options)
        type(self).calls.append(name)
        if self.always:
            raise self.always
        if self.failures:
            raise self.failures.pop(0)
        self.inside.depth = 1
        try:
            return getattr(super(), name)(*arguments, **options)
        finally:
            self.inside.depth = 0

    find = functools.partialmethod(_called, "find")
    info = functools.partialmethod(_called, "info")
    ls = functools.partialmethod(_called, "ls")
    get_file = functools.partialmethod(_called, "get_file")


fsspec.register_implementation("teststore", Store, clobber=True)


@pytest.fixture
def store(monkeypatch):
    """An empty store whose failures pass quickly."""
    monkeypatch.setattr(ask, "PAUSE", 0)
    monkeypatch.setattr(path, "SPOOL", spool.Spool())
    for name, value in (("store", {}), ("calls", []), ("failures", []), ("always", None)):
        monkeypatch.setattr(Store, name, value)
    return Store()


@pytest.fixture
def bucket():
    """An empty folder of fsspec's own memory."""
    return f"memory://{uuid.uuid4().hex}"


def upload(folder, uri):
    """Copy a local folder to a URI and return the URI."""
    system, top = fsspec.core.url_to_fs(uri)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            system.pipe_file(f"{top}/{file.relative_to(folder).as_posix()}", file.read_bytes())
    return uri


def same(one, other):
    for name in ("name", "layout", "exclusive", "grouping", "official_folds", "title", "problems"):
        assert getattr(one, name) == getattr(other, name)
    assert list(one.clips) == list(other.clips)
    assert one.fingerprint == other.fingerprint
    assert one.versions().sizes.tolist() == other.versions().sizes.tolist()


@pytest.mark.parametrize("name", READERS)
class TestEveryReader:
    def local(self, name, tmp_path):
        (tmp_path / "set").mkdir()
        return LAYOUTS[name][0](tmp_path / "set")

    def test_reads_storage_as_it_reads_a_folder(self, name, tmp_path, bucket):
        folder = self.local(name, tmp_path)
        uri = upload(folder, f"{bucket}/set")
        here, there = read(folder, name, PATTERNS.get(name)), read(uri, name, PATTERNS.get(name))
        same(here, there)
        assert isinstance(there.root, RemotePath)
        assert all(there.file(clip).is_file() for clip in there.clips)
        assert [there.local(c).read_bytes() for c in there.clips] == [b"placeholder"] * 3
        if name not in PATTERNS:
            assert detect(uri) is READERS["tracks" if name in FORMS else name]

    def test_finds_the_same_problems(self, name, tmp_path, bucket):
        folder = self.local(name, tmp_path)
        first = next(iter(read(folder, name, PATTERNS.get(name)).clips)).path
        (folder / first).unlink()
        (folder / first).with_suffix(".ogg").write_bytes(b"converted")
        for added in ("extra/new.wav", ".git/x.wav", "notes/list.txt", ".hidden.wav", "fold10 b.mp3"):
            (folder / added).parent.mkdir(exist_ok=True)
            (folder / added).write_bytes(b"sound")
        here = read(folder, name, PATTERNS.get(name))
        same(here, read(upload(folder, f"{bucket}/set"), name, PATTERNS.get(name)))
        assert here.problems

    def test_says_the_same_of_an_empty_folder(self, name, bucket):
        MemoryFileSystem().makedirs(f"{bucket}/set")
        with pytest.raises(LayoutError, match=f"{bucket}/set"):
            read(f"{bucket}/set", name, PATTERNS.get(name))

    def test_lists_once(self, name, tmp_path, store):
        uri = upload(self.local(name, tmp_path), "teststore://sounds/set")
        store.calls.clear()
        dataset = read(uri, pattern=PATTERNS.get(name))
        assert dataset.layout == ("tracks" if name in FORMS else name)
        dataset.fingerprint  # noqa: B018
        asked = [call for call in store.calls if call != "get_file"]
        assert asked == ["find"]
        tables = {"fsd50k": 4, "speech_commands": 2, "tracks": 2} | dict.fromkeys(FORMS, 2)
        assert store.calls.count("get_file") <= tables.get(name, 1)  # each of them once


class TestWhatIsWrong:
    def test_nothing_there(self, tmp_path, bucket):
        upload(make_folders(tmp_path), f"{bucket}/barks")
        with pytest.raises(PathError) as caught:
            read(f"{bucket}/bark")
        assert str(caught.value) == f"There is nothing at {bucket}/bark. Did you mean 'barks'?"
        with pytest.raises(PathError) as caught:
            read(f"{bucket}/bark/dog")
        assert f"{bucket} has no 'bark'. Did you mean 'barks'?" in str(caught.value)
        with pytest.raises(PathError, match="There is nothing at memory://nowhere-at-all"):
            read("memory://nowhere-at-all")

    def test_a_file_that_is_no_table(self, bucket):
        MemoryFileSystem().pipe_file(f"{bucket}/a.wav", b"")
        with pytest.raises(PathError, match=r"a\.wav is a file\. Give a folder, or a table"):
            read(f"{bucket}/a.wav")

    def test_no_layout_fits(self, bucket):
        MemoryFileSystem().pipe_file(f"{bucket}/in/a/1.wav", b"")
        MemoryFileSystem().pipe_file(f"{bucket}/in/b/1.wav", b"")
        with pytest.raises(LayoutError, match=f"Did you mean {bucket}/in, which has the layout 'folders'"):
            read(bucket)

    @pytest.mark.parametrize(
        ("uri", "text"),
        [
            ("memroy://x", "Nothing here opens memroy://. Did you mean 'memory'? A folder, az://, s3://"),
            ("az://", "'az://' names no place. Give all of it, such as az://container/folder."),
        ],
    )
    def test_no_such_protocol(self, uri, text):
        with pytest.raises(PathError) as caught:
            place(uri)
        assert str(caught.value).startswith(text)

    @pytest.mark.parametrize(
        ("uri", "missing", "extra"),
        [
            ("az://c/x", "adlfs", "azure"),
            ("abfs://c@a.dfs.core.windows.net/x", "adlfs", "azure"),
            ("s3://b/x", "s3fs", "s3"),
            ("gs://b/x", "gcsfs", "gcs"),
            ("https://h/x.csv", "aiohttp", "cloud"),
        ],
    )
    def test_what_to_install(self, uri, missing, extra, monkeypatch):
        def absent(uri):
            raise ImportError(f"Install {missing}")

        monkeypatch.setattr(fsspec.core, "url_to_fs", absent)
        with pytest.raises(MissingExtraError, match=rf"'{missing}'.*pip install 'earmark\[{extra}\]'"):
            read(uri)
        monkeypatch.setitem(sys.modules, "fsspec", None)
        with pytest.raises(MissingExtraError, match=rf"'fsspec'.*pip install 'earmark\[{extra}\]'"):
            read(uri)

    def test_an_unknown_account_says_what_to_set(self, monkeypatch):
        def unknown(uri):
            raise ValueError("unable to connect to account for Must provide a connection_string")

        monkeypatch.setattr(fsspec.core, "url_to_fs", unknown)
        with pytest.raises(
            PathError, match="Set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME"
        ):
            place("az://sounds/x")

    def test_what_the_store_refuses_is_one_sentence(self, store):
        store.pipe_file("/sounds/dog/a.wav", b"")
        type(store).always = PermissionError("sig=SECRET is not allowed")
        with pytest.raises(PathError) as caught:
            read("teststore://sounds")
        assert (
            str(caught.value)
            == "teststore://sounds cannot be read: Permission denied (sig=… is not allowed)."
        )
        assert store.calls == ["find"]


class TestTables:
    def test_a_local_table_of_remote_files(self, tmp_path, bucket):
        uri = upload(make_table(tmp_path / "far"), f"{bucket}/far")
        rows = [
            f"{uri}/a.wav,cat,tom",
            f"{uri}/sub/c.wav,dog,rex",
            "b.wav,dog,rex",
            f"{uri}/gone.wav,dog,rex",
        ]
        table = write_table(tmp_path / "near/clips.csv", "path,label,group", *rows)
        (tmp_path / "near/b.wav").write_bytes(b"here")
        dataset = read(table)
        assert paths(dataset) == [f"{uri}/a.wav", f"{uri}/sub/c.wav", "b.wav"]
        assert [dataset.local(c).read_bytes() for c in dataset.clips] == [b"placeholder"] * 2 + [b"here"]
        assert dataset.versions().sizes.tolist() == [11, 11, 4]
        found = problem(dataset, "missing")
        assert (found.path, found.detail) == (f"{uri}/gone.wav", "line 5 of the table names it")

    def test_a_remote_table_may_name_its_own_files_whole(self, tmp_path, bucket):
        make_table(tmp_path)
        text = (tmp_path / "clips.csv").read_text()
        upload(tmp_path, bucket)
        MemoryFileSystem().pipe_file(f"{bucket}/clips.csv", text.replace("a.wav", f"{bucket}/a.wav").encode())
        dataset = read(f"{bucket}/clips.csv")
        assert paths(dataset) == ["b.wav", "a.wav", "sub/c.wav"]
        assert (dataset.name, dataset.problems) == ("clips", ())

    def test_many_files_of_one_folder_are_listed(self, store, tmp_path):
        for n in range(100):
            store.pipe_file(f"/far/{n}.wav", b"sound")
        rows = [f"teststore://far/{n}.wav,{'dog' if n % 2 else 'cat'}" for n in range(0, 110)]
        store.calls.clear()
        dataset = read(write_table(tmp_path / "clips.csv", "path,label", *rows))
        assert (len(dataset.clips), kinds(dataset)["missing"]) == (100, 10)
        assert store.calls == ["ls"]

    def test_a_key_is_kept_from_view(self, tmp_path, monkeypatch):
        asked = []

        def info(self, url, **_):
            asked.append(url)
            return {"name": url, "size": 5, "type": "file", "ETag": '"v1"'}

        from fsspec.implementations.http import HTTPFileSystem

        monkeypatch.setattr(HTTPFileSystem, "info", info)
        rows = [f"https://host/{n} 1.wav{KEY},{label}" for n, label in (("a", "dog"), ("b", "cat"))]
        dataset = read(write_table(tmp_path / "clips.csv", "path,label", *rows))
        assert sorted(asked) == [f"https://host/{n} 1.wav{KEY}" for n in "ab"]
        assert paths(dataset) == ["https://host/a 1.wav", "https://host/b 1.wav"]
        assert dataset.versions().versions.tolist() == ["v1", "v1"]
        assert "SECRET" not in repr(dataset) + repr(list(dataset.clips))
        assert KEY in dataset.address(dataset.clips[0])

    def test_two_keys_for_one_name(self, tmp_path):
        rows = ["https://host/get?id=1,dog", "https://host/get?id=2,cat"]
        with pytest.raises(TableError, match="line 3: 'https://host/get' has another key than in line 2"):
            read(write_table(tmp_path / "clips.csv", "path,label", *rows))

    def test_a_file_uri_is_a_path(self, tmp_path):
        folder = make_table(tmp_path / "a b")
        same(read(folder), read(folder.as_uri()))
        other = write_table(tmp_path / "c/clips.csv", "path,label", f"{(folder / 'a.wav').as_uri()},dog")
        assert paths(read(other)) == [str(folder / "a.wav")]


class TestFailures:
    def test_it_is_tried_again(self, store):
        store.pipe_file("/sounds/a.wav", b"sound")
        store.failures.extend([OSError("reset"), TimeoutError("slow")])
        assert local_file(place("teststore://sounds/a.wav")).read_bytes() == b"sound"
        assert store.calls.count("get_file") == 3

    def test_but_not_for_ever_and_no_key_is_told(self, store):
        type(store).always = OSError(f"https://me:PASSWORD@host/a.wav{KEY} was reset, AccountKey=SECRET")
        with pytest.raises(UnreadableAudioError) as caught:
            local_file(RemotePath("teststore://me:PASSWORD@sounds/a.wav"))
        text = str(caught.value)
        assert text == (
            "teststore://sounds/a.wav: 3 tries failed, the last with oserror "
            "(https://host/a.wav was reset, accountkey=…)"
        )
        assert store.calls == ["get_file"] * 3
        chain = (
            caught.value.__cause__,
            caught.value.__context__.__cause__,
            caught.value.__context__.__context__,
        )
        assert chain == (None, None, None) or "SECRET" not in repr(chain)

    def test_nor_for_longer_than_is_patient(self, store, monkeypatch):
        monkeypatch.setattr(ask, "PATIENCE", -1)
        type(store).always = OSError("reset")
        with pytest.raises(UnreadableAudioError, match="1 try failed"):
            local_file(RemotePath("teststore://sounds/a.wav"))

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (FileNotFoundError("x"), "no such file or directory"),
            (PermissionError("x"), "permission denied (x)"),
            (IsADirectoryError("x"), "is a directory"),
            (OSError(errno.ENOSPC, "x"), "no space left on device"),
            (type("AuthenticationFailed", (Exception,), {})("no"), "permission denied (no)"),
            (type("Refused", (Exception,), {"status_code": 403})("no"), "permission denied (no)"),
            (type("Gone", (Exception,), {"status": 404})("no"), "no such file or directory"),
            (NotImplementedError(), "invalid argument (notimplementederror)"),
        ],
    )
    def test_what_another_try_cannot_mend(self, store, error, reason):
        type(store).always = error
        with pytest.raises(UnreadableAudioError) as caught:
            local_file(RemotePath("teststore://sounds/a.wav"))
        assert caught.value.reason == reason
        assert store.calls == ["get_file"]

    def test_over_http_a_refusal_is_no_missing_file(self, store):
        refused = FileNotFoundError("https://host/a.wav")
        refused.__cause__ = type("ClientResponseError", (Exception,), {"status": 403})("Forbidden")
        store.failures.append(refused)
        assert look_up(["teststore://sounds/a.wav"]) == {}
        assert store.calls == ["info"]
        lost = FileNotFoundError("https://host/a.wav")
        lost.__cause__ = ConnectionResetError("reset")
        store.pipe_file("/sounds/a.wav", b"sound")
        store.failures.append(lost)
        assert list(look_up(["teststore://sounds/a.wav"])) == ["teststore://sounds/a.wav"]

    def test_a_lost_file_costs_its_clip(self, bucket, tmp_path, tone_set):
        uri = upload(tone_set, bucket)
        dataset = read(uri, pattern="{label}_{group}_{take}.wav")
        lost = dataset.clips[0].path
        MemoryFileSystem().rm_file(f"{bucket}/{lost}")
        with pytest.raises(UnreadableAudioError, match=f"{bucket}/{lost}: no such file or directory"):
            dataset.local(dataset.clips[0])


class TestSpool:
    @pytest.fixture
    def small(self, store, monkeypatch, tmp_path):
        monkeypatch.setattr(spool.tempfile, "tempdir", str(tmp_path))
        for n in range(5):
            store.pipe_file(f"/far/{n}.wav", bytes(10))
        return spool.Spool(total=25, largest=15)

    def test_each_is_fetched_once(self, small, store):
        threads = [threading.Thread(target=small.file, args=("teststore://far/1.wav",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert small.file("teststore://far/1.wav").suffix == ".wav"
        assert store.calls.count("get_file") == 1
        small.file("teststore://far/1.wav", "of another version")
        assert store.calls.count("get_file") == 2

    def test_the_one_unused_for_longest_goes(self, small, store):
        files = [small.file(f"teststore://far/{n}.wav") for n in (0, 1)]
        small.file("teststore://far/0.wav")
        files.append(small.file("teststore://far/2.wav"))
        assert [f.exists() for f in files] == [True, False, True]
        assert small.file("teststore://far/1.wav").stat().st_size == 10
        assert not files[0].exists()

    def test_never_what_another_thread_works_on(self, small, store):
        held, done = threading.Event(), threading.Event()
        found = []

        def work():
            found.append(small.file("teststore://far/0.wav"))
            held.set()
            done.wait(60)

        thread = threading.Thread(target=work)
        thread.start()
        assert held.wait(60)
        for n in (1, 2, 3):
            latest = small.file(f"teststore://far/{n}.wav")
            assert latest.exists()
        assert found[0].exists()
        done.set()
        thread.join()
        small.file("teststore://far/4.wav")
        assert not found[0].exists()

    def test_a_file_too_large_is_refused_and_leaves_nothing(self, small, store, tmp_path):
        store.pipe_file("/far/large.wav", bytes(16))
        with pytest.raises(
            TooLongAudioError, match=r"teststore://far/large\.wav: more than .* GiB in one file"
        ):
            small.file("teststore://far/large.wav")
        (folder,) = tmp_path.iterdir()
        assert {f.name for f in folder.iterdir()} <= {"lock"}
        assert store.calls.count("get_file") == 1

    def test_it_goes_with_its_process(self, tmp_path):
        code = (
            "import fsspec\nfrom earmark.remote import place\n"
            "fsspec.filesystem('memory').pipe_file('/a/b.wav', b'sound')\n"
            "print(place('memory://a/b.wav').local())"
        )
        environment = {**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert Path(done.stdout.strip()).parent.parent == tmp_path
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(not spool.fcntl, reason="locks of files are of POSIX")
    def test_what_a_killed_process_left_goes_with_the_next(self, small, tmp_path):
        left = tmp_path / "earmark-spool-left"
        left.mkdir()
        (left / "lock").touch()
        small.file("teststore://far/0.wav")
        assert not left.exists()
        spool.Spool().file("teststore://far/0.wav")
        assert small.file("teststore://far/0.wav").exists()  # in use, and so not swept away

    def test_a_fork_starts_anew(self, small):
        kept = small.file("teststore://far/0.wav")
        small.forget()
        assert small.file("teststore://far/0.wav") != kept
        assert kept.exists()


class TestAddresses:
    def test_they_work_in_any_process(self, bucket, tmp_path, monkeypatch):
        uri = upload(make_folders(tmp_path / "set"), bucket)
        monkeypatch.chdir(tmp_path)
        for dataset in (read("set"), read(uri)):
            addresses = pickle.loads(pickle.dumps([dataset.address(clip) for clip in dataset.clips]))
            monkeypatch.chdir("/")
            for address, clip in zip(addresses, dataset.clips, strict=True):
                assert local_file(place(address)).read_bytes() == b"placeholder"
                assert shown(address).endswith(clip.path)
                assert "version" not in shown(address)

    def test_a_file_that_changed_is_fetched_again(self, bucket):
        memory = MemoryFileSystem()
        for name, content in (("dog/1.wav", b"first"), ("cat/1.wav", b"meow")):
            memory.pipe_file(f"{bucket}/{name}", content)
        before = read(bucket)
        assert before.local(before.clips[1]).read_bytes() == b"first"
        memory.pipe_file(f"{bucket}/dog/1.wav", b"other")
        after = read(bucket)
        assert before.versions().versions[1] != after.versions().versions[1]
        assert local_file(place(after.address(after.clips[1]))).read_bytes() == b"other"

    def test_versions_of_local_files(self, tmp_path):
        dataset = read(make_folders(tmp_path))
        (tmp_path / dataset.clips[2].path).unlink()
        sizes, versions = dataset.versions()
        assert sizes.tolist() == [11, 11, -1]
        assert versions[0] == str((tmp_path / dataset.clips[0].path).stat().st_mtime_ns)
        assert versions[2] == ""
        assert sizes.dtype == np.int64

    def test_a_path_travels_without_its_listing(self, bucket, tmp_path):
        root = read(upload(make_folders(tmp_path), bucket)).root
        again = pickle.loads(pickle.dumps(root / "dog/2.wav"))
        assert again == root / "dog/2.wav"
        assert again.is_file()
        assert len(pickle.dumps(root)) < 300


class TestPaths:
    @pytest.mark.parametrize(
        ("uri", "text"),
        [
            ("az://sounds/a b.wav", "az://sounds/a b.wav"),
            (f"https://host:8080/a@b.wav{KEY}", "https://host:8080/a@b.wav"),
            ("https://host/get?SECRET", "https://host/get"),
            ("s3://ID:SEC/RET@bucket/a.wav", "s3://bucket/a.wav"),
            ("https://TOKEN@host/a.wav", "https://host/a.wav"),
            ("abfs://sounds@acc.dfs.core.windows.net/a", "abfs://sounds@acc.dfs.core.windows.net/a"),
            ("abfs://sounds:KEY@acc.dfs.core.windows.net/a", "abfs://acc.dfs.core.windows.net/a"),
            (f"az://sounds/a.wav{KEY}", "az://sounds/a.wav"),
            ("s3://bucket/what?.wav", "s3://bucket/what?.wav"),
            ("s3://bucket/12:30@noon.wav", "s3://bucket/12:30@noon.wav"),
            ("/home/me@work/a?b=c", "/home/me@work/a?b=c"),
        ],
    )
    def test_what_is_shown(self, uri, text):
        assert shown(uri) == text

    def test_as_pathlib_has_it(self, bucket, tmp_path):
        make_table(tmp_path)
        (tmp_path / "sub/deep").mkdir()
        (tmp_path / "sub/deep/d.txt").write_text("text")
        for there in (place(upload(tmp_path, bucket)), place(bucket).listed()):
            for inside in ("", "a.wav", "sub", "sub/deep/d.txt", "none", "sub/none", "."):
                one, other = tmp_path / inside, there / inside
                for question in ("exists", "is_file", "is_dir"):
                    assert getattr(one, question)() == getattr(other, question)(), inside
                if inside:
                    assert (one.stem, one.name) == (other.stem, other.name) or inside == "."
                if one.is_dir():
                    assert sorted(p.name for p in one.iterdir()) == [p.name for p in other.iterdir()]
                elif one.is_file():
                    assert one.stat().st_size == other.stat().st_size
                    with other.open("rb") as handle:
                        assert one.read_bytes() == handle.read()
            with pytest.raises(FileNotFoundError):
                (there / "none").stat()
            assert (there / "sub/deep").parent.parent == there
            assert (there / "sub/deep").parents[0] == there / "sub"
            assert sorted([there / "b", there / "a"]) == [there / "a", there / "b"]
            assert len({there, there / "."}) == 1
            assert len(list(there.files())) == 5
        assert place(there) is there

    def test_nothing_of_the_cloud_is_imported_for_a_folder(self, tmp_path):
        make_folders(tmp_path)
        code = (
            "import sys, earmark, earmark.predict\nfrom earmark.readers import read\n"
            "read(sys.argv[1]).fingerprint\n"
            "print({'fsspec', 'aiohttp', 'adlfs', 's3fs', 'gcsfs'} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout == "set()\n"


@pytest.fixture
def web(tone_set, tmp_path):
    """A plain web server with a table and its files."""
    folder = shutil.copytree(tone_set, tmp_path / "tones")
    names = sorted(file.name for file in folder.glob("*.wav"))
    shutil.move(folder / names[0], folder / "a hum #1?.wav")
    names[0] = "a hum #1?.wav"
    rows = [f"{name},{name.partition('_')[0].removeprefix('a ')},{name.split('_')[-2:][0]}" for name in names]
    write_table(folder / "clips.csv", "path,label,group", *rows, "gone.wav,hum,gone")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_over_the_web_from_end_to_end(web, earmark):
    folder, uri = web
    here = json.loads(earmark("check", folder / "clips.csv", "--json").stdout)
    there = json.loads(earmark("check", f"{uri}/clips.csv{KEY}", "--json").stdout)
    assert here.pop("problems") == there.pop("problems")
    assert here == there
    assert here["clips"] == 54
    told = earmark("check", uri, code=2).stderr
    assert told == f"error: {uri} is a file. Give a folder, or a table that ends in .csv or .tsv.\n"
    told = earmark("check", f"{uri}/none.csv{KEY}", code=2).stderr
    assert told.startswith(f"error: There is nothing at {uri}/none.csv.")
    assert "SECRET" not in told
