"""The bundled generator: SongGeneration 2 inference, written from its published description for current PyTorch."""
