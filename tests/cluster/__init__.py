"""A Kubernetes cluster for tests: a real control plane on loopback, its nodes played by kwok."""
