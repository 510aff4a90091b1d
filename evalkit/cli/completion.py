"""What a shell offers after the Tab key: ``evalkit --install-completion``."""


def suites(incomplete: str) -> list[str]:
    """Bundled suites; files are the shell's own business."""
    from benchmarks import loader

    return [name for name in loader.names() if name.startswith(incomplete)]


def systems(incomplete: str) -> list[str]:
    """Systems that need no label."""
    from generation.base import SYSTEMS

    return [name for name in SYSTEMS.names() if name.startswith(incomplete) and name not in ("folder", "command")]


def profiles(incomplete: str) -> list[str]:
    """Shipped profiles."""
    from evalkit import profile

    return [name for name in profile.names() if name.startswith(incomplete)]
