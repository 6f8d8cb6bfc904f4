"""The namespaces of the clusters."""

from __future__ import annotations

LOCAL_PATH = "local-path-storage"

OPERATOR = "cnpg-system"
POSTGRESQL = "postgresql"
MINIO = "minio"
AIRFLOW = "airflow"
HOME = (AIRFLOW, OPERATOR, LOCAL_PATH, MINIO, POSTGRESQL)
"""Those that the program makes at home."""

ENVOY_GATEWAY = "envoy-gateway-system"
"""Where the gateway's controller runs, and the Envoy that it makes for a Gateway."""
GATEWAY = "gateway"
"""Where the Gateway and its certificates are; nothing of the workloads is there."""
CERT_MANAGER = "cert-manager"
API = "api"
WEBSITE = "website"
PUBLIC = (API, CERT_MANAGER, ENVOY_GATEWAY, GATEWAY, LOCAL_PATH, WEBSITE)
"""Those that the program makes in the public cluster."""

KUBE_SYSTEM = "kube-system"
BUILT_IN = ("default", "kube-node-lease", "kube-public", KUBE_SYSTEM)
"""Those that each cluster has."""
