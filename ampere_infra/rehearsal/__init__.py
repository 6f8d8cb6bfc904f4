"""The stacks in the real engine, on provider doubles: no hypervisor, cluster or network."""
