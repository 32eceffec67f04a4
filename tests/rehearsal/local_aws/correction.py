"""How a name of ministack is replaced: it must exist, or the start ends with a sentence."""

import sys


def replace(module, name, make):
    """Replaces `module.name` by `make(original)`."""
    original = getattr(module, name, None)
    if original is None:
        sys.exit(
            f"local AWS: {module.__name__} has no {name} any more, so a correction would not be applied. "
            "Nothing was started. Install the versions of requirements.txt."
        )
    setattr(module, name, make(original))


def require(module, *names):
    """Ends the start unless `module` has every one of `names`."""
    for name in names:
        replace(module, name, lambda original: original)
