"""What holds for every test of the project."""


def pytest_make_parametrize_id(val, argname):
    """Bytes are named by their length: what a test packs may carry the time, and all workers must agree on names."""
    return f"{argname}-{len(val)}-bytes" if isinstance(val, bytes) else None
