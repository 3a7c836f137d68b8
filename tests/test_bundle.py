"""The bundle: equal after a round trip, the same bytes again, and nothing but a clear refusal for anything else."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import random
import struct
import zipfile
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from earmark.bundle import Bundle, Golden, Member, group_hash, read_bundle, reading, write_bundle
from earmark.bundle.entries import seal
from earmark.decide import Decision
from earmark.errors import BundleError, BundleFormatError, GoldenTestError, PathError
from earmark.features import Mfcc, Stats
from earmark.models import Mlp, Network, model_to_dict
from earmark.models.dense import glorot
from earmark.predict import Predictor, with_golden
from earmark.types import Waveform

FEATURE = Mfcc(sample_rate=8_000, n_mfcc=5, n_mels=10, n_fft=256, hop_length=128)
LABELS = ("dog", "cat", "Grünfink")
MODEL = Mlp(hidden=(4,))


def network():
    dims = FEATURE.dims
    shape = MODEL.shape(dims, len(LABELS))
    return Network(shape, glorot(shape, 0), np.zeros(dims, np.float32), np.full(dims, 0.01, np.float32))


@pytest.fixture(scope="module")
def bundle():
    made = with_golden(Bundle(LABELS, (Member(FEATURE, model_to_dict(MODEL), network().to_onnx()),)))
    return replace(made, provenance={"seed": 0, "train_groups": [group_hash("a")], "note": "Mönch"})


@pytest.fixture(scope="module")
def packed(bundle, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "model.earmark"
    write_bundle(path, bundle)
    return path.read_bytes()


def same(a: Bundle, b: Bundle) -> bool:
    golden = all(
        np.array_equal(x.waveform.samples, y.waveform.samples)
        and x.waveform.sample_rate == y.waveform.sample_rate
        and np.array_equal(x.probabilities, y.probabilities)
        for x, y in zip(a.golden, b.golden, strict=True)
    )
    fields = ("labels", "members", "provenance", "decision")
    return golden and all(getattr(a, f) == getattr(b, f) for f in fields)


def rebuild(packed, change=None, entries=None, rehash=True, compress=zipfile.ZIP_STORED):
    """Write the bundle's zip anew, as someone would who knows the format: with other JSON, other entries."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(content.pop("bundle.json"))
    content.update(entries or {})
    content = {name: data for name, data in content.items() if data is not None}
    if rehash:
        about["sha256"] = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    if change:
        changed = change(about)
        about = about if changed is None else changed
    if rehash and isinstance(about, dict):
        about["seal"] = seal(about)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compress) as archive:
        text = about if isinstance(about, bytes) else json.dumps(about).encode()
        for name, data in {"bundle.json": text, **content}.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def refused(tmp_path):
    """Assert that these bytes are no bundle, and return what is said about them without the path."""

    def check(data, error=BundleFormatError):
        path = tmp_path / "bad.earmark"
        path.write_bytes(data)
        with pytest.raises(error) as caught:
            Predictor.open(path)
        assert len(str(caught.value)) < 500
        return str(caught.value).replace(str(path), "PATH")

    return check


# What it is for


def test_round_trip(bundle, packed, tmp_path):
    path = tmp_path / "m.earmark"
    path.write_bytes(packed)
    read = read_bundle(path)
    assert same(read, bundle)
    assert Predictor(read).score(np.ones((2, 5), np.float32)).shape == (2, 3)


def test_the_same_bundle_gives_the_same_bytes(bundle, packed, tmp_path):
    path = tmp_path / "m.earmark"
    write_bundle(path, bundle)
    assert path.read_bytes() == packed
    write_bundle(path, read_bundle(path))
    assert path.read_bytes() == packed


