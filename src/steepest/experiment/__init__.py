"""An experiment from its configuration to its folder."""
