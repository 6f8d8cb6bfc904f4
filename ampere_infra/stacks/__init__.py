"""The stacks: each reads top to bottom like the table of stages."""