def test_any_zip_program_can_open_it(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[:2] == ["bundle.json", "network.onnx"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        about = json.loads(archive.read("bundle.json"))
        onnx.checker.check_model(onnx.load_from_string(archive.read("network.onnx")))
    assert {
        "format",
        "labels",
        "members",
        "decision",
        "events",
        "reference",
        "golden",
        "provenance",
        "sha256",
        "seal",
    } == about.keys()


@pytest.mark.parametrize("reason", ["No space left on device", "Permission denied"])
def test_a_write_that_fails_leaves_the_old_file(bundle, packed, tmp_path, monkeypatch, reason):
    path = tmp_path / "m.earmark"
    write_bundle(path, bundle)

    def fail(*arguments):
        raise OSError(errno.ENOSPC, reason)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=reason):
        write_bundle(path, replace(bundle, labels=("x", "y", "z")))
    assert path.read_bytes() == packed
    assert [p.name for p in tmp_path.iterdir()] == ["m.earmark"]


def test_group_hash_recognises_and_does_not_tell():
    assert group_hash("101415") != group_hash("101416")
    assert "101415" not in group_hash("101415")


# Files that are not there, or no files


def test_no_file(tmp_path):
    message = (
        f"There is no model file '{tmp_path}/x.earmark'. Train one with: earmark train DATASET -o x.earmark"
    )
    with pytest.raises(PathError) as caught:
        read_bundle(tmp_path / "x.earmark")
    assert str(caught.value) == message


def test_a_folder(tmp_path):
    with pytest.raises(
        PathError, match=r"is a folder, not a model file\. The model comes before the data\.$"
    ):
        read_bundle(tmp_path)


def test_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(PathError, match=r"cannot be read: File name too long\.$"):
        read_bundle(tmp_path / ("n" * 300))


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "m.earmark"
    path.write_bytes(b"x")

    def fail(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(type(path), "open", fail)
    with pytest.raises(PathError, match=r"^The model file .*m.earmark cannot be read: Permission denied\.$"):
        read_bundle(path)


# Damage


@pytest.mark.parametrize("data", [b"", b"RIFF", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), bytes(10_000)])
def test_no_bundle_at_all(refused, data):
    assert refused(data).startswith("PATH is not an Earmark model")


def test_truncated_anywhere(refused, packed):
    for length in [*range(200), *range(200, len(packed), 997), *range(len(packed) - 200, len(packed))]:
        message = refused(packed[:length])
        assert message.startswith("PATH is not an Earmark model, or only part of one ("), (length, message)
        assert message.endswith("Get it anew, or train one with: earmark train DATASET -o MODEL.earmark")


def read_or_refuse(path, data):
    path.write_bytes(data)
    try:
        return read_bundle(path)
    except BundleError:
        return None


def test_bit_flips_anywhere(bundle, packed, tmp_path):
    """A flip is refused, or lies in a byte that means nothing to us (a date, a permission)."""
    rng = random.Random(0)
    spread = [rng.randrange(len(packed)) for _ in range(400)]
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        headers = [info.header_offset + i for info in archive.infolist() for i in range(46)]
        directory = range(archive.start_dir, len(packed))
    refusals = 0
    for position in [*spread, *headers, *directory]:
        flipped = bytearray(packed)
        flipped[position] ^= 1 << rng.randrange(8)
        read = read_or_refuse(tmp_path / "m.earmark", bytes(flipped))
        refusals += read is None
        assert read is None or same(read, bundle), position
    assert refusals > 600


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_stretches_overwritten(bundle, packed, tmp_path, data):
    start = data.draw(st.integers(0, len(packed)))
    junk = data.draw(st.binary(max_size=30))
    broken = packed[:start] + junk + packed[start + data.draw(st.integers(0, 60)) :]
    read = read_or_refuse(tmp_path / "m.earmark", broken)
    assert read is None or same(read, bundle)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["format", "labels", "members", "golden", "provenance", "sha256"]),
    value=json_values,
)
def test_any_json_in_any_place(packed, tmp_path, key, value):
    read = read_or_refuse(tmp_path / "m.earmark", rebuild(packed, lambda about: {**about, key: value}))
    if read is not None:  # it may say anything in its own record, as long as that is a record
        assert key == "provenance"
        assert isinstance(read.provenance, dict)


# Malice


