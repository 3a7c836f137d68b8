"""From scores over time to events: windows, median filter, hysteresis, joining. Pure, and in constant memory.

No file is opened here and no network is run: `earmark.recordings` does that. Whatever pieces the sound comes in, the
events are the same.
"""

from earmark.events.merger import Event, Merger
from earmark.events.settings import Events
from earmark.events.windows import Windows

__all__ = ["Event", "Events", "Merger", "Windows"]
