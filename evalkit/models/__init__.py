"""Model files (registry, download, checksums) and one module per model family."""