@pytest.mark.parametrize("key", ["labels", "members", "golden", "provenance", "sha256"])
def test_settings_changed_after_the_seal(refused, packed, key):
    """Labels in another order would give every sound a wrong name, and no network hash would notice."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        seal = json.loads(archive.read("bundle.json"))["seal"]

    def change(about):
        about[key] = [*reversed(about[key]), None] if isinstance(about[key], list) else {}
        return json.dumps({**about, "seal": seal}).encode()

    assert "its settings were changed after the bundle was written" in refused(rebuild(packed, change))


def test_a_changed_entry(refused, packed):
    other = network().to_onnx().replace(b"earmark", b"earmurk")
    message = refused(rebuild(packed, entries={"network.onnx": other}, rehash=False))
    assert message == "PATH: the entry network.onnx was changed after the bundle was written."


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/passwd", "golden/../x.npy", "golden", "golden/100.npy", "a\nb"]
)
def test_an_entry_that_no_bundle_has(refused, packed, name):
    assert (
        refused(rebuild(packed, entries={name: b"x"})) == f"PATH has an entry that no bundle has: {name!r}."
    )


def test_too_many_entries(refused, packed):
    message = refused(rebuild(packed, entries={f"golden/{i}.npy": b"x" for i in range(40)}))
    assert message == "PATH has 42 entries, more than a bundle has, or some twice."


def test_an_entry_twice(refused, packed):
    out = io.BytesIO(packed)
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("network.onnx", network().to_onnx())
    assert refused(out.getvalue()) == "PATH has 6 entries, more than a bundle has, or some twice."


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_entries(refused, packed, method):
    bomb = rebuild(packed, entries={"network.onnx": bytes(2**24)}, compress=method)
    assert len(bomb) < 2**20
    assert refused(bomb) == "PATH: the entry bundle.json is compressed, encrypted or too large."


@pytest.mark.parametrize("size", [2**29 + 1, 2**31, 0xFFFFFFFE])
def test_a_declared_size_that_is_not_there(refused, packed, size):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        place = packed.index(b"PK\x01\x02", archive.start_dir + 1)  # the directory's second entry
    broken = bytearray(packed)
    broken[place + 20 : place + 28] = struct.pack("<II", size, size)
    assert refused(bytes(broken)) == "PATH: the entry network.onnx is compressed, encrypted or too large."


def test_a_size_within_the_limit_that_is_not_there(refused, packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        place = packed.index(b"PK\x01\x02", archive.start_dir + 1)
    broken = bytearray(packed)
    broken[place + 20 : place + 28] = struct.pack("<II", 2**28, 2**28)
    assert refused(bytes(broken)).startswith("PATH is not an Earmark model, or only part of one (")


def test_an_encrypted_entry(refused, packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        place = archive.start_dir
    broken = bytearray(packed)
    broken[place + 8] |= 1
    assert refused(bytes(broken)) == "PATH: the entry bundle.json is compressed, encrypted or too large."


def test_a_file_larger_than_allowed(refused, packed, monkeypatch):
    monkeypatch.setattr(reading, "_MAX_FILE", len(packed) - 1)
    assert refused(packed) == "PATH is larger than a bundle may be (0 MiB)."


@pytest.mark.parametrize("name", ["bundle.json", "network.onnx"])
def test_an_entry_is_missing(refused, packed, name):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as source, zipfile.ZipFile(out, "w") as archive:
        for info in source.infolist():
            if info.filename != name:
                archive.writestr(info, source.read(info))
    assert refused(out.getvalue()) == f"PATH is not an Earmark model: it lacks {name}."


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npy_with_header(header: bytes, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.zeros(3, np.float32))
    return file.getvalue()


class Bomb:
    """Pickled, it writes a file when it is loaded."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


