"""A model over HTTP: parse, call, answer. What is said about a sound is what `earmark.predict` says.

The server's own process only moves bytes; sound is decoded and scored in worker processes, which may be lost.
"""

from earmark.serve.settings import Settings

__all__ = ["Settings"]
