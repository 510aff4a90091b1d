"""What style words mean: closed classes with their tags, and sentences made of tags."""