GOLDEN = {
    "pickle": npy(np.array([Bomb()], object), allow_pickle=True),
    "float64": npy(np.zeros(9)),
    "int16": npy(np.zeros(9, np.int16)),
    "two axes": npy(np.zeros((9, 1), np.float32)),
    "no axis": npy(np.float32(0)),
    "empty": npy(np.zeros(0, np.float32)),
    "npz": npz(),
    "text": b"RIFF" * 10,
    "nothing": b"",
    "short": npy(np.zeros(9, np.float32))[:-1],
    "huge": npy_with_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }\n"),
    "negative": npy_with_header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n"),
    "header of code": npy_with_header(b"__import__('os').abort()\n"),
    "deep header": npy_with_header(b"-" * 9_000 + b"1\n"),
    "version 2": b"\x93NUMPY\x02\x00" + npy(np.zeros(9, np.float32))[8:],
}


@pytest.mark.parametrize("data", GOLDEN.values(), ids=GOLDEN)
def test_a_test_sound_that_is_none(refused, packed, data):
    message = refused(rebuild(packed, entries={"golden/0.npy": data}))
    assert message.startswith(("PATH: its test sound golden/0.npy is malformed.", "PATH is damaged: "))


def about_labels(labels):
    return lambda about: {**about, "labels": labels}


@pytest.mark.parametrize(
    "labels", [["dog", "dog", "cat"], ["dog"], [], "dog", [1, 2, 3], ["dog", "", "cat"], None]
)
def test_labels_that_are_none(refused, packed, labels):
    assert (
        refused(rebuild(packed, about_labels(labels)))
        == "PATH: its labels are not two or more distinct names."
    )


def test_as_many_labels_as_scores(refused, packed):
    message = refused(rebuild(packed, about_labels(["dog", "cat"])))
    assert message == "PATH: its test sound golden/0.npy is malformed."


@pytest.mark.parametrize(
    ("number", "said"),
    [(4, "4"), (0, "0"), (True, "True"), ("1", "'1'"), (None, "None"), ("x" * 999, "'" + "x" * 19)],
)
def test_another_format(refused, packed, number, said):
    message = refused(rebuild(packed, lambda about: {**about, "format": number}))
    assert message == (
        f"PATH has format {said}; this Earmark reads the formats 1 to 3. Update Earmark: pip install --upgrade earmark"
    )


def earlier(about, number):
    """Return what stood there before there were blends, and before there were decisions."""
    (only,) = about["members"]
    gone = ("members", "decision", "reference") if number == 1 else ("members",)
    kept = {k: v for k, v in about.items() if k not in gone}
    return {**kept, "format": number, "feature": only["feature"], "model": only["model"]}


def test_format_1_is_still_read(packed, bundle, tmp_path):
    """It knew no decision: scores are the network's own, and every clip is answered."""
    path = tmp_path / "old.earmark"
    path.write_bytes(rebuild(packed, lambda about: earlier(about, 1)))
    read = read_bundle(path)
    assert read.decision == Decision()
    assert same(read, bundle)
    assert Predictor(read).score(np.ones((2, 5), np.float32)).shape == (2, 3)


@pytest.mark.parametrize("number", [1, 2])
def test_statistics_of_an_earlier_bundle_stay_what_they_were(number, tmp_path):
    """Bundles from before statistics had versions do not name one, and mean the first: with the same probabilities."""
    feature = Stats(sample_rate=8_000, n_mfcc=5, n_mels=10, n_fft=256, hop_length=128, version=1)
    shape = MODEL.shape(feature.dims, len(LABELS))
    zeros, scale = np.zeros(feature.dims, np.float32), np.full(feature.dims, 0.01, np.float32)
    onnx_bytes = Network(shape, glorot(shape, 0), zeros, scale).to_onnx()
    made = with_golden(Bundle(LABELS, (Member(feature, model_to_dict(MODEL), onnx_bytes),)))
    path = tmp_path / "now.earmark"
    write_bundle(path, made)

    def unversioned(about):
        old = earlier(about, number)
        del old["feature"]["version"]
        return old

    path.write_bytes(rebuild(path.read_bytes(), unversioned))
    read = read_bundle(path)
    assert read.feature == feature
    Predictor(read)  # whose self-test holds the probabilities that were promised
    again = tmp_path / "again.earmark"
    write_bundle(again, read)
    assert read_bundle(again).feature == feature


