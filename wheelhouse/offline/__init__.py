"""What travels in a bundle and runs where there is no network: the standard library only, and nobody imports it."""
