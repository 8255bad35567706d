"""A saved model: loaded, and used on new rows."""