def test_format_2_is_still_read(packed, bundle, tmp_path):
    """It knew one network."""
    path = tmp_path / "old.earmark"
    path.write_bytes(rebuild(packed, lambda about: earlier(about, 2)))
    assert same(read_bundle(path), bundle)


def test_a_decision_goes_with_the_bundle(bundle, tmp_path):
    decision = Decision(1.5, "recall=0.5", (0.1, 0.2, 2.0), 0.8, 0.05, 300, 40)
    path = tmp_path / "decided.earmark"
    write_bundle(path, with_golden(replace(bundle, decision=decision)))
    read = read_bundle(path)
    assert read.decision == decision
    own = Predictor(replace(read, decision=Decision()), self_test=False).score(np.ones((1, 5), np.float32))
    with pytest.raises(GoldenTestError):  # the promise is of calibrated scores
        Predictor(replace(read, decision=replace(decision, temperature=5.0)))
    assert Predictor(read).score(np.ones((1, 5), np.float32)).max() < own.max()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": 0.0}, "is damaged: The temperature is 0, but must be from 1e-06 to 1e+06."),
        ({"temperature": -1.0}, "is damaged: The temperature is -1, but must be from 1e-06 to 1e+06."),
        ({"temperature": "hot"}, "is damaged: decision temperature is 'hot', but must be a number."),
        ({"thresholds": [0.5]}, "it has 1 thresholds for 3 labels."),
        ({"thresholds": [0.5, 0.5, 9.0]}, "is damaged: A threshold must be from 0 to 2."),
        ({"set_threshold": -0.1}, "is damaged: A threshold must be from 0 to 2."),
        ({"coverage": 1.5}, "is damaged: The coverage is 1.5, but must be above 0 and below 1."),
        (
            {"target": "everything"},
            "is damaged: [decide] target is 'everything', but must be precision=SHARE",
        ),
        ({"mood": 1}, "is damaged: decision has no setting 'mood'."),
    ],
)
def test_decisions_that_make_no_sense(refused, packed, change, said):
    message = refused(rebuild(packed, lambda about: {**about, "decision": {**about["decision"], **change}}))
    assert said in message


def test_a_bundle_without_its_decision(refused, packed):
    message = refused(rebuild(packed, lambda about: {k: v for k, v in about.items() if k != "decision"}))
    assert message == "PATH is damaged: KeyError: 'decision'"


@pytest.mark.parametrize("about", [b"[]", b"{}", b'"text"', b"null"])
def test_json_of_something_else(refused, packed, about):
    message = refused(rebuild(packed, lambda _: about))
    assert message == "PATH has no format number: it was not written by Earmark."


@pytest.mark.parametrize("about", [b"", b"{", b"\xff\xfe", b'{"format": 1, "sha256": {}', b'{"format": 1}'])
def test_json_that_is_broken(refused, packed, about):
    assert refused(rebuild(packed, lambda _: about)).startswith("PATH is damaged: ")


@pytest.mark.parametrize("about", [b"[" * 100_000, b'{"a":' * 100_000, b'{"format": ' + b"[" * 50_000])
def test_deep_nesting(refused, packed, about):
    assert refused(rebuild(packed, lambda _: about)) == "PATH is damaged: it holds values beyond all measure."


@pytest.mark.parametrize(
    "change",
    [
        {"provenance": {"train_groups": "all"}},
        {"provenance": {"train_groups": [1, 2]}},
        {"provenance": {"train_groups": [[]]}},
    ],
)
def test_a_record_that_cannot_be_used(refused, packed, change):
    message = refused(rebuild(packed, lambda about: {**about, **change}))
    assert message == "PATH: its record of the training is malformed."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": [["name", "mlp"]]}, "PATH: its record of the training is malformed."),
        ({"weight": -1.0}, "PATH: a weight of its networks is not a number from 0 to 1e+09."),
        ({"weight": "much"}, "PATH: a weight of its networks is not a number from 0 to 1e+09."),
        ({"weight": 0.0}, "PATH: none of its networks has a weight."),
        ({"temperature": 0.0}, "PATH: a temperature of its networks is not a number from 1e-09 to 1e+09."),
        ({"file": "networks/1.onnx"}, "PATH: its list of networks does not match its entries."),
    ],
)
def test_networks_that_cannot_be_used(refused, packed, change, said):
    assert refused(rebuild(packed, lambda about: about["members"][0].update(change))) == said


