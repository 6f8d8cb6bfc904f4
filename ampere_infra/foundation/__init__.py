"""What the stack ``foundation`` is made of in Azure."""
