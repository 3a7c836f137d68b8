"""Long recordings and live sound, from the file or the stream to its events."""

from earmark.recordings.files import Heard, events_in
from earmark.recordings.listening import Listening
from earmark.recordings.live import Figures, live

__all__ = ["Figures", "Heard", "Listening", "events_in", "live"]
