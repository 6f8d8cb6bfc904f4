"""The stacks in the real engine, on provider doubles: no hypervisor, cluster or network."""

import os

# Ends of connections that an interrupted run cuts off are no news.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
