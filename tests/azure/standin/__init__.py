"""A small Azure Resource Manager on this machine, which the unmodified SDK speaks to; it runs jobs for real.

It proves what our side does, and that the SDK understands us. That Azure accepts the same, only an account can prove.
"""

from standin.server import Answer, Asked, StandIn

__all__ = ["Answer", "Asked", "StandIn"]
