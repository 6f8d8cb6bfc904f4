"""Machines, whatever makes them: each cloud's module hands back a `machine.Machine`."""
