"""``ampere backup`` and ``ampere restore``: copies in a second S3 target, made and taken back."""
