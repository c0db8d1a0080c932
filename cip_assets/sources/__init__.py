"""A shop's own exports, before they have the form of landing files."""
