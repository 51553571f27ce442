"""A mirror as values: what its pages say, and what is known of each project. `edge/mirror/` reads and writes them."""
