"""Unpacking: nothing outside the folder, no links, no bombs; damage is never taken for the end."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earmark.errors import ArchiveError
from earmark.fetch.unpack import _safe, unpack

KINDS = ("tar", "tar.gz", "zip")
MOST, FILES = 2_000_000, 50


def tar(
    *members: tuple[tarfile.TarInfo | str, bytes], packed: bool = True, form: int = tarfile.PAX_FORMAT
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), 1) if packed else out.getvalue()


def zipped(*members: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def archive(kind: str, *members: tuple[str, bytes]) -> bytes:
    return zipped(*members) if kind == "zip" else tar(*members, packed=kind == "tar.gz")


class Scene:
    def __init__(self, root: Path):
        self.root, self.into = root, root / "into"
        self.into.mkdir()
        self.file = root / "archive"

    def unpack(self, data: bytes, most: int = MOST, files: int = FILES):
        self.file.write_bytes(data)
        return unpack(self.file, self.into, most, files)

    def refuses(self, data: bytes, said: str, **bounds: int) -> None:
        with pytest.raises(ArchiveError) as caught:
            self.unpack(data, **bounds)
        assert str(caught.value).replace(str(self.file), "ARCHIVE") == said
        assert sorted(p.name for p in self.root.iterdir()) == ["archive", "into"]

    @property
    def there(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.into)): p.read_bytes() for p in self.into.rglob("*") if p.is_file()}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_files_come_out_as_they_went_in(scene, kind):
    files = {"a/x.wav": b"1" * 1024, "a/b/y.wav": b"", "ä ö/日本.txt": b"2" * 70_000, "z": b"3" * 511}
    members = [("a/", b"")] if kind == "zip" else []
    done = scene.unpack(archive(kind, *members, *files.items()))
    assert scene.there == files
    assert (done.files, done.bytes, done.left_out) == (4, sum(map(len, files.values())), 0)


def test_a_leading_dot_and_folders_of_their_own(scene):
    folder = tarfile.TarInfo("./bed")
    folder.type = tarfile.DIRTYPE
    scene.unpack(tar((folder, b""), ("./bed/a.wav", b"a"), ("./list.txt", b"b")))
    assert scene.there == {"bed/a.wav": b"a", "list.txt": b"b"}


def test_what_macos_adds_is_left_out_and_counted(scene):
    done = scene.unpack(
        zipped(("a/x.wav", b"x"), ("__MACOSX/a/x", b""), ("a/._x.wav", b""), ("a/.DS_Store", b""))
    )
    assert scene.there == {"a/x.wav": b"x"}
    assert (done.files, done.left_out) == (1, 3)


def test_permissions_owners_and_dates_are_not_taken(scene):
    info = tarfile.TarInfo("run.sh")
    info.mode, info.uid, info.mtime = 0o4777, 0, 1
    scene.unpack(tar((info, b"x")))
    status = (scene.into / "run.sh").stat()
    assert not status.st_mode & (stat.S_IXUSR | stat.S_ISUID)
    assert status.st_mtime > 1


# Names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        "/etc/x", "../x", "a/../../x", "a/..", "..", "C:/x", "a\\..\\x", "a\x01b", "a:b", "x. ", "x.", "y" * 300,
        "a/" + "ä" * 200,
    ],
)  # fmt: skip
def test_a_name_that_leads_elsewhere(scene, kind, name):
    scene.refuses(
        archive(kind, ("good", b"x"), (name, b"bad")),
        f"ARCHIVE is not unpacked: the name {name!a} in it leads out of the folder, or is none that every system can"
        " write.",
    )


def test_a_name_in_another_encoding(scene):
    data = tar(("caf\udce9.wav", b"x"), form=tarfile.GNU_FORMAT)
    scene.refuses(
        data,
        "ARCHIVE is not unpacked: the name 'caf\\udce9.wav' in it leads out of the folder, or is none that every"
        " system can write.",
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a/x", "a/x"), "two of its files would be called 'a/x'."),
        (("a/x.wav", "a/X.WAV"), "two of its files would be called 'a/X.WAV'."),
        (("caf\u00e9", "cafe\u0301"), "two of its files would be called 'cafe\u0301'."),
        (("a", "a/x"), "two of its files would be called 'a'."),
        (("a/x", "a"), "two of its files would be called 'a'."),
        (("Dog/1", "dog/2"), "its folders 'Dog' and 'dog' differ in capitals only."),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_meet(scene, kind, names, said):
    scene.refuses(archive(kind, *[(name, b"x") for name in names]), f"ARCHIVE is not unpacked: {said}")


@given(
    st.text(st.characters(codec="utf-8"), max_size=30) | st.from_regex(r"[./\\a~:-]{1,12}", fullmatch=True)
)
@settings(max_examples=100, deadline=None)
def test_whatever_a_name_is_it_stays_in_its_folder(name):
    try:
        parts = _safe(Path("x"), name)
    except ArchiveError:
        return
    home = Path("/home/into")
    path = home.joinpath(*parts)
    assert path == home or home in path.parents
    assert all(part not in ("", ".", "..") and "/" not in part and "\\" not in part for part in parts)
    assert name.strip("./") == "" or parts


# What is neither a file nor a folder


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "neither a file nor a folder"),
        (tarfile.FIFOTYPE, "neither a file nor a folder"),
        (tarfile.GNUTYPE_SPARSE, "a file with holes"),
    ],
)
def test_no_links_devices_or_holes_in_a_tar(scene, kind, said):
    info = tarfile.TarInfo("evil")
    info.type, info.linkname = kind, "/etc/passwd"
    scene.refuses(
        tar(("good", b"x"), (info, b""), ("evil/shadow", b"x")),
        f"ARCHIVE is not unpacked: 'evil' in it is {said}.",
    )


@pytest.mark.parametrize(
    ("mode", "said"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "neither a file nor a folder")]
)
def test_no_links_in_a_zip(scene, mode, said):
    info = zipfile.ZipInfo("evil")
    info.external_attr = (mode | 0o777) << 16
    scene.refuses(zipped((info, b"/etc/passwd")), f"ARCHIVE is not unpacked: 'evil' in it is {said}.")


def test_no_unusual_zip(scene):
    scene.refuses(
        zipped(("a", b"x"), method=zipfile.ZIP_BZIP2),
        "ARCHIVE is not unpacked: 'a' in it is packed in an unusual way.",
    )
    data = bytearray(zipped(("a", b"x")))
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    scene.refuses(bytes(data), "ARCHIVE is not unpacked: 'a' in it is encrypted.")


# Bombs


def test_a_zip_that_says_that_it_is_large(scene):
    scene.refuses(
        zipped(("a", bytes(3_000_000))),
        "ARCHIVE is not unpacked: it unfolds into 3,000,000 bytes, more than the 2,000,000 that it may.",
    )
    assert scene.there == {}


def test_a_zip_that_lies_about_its_size(scene):
    data = bytearray(zipped(("a", bytes(3_000_000))))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        data[data.index(mark) + place :][:4] = b""
        at = data.index(mark) + place
        data[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(ArchiveError, match="is damaged: "):
        scene.unpack(bytes(data))
    assert sum(map(len, scene.there.values())) <= 2**20


def test_a_zip_whose_entries_share_their_bytes(scene):
    """The directory names one packed file many times: a bomb without layers."""
    data = zipped(("a", bytes(1_500_000)))
    entry, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    many = b"".join(data[entry:end].replace(b"a", bytes([97 + i])) for i in range(20))
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 20, 20, len(many))
    with pytest.raises(ArchiveError, match=r"unfolds into 30,000,000 bytes|is damaged"):
        scene.unpack(data[:entry] + many + bytes(tail))
    assert scene.there == {}


def test_a_tar_that_is_too_large(scene):
    scene.refuses(
        tar(("a", bytes(1_500_000)), ("b", bytes(1_500_000))),
        "ARCHIVE is not unpacked: it unfolds into more than the 2,000,000 bytes that it may.",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_files(scene, kind):
    members = [(f"{i}", b"") for i in range(51)]
    scene.refuses(
        archive(kind, *members), "ARCHIVE is not unpacked: it holds more than 50 files and folders."
    )


def test_a_header_that_claims_gigabytes(scene):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**32
    scene.refuses(
        gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(4096)),
        "ARCHIVE is not unpacked: a header in it goes on for ever.",
    )


def test_a_map_of_holes_without_end(scene):
    """A header may say that a list of numbers precedes the file, as long as the archive likes."""
    info = tarfile.TarInfo("x")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "x",
        "GNU.sparse.realsize": "1",
    }
    info.size = 1_900_000
    head = info.tobuf(tarfile.PAX_FORMAT)
    scene.refuses(
        gzip.compress(head + b"999999999\n" + b"0\n" * 950_000 + bytes(4096)),
        "ARCHIVE is not unpacked: a header in it goes on for ever.",
    )


def test_zeros_after_the_end_without_end(scene):
    data = tar(("a", b"x"), packed=False) + bytes(10_000_000)
    scene.refuses(
        gzip.compress(data),
        f"ARCHIVE is not unpacked: it unfolds into more than the {MOST + FILES * 4096:,} bytes that it may.",
    )


# Damage


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_anywhere_is_damage(scene, kind):
    rng = random.Random(kind)
    data = archive(kind, ("a", rng.randbytes(3000)), ("b", rng.randbytes(3000)))
    for place in range(1, len(data) - (10_240 - 7 * 512 if kind == "tar" else 0), 97):
        for file in scene.into.iterdir():
            file.unlink()
        with pytest.raises(ArchiveError):
            scene.unpack(data[:place])


def test_a_header_that_cannot_be_read_is_not_the_end(scene):
    data = bytearray(tar(("a", b"x"), ("b", b"y"), ("c", b"z"), packed=False))
    data[1024 + 148 : 1024 + 156] = b"00000000"  # the checksum of b's header
    with pytest.raises(
        ArchiveError, match=r"is damaged: what follows byte 1,024 of its content is no file\.$"
    ):
        scene.unpack(gzip.compress(bytes(data)))


def test_the_checksums_of_gzip_and_zip_are_looked_at(scene):
    data = bytearray(tar(("a", random.Random(0).randbytes(5000))))
    data[-8] ^= 1
    with pytest.raises(ArchiveError, match="is damaged: CRC check failed"):
        scene.unpack(bytes(data))
    (scene.into / "a").unlink()
    data = bytearray(zipped(("a", random.Random(0).randbytes(5000)), method=zipfile.ZIP_STORED))
    data[100] ^= 1
    with pytest.raises(ArchiveError, match=r"is damaged: Bad CRC-32 for file 'a'\.$"):
        scene.unpack(bytes(data))


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 5000, b"<html>404</html>", b"PK", b"\x1f\x8b", gzip.compress(b"x" * 5000, mtime=0)],
    ids=["nothing", "x", "a page", "zip's first letters", "gzip's first bytes", "gzip of x"],
)
def test_no_archive_at_all(scene, data):
    with pytest.raises(
        ArchiveError, match=r"is neither a zip file nor a tar\.gz file\.|is damaged: |holds no files"
    ):
        scene.unpack(data)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_archive(scene, kind):
    scene.refuses(archive(kind), "ARCHIVE holds no files.")


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_flipped_bytes_are_refused_or_harmless(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(KINDS))
    whole = bytearray(archive(kind, ("a/x", b"1" * 700), ("b", b"22")))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    root = tmp_path_factory.mktemp("flip")
    scene = Scene(root)
    with contextlib.suppress(ArchiveError):
        scene.unpack(bytes(whole), most=10_000)
    assert sorted(p.name for p in root.iterdir()) == ["archive", "into"]
    assert not any(p.is_symlink() for p in scene.into.rglob("*"))
    assert sum(map(len, scene.there.values())) <= 10_000 + 2**20
