"""Import the part of torch that warns of torch's own deprecated code, before such a warning fails a test."""

import importlib
import warnings


def import_mkldnn() -> None:
    """Import `torch.utils.mkldnn` without its warnings; TRL needs it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("torch.utils.mkldnn")
