"""From a lock to the files that are laid out for a person or a machine; pure."""