def test_no_network(refused, packed):
    message = refused(rebuild(packed, lambda about: about.update(members=[])))
    assert message == "PATH: its list of networks does not match its entries."


def change_golden(**values):
    def change(about):
        about["golden"][0].update(values)

    return change


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_promises_that_are_no_numbers(refused, packed, value):
    message = refused(rebuild(packed, change_golden(probabilities=[value, 0.5, 0.5])))
    assert message in (
        "PATH: its test sound golden/0.npy is malformed.",
        "PATH is damaged: it holds values beyond all measure.",
    )


def test_promises_that_are_not_kept(refused, packed):
    message = refused(rebuild(packed, change_golden(probabilities=[0.0, 0.0, 1.0])), GoldenTestError)
    assert message.startswith(
        "The model's self-test failed: test sound 0 gives probabilities that differ by 0."
    )
    assert message.endswith(
        " from the promised ones (at most 0.0001 allowed). Do not use this file; get it anew."
    )


def test_another_network_that_fits(refused, packed):
    """Hashes made anew and all: the self-test still notices."""
    shape = MODEL.shape(5, 3)
    other = Network(shape, glorot(shape, 1), np.zeros(5, np.float32), np.ones(5, np.float32)).to_onnx()
    message = refused(rebuild(packed, entries={"network.onnx": other}), GoldenTestError)
    assert message.startswith("The model's self-test failed")


def test_another_front_end(refused, packed):
    message = refused(
        rebuild(packed, lambda about: about["members"][0]["feature"].update(hop_length=100)), GoldenTestError
    )
    assert message.startswith("The model's self-test failed")


def test_no_test_sounds(refused, packed):
    none = dict.fromkeys(f"golden/{i}.npy" for i in range(3))
    message = refused(rebuild(packed, lambda about: {**about, "golden": []}, entries=none))
    assert message == "PATH has no test sounds, so that nothing shows whether it works."


@pytest.mark.parametrize(
    "names", [[], ["golden/0.npy"] * 3, ["golden/0.npy", "golden/1.npy", "network.onnx"]]
)
def test_test_sounds_not_as_listed(refused, packed, names):
    def change(about):
        about["golden"] = [{"file": name, "probabilities": [1, 0, 0]} for name in names]

    assert refused(rebuild(packed, change)) == "PATH: its list of test sounds does not match its entries."


def test_hashes_not_as_listed(refused, packed):
    message = refused(rebuild(packed, lambda about: about["sha256"].pop("golden/1.npy") and about))
    assert message == "PATH: its list of hashes does not match its entries."


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"name": "mfcd"},
            "No feature is called 'mfcd'. There are: encoder, log_mel, mfcc, stats. Did you mean 'mfcc'?",
        ),
        ({"name": "mfcc", "colour": 1}, "[feature] has no setting 'colour'. There are: sample_rate, "),
        (
            {"name": "mfcc", "n_mfcc": 10**30},
            f"[feature] n_mfcc is {10**30}, but must be from 1 to n_mels (128).",
        ),
        ({"name": "mfcc", "top_db": 10**400}, "[feature] top_db is not a finite number."),
        ({"name": "x" * 10_000}, "No feature is called 'xxxxx"),
    ],
)
def test_features_that_are_not_known(refused, packed, settings, said):
    message = refused(rebuild(packed, lambda about: about["members"][0].update(feature=settings)))
    assert message.startswith(f"PATH is damaged: {said}")


# Networks


