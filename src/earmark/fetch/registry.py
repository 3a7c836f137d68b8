"""`DATASETS`: the public data sets that `earmark fetch` knows. A new one is one entry; no number here is a guess."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A public data set: where its archive is, what it weighs, what may be done with it.

    Parameters
    ----------
    name, title
        Its key in `DATASETS`, and one phrase that says what it is.
    origin, url
        Who publishes it, as ``--from`` takes it, and the archive's address.
    file
        What the archive is called on this machine.
    bytes
        The archive's size; ``None`` where nobody says it before it is fetched.
    unpacked, files
        What its files take, and how many they are: at least what a disk must have room for. An archive that unfolds
        into more than twice of either is refused.
    checksum
        ``"md5:…"`` or ``"sha256:…"``; ``None`` where nobody that can be relied on has published one.
    licence, licence_url
        What it is called, and where it can be read.
    commercial
        Whether the licence allows commercial use.
    homepage, citation
        Where it is described, and what its authors want to be cited by.
    next
        What to type then; ``{dest}`` stands for the folder.
    kaggle
        Its handle at Kaggle; ``None`` where there is none.
    """

    name: str
    title: str
    origin: str
    url: str
    file: str
    bytes: int | None
    unpacked: int
    files: int
    checksum: str | None
    licence: str
    licence_url: str
    commercial: bool
    homepage: str
    citation: str
    next: str = "earmark check {dest}"
    kaggle: str | None = None

    @property
    def origins(self) -> tuple[str, ...]:
        """What ``--from`` takes."""
        return (self.origin,) if self.kaggle is None else (self.origin, "kaggle")


DATASETS: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="urbansound8k",
            title="UrbanSound8K: 8,732 clips of city sounds, 10 classes, 10 folds",
            origin="zenodo",
            url="https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz?download=1",
            file="UrbanSound8K.tar.gz",
            # Size and MD5 as Zenodo's record 1203745 gives them; soundata's index has the same MD5.
            bytes=6_023_741_708,
            # A round figure by people who unpacked it: 8,732 sounds, the table and a few texts.
            unpacked=7_100_000_000,
            files=8_750,
            checksum="md5:9aa69802bbf37fb986f71ec1483a196e",
            licence="CC BY-NC 3.0",  # as its own README says; Zenodo's page says 4.0
            licence_url="https://creativecommons.org/licenses/by-nc/3.0/",
            commercial=False,
            homepage="https://urbansounddataset.weebly.com/urbansound8k.html",
            citation="Salamon, Jacoby, Bello: A Dataset and Taxonomy for Urban Sound Research, ACM Multimedia 2014",
            kaggle="chrisfilo/urbansound8k",
        ),
        Source(
            name="esc50",
            title="ESC-50: 2,000 clips of environmental sounds, 50 classes, 5 folds",
            origin="github",
            url="https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip",
            file="ESC-50-33c8ce9.zip",
            # The author publishes no checksum. These are of the commit's archive, which half a dozen projects that
            # know nothing of each other have got and written down, all the same.
            bytes=645_832_161,
            # 2,000 WAV files of 441,044 bytes, and a few texts and scripts.
            unpacked=885_000_000,
            files=2_050,
            checksum="sha256:661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
            licence="CC BY-NC 3.0 (its part ESC-10: CC BY 3.0)",
            licence_url="https://github.com/karolpiczak/ESC-50/blob/master/LICENSE",
            commercial=False,
            homepage="https://github.com/karolpiczak/ESC-50",
            citation="Piczak: ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015",
        ),
        Source(
            name="fsdd",
            title="Free Spoken Digit Dataset 1.0.10: 3,000 digits by 6 speakers",
            origin="github",
            url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.zip",
            file="free-spoken-digit-dataset-1.0.10.zip",
            # One report of what GitHub sent gives this size. One is too few for a checksum to be held against.
            bytes=16_419_872,
            # 3,000 WAV files, 21,128,848 bytes together by the same report, and a dozen scripts.
            unpacked=21_500_000,
            files=3_012,
            checksum=None,
            licence="CC BY-SA 4.0",
            licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
            commercial=True,
            homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
            citation="Jackson and others: Free Spoken Digit Dataset, version 1.0.10",
            next="earmark check {dest}/recordings --pattern '{{label}}_{{group}}_{{take}}.wav'",
        ),
        Source(
            name="speech_commands",
            title="Speech Commands 0.02: 105,829 words by 2,618 speakers, 35 classes",
            origin="google",
            url="https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            file="speech_commands_v0.02.tar.gz",
            # The size is in ESPnet's recipe, the SHA-256 in torchaudio's index.
            bytes=2_428_923_189,
            # No word is longer than a second: 105,829 files of at most 32,044 bytes, six of noise, the lists.
            unpacked=3_420_000_000,
            files=105_840,
            checksum="sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            licence="CC BY 4.0",
            licence_url="https://creativecommons.org/licenses/by/4.0/",
            commercial=True,
            homepage="https://arxiv.org/abs/1804.03209",
            citation="Warden: Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, 2018",
        ),
    )
}
