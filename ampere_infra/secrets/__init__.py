"""The stacks' secrets: their model, the wrapper around ``sops`` that reads them, their makers."""