def graph(nodes, inputs=("features", 5), outputs=("logits", 3), initializers=(), kind=TensorProto.FLOAT):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(inputs[0], kind, ["n", inputs[1]])],
        [helper.make_tensor_value_info(outputs[0], kind, ["n", outputs[1]])],
        list(initializers),
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def linear(inputs=("features", 5), outputs=("logits", 3), weight=None):
    weight = np.ones((inputs[1], outputs[1]), np.float32) if weight is None else weight
    node = helper.make_node("MatMul", [inputs[0], "w"], [outputs[0]])
    return graph([node], inputs, outputs, [numpy_helper.from_array(weight, "w")])


NO_FIT = "The bundle's network does not fit its feature and its labels."
NO_NUMBER = "The bundle's network does not give one finite number a label."


@pytest.mark.parametrize(
    "model",
    [
        linear(inputs=("features", 6)),
        linear(outputs=("logits", 4)),
        linear(inputs=("input", 5)),
        linear(outputs=("output", 3)),
    ],
)
def test_a_network_that_does_not_fit(refused, packed, model):
    assert refused(rebuild(packed, entries={"network.onnx": model.SerializeToString()})) == NO_FIT


@pytest.mark.parametrize("data", [b"", b"RIFF", b"\x08\x08", bytes(range(1, 100))])
def test_no_network_at_all(refused, packed, data):
    message = refused(rebuild(packed, entries={"network.onnx": data}))
    assert message.startswith("The bundle's network cannot be loaded: ") or message == NO_FIT


def test_a_network_that_gives_no_numbers(refused, packed):
    model = linear(weight=np.full((5, 3), np.nan, np.float32)).SerializeToString()
    assert refused(rebuild(packed, entries={"network.onnx": model})) == NO_NUMBER


def test_a_network_that_says_one_shape_and_gives_another(refused, packed):
    chosen = numpy_helper.from_array(np.array([1, 1, 0, 0, 0], np.bool_), "chosen")
    node = helper.make_node("Compress", ["features", "chosen"], ["logits"], axis=1)
    model = graph([node], initializers=[chosen]).SerializeToString()
    assert refused(rebuild(packed, entries={"network.onnx": model})) == NO_NUMBER


def test_a_network_that_fails_when_it_runs(refused, packed):
    shape = numpy_helper.from_array(np.array([7, 3], np.int64), "shape")
    model = graph([helper.make_node("Reshape", ["features", "shape"], ["logits"])], initializers=[shape])
    message = refused(rebuild(packed, entries={"network.onnx": model.SerializeToString()}))
    assert message.startswith("The bundle's network cannot be ")


def test_a_network_of_another_type(refused, packed):
    model = graph(
        [helper.make_node("Identity", ["features"], ["logits"])],
        outputs=("logits", 5),
        kind=TensorProto.DOUBLE,
    )
    wide = rebuild(packed, about_labels(list("abcde")), {"network.onnx": model.SerializeToString()})

    def promise(about):
        for sound in about["golden"]:
            sound["probabilities"] = [0.2] * 5

    assert refused(rebuild(wide, promise)).startswith("The bundle's network cannot be run: ")


def test_weights_in_another_file(refused, packed, tmp_path):
    model = linear()
    tensor = model.graph.initializer[0]
    secret = tmp_path / "secret.bin"
    secret.write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(secret))
    message = refused(rebuild(packed, entries={"network.onnx": model.SerializeToString()}))
    assert message == "PATH: its network refers to files outside the bundle."


def test_a_feature_that_keeps_time(refused, packed):
    """Its vectors are as long as the network's inputs, but there is one for each frame."""
    message = refused(rebuild(packed, lambda about: about["members"][0]["feature"].update(statistics=[])))
    assert message == NO_FIT


def test_a_bundle_made_by_hand_without_self_test(bundle):
    wrong = tuple(Golden(g.waveform, 1 - g.probabilities) for g in bundle.golden)
    with pytest.raises(GoldenTestError, match="test sound 0"):
        Predictor(replace(bundle, golden=wrong))
    assert Predictor(replace(bundle, golden=wrong), self_test=False).score_waveform(
        Waveform(np.ones(800, np.float32), 8_000)
    ).sum() == pytest.approx(1)
