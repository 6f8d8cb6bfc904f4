"""The Ampere data platform as one Pulumi program: machines, Kubernetes, services."""
