"""The typed model of a stack's settings: declared once, checked whole before any plan."""
