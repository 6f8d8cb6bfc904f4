"""What every service needs of the cluster: network, storage, namespaces, releases."""
