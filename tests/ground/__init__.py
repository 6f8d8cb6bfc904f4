"""A proving ground: a KVM host in namespaces of its own, and what its machines are born from."""
