"""What datasets store, in which order loaders read it, and how images are prepared."""
