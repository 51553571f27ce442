"""The resolver: a plain function over a catalog of pages and core metadata."""
