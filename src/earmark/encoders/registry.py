"""`ENCODERS`: the pretrained encoders that Earmark knows. A new one is one entry; no number here is a guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FrontEnd = Literal["waveform", "yamnet"]
Form = Literal["tflite", "onnx"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A pretrained encoder: what it takes, what it gives, where its weights are and what may be done with them.

    Parameters
    ----------
    name, title
        Its key in `ENCODERS`, and one phrase that says what it is.
    sample_rate
        Hz, of the sound that it was trained on.
    window, hop
        Seconds that it hears at once, and from one window to the next.
    size
        Length of the embedding.
    front_end
        What its network takes: the ``"waveform"``, or the log-mel patches of `earmark.encoders.patches`.
    output
        The tensor that is the embedding, by its name in the file; empty where there is only one it can be.
    form
        How its file is written, before it is converted to ONNX once.
    url, bytes, checksum
        Where the file is, what it weighs and ``"sha256:…"``; ``None`` where it is not for us to fetch.
    licence, licence_url
        What it is called, and where it can be read.
    homepage, citation
        Where it is described, and what its authors want to be cited by.
    tried
        Whether its weights have been run by Earmark, and what comes out compared with what should.
    note
        What a person must know before using it; how to come by the file where it is not fetched.
    """

    name: str
    title: str
    sample_rate: int
    window: float
    hop: float
    size: int
    front_end: FrontEnd
    output: str
    form: Form
    url: str | None
    bytes: int | None
    checksum: str | None
    licence: str
    licence_url: str
    homepage: str
    citation: str
    tried: bool
    note: str = ""


_APACHE = "https://www.apache.org/licenses/LICENSE-2.0"

ENCODERS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            name="yamnet",
            title="YAMNet: MobileNet-v1 trained on AudioSet's 521 classes of sound",
            sample_rate=16_000,
            window=0.975,  # 96 frames every 10 ms, of which the last is 25 ms long
            hop=0.48,
            size=1024,
            front_end="yamnet",
            output="",
            form="tflite",
            # Size and SHA-256 as a dozen projects that know nothing of each other have written them down.
            url=(
                "https://storage.googleapis.com/download.tensorflow.org/models/tflite/task_library/"
                "audio_classification/android/lite-model_yamnet_classification_tflite_1.tflite"
            ),
            bytes=4_126_810,
            checksum="sha256:10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de",
            licence="Apache 2.0",
            licence_url=_APACHE,
            homepage="https://github.com/tensorflow/models/tree/master/research/audioset/yamnet",
            citation="Plakal, Ellis: YAMNet, TensorFlow Model Garden, 2020",
            tried=True,
            note="Learnt from web videos; poor at telling words from each other.",
        ),
        Entry(
            name="perch2",
            title="Perch 2: EfficientNet-B3 trained on the voices of birds and other animals",
            sample_rate=32_000,
            window=5.0,
            hop=5.0,
            size=1536,
            front_end="waveform",
            output="embedding",
            form="onnx",
            # A conversion of Google's file that others run. Its size is written down by two of them; one checksum is
            # too few to be held against.
            url="https://huggingface.co/justinchuby/Perch-onnx/resolve/main/perch_v2.onnx",
            bytes=409_148_616,
            checksum=None,
            licence="Apache 2.0",
            licence_url=_APACHE,
            homepage="https://www.kaggle.com/models/google/bird-vocalization-classifier",
            citation="van Merriënboer and others: Perch 2.0: The Bittern Lesson for Bioacoustics, 2025",
            tried=False,
            note="The file is somebody else's conversion of Google's weights.",
        ),
        *(
            Entry(
                name=f"ced-{name}",
                title=f"CED {name}: a vision transformer for AudioSet, {millions:g} million weights",
                sample_rate=16_000,
                window=10.0,
                hop=10.0,
                size=size,
                front_end="waveform",
                output="",
                form="onnx",
                url=None,
                bytes=None,
                checksum=None,
                licence="Apache 2.0",  # of the weights at Hugging Face; the authors' training code is GPL-3.0
                licence_url=_APACHE,
                homepage=f"https://huggingface.co/mispeech/ced-{name}",
                citation="Dinkel and others: CED: Consistent ensemble distillation for audio tagging, ICASSP 2024",
                tried=False,
                note=(
                    f"Export mispeech/ced-{name} from its waveform (float32[n, 160000]) to its pooled embedding"
                    f" (float32[n, {size}]) with torch.onnx, its mel spectrogram included."
                ),
            )
            for name, size, millions in (
                ("tiny", 192, 5.5),
                ("mini", 256, 9.6),
                ("small", 384, 22),
                ("base", 768, 86),
            )
        ),
    )
}
