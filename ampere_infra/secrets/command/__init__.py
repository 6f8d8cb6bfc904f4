"""``ampere secrets``: what a person does with the files of secrets."""
