"""From a booted machine to a node of the cluster: cloud-init, kubeadm, units, keys and gates."""
