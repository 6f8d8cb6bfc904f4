"""Two real MinIO servers, and the chart's own Jobs run between them."""
