"""``ampere doctor``: whether the host and whoever runs Pulumi are ready, and what helps."""
