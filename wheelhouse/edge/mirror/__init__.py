"""A mirror in the world: a directory or a bucket, what publishes into it, looks after it and serves it."""
