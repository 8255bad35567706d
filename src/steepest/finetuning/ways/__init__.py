"""Ways of fine-tuning, one a file."""
