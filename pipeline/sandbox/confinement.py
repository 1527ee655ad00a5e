"""Takes from a decoder process all that it does not need, layer by layer.

Each layer but `no_new_privileges` and `capabilities` is enough to keep it from the secrets of its parent. Kernels and
containers refuse some of them: each is tried, and the refusals are reported.
"""

import resource
from collections.abc import Callable, Mapping

from pipeline.sandbox import kernel, landlock, seccomp

_CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000


def _enter_namespaces() -> None:
    """Enter a user namespace without a right outside of it, and a network without an interface."""
    kernel.enter_new_namespaces(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)


def _forbid_descriptors() -> None:
    """Forbid new descriptors: no file, socket, pipe or memory is opened any more, by whatever call."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


LAYERS: Mapping[str, Callable[[], None]] = {
    "namespaces": _enter_namespaces,
    "no_new_privileges": kernel.forbid_new_privileges,
    "capabilities": kernel.drop_capabilities,
    "landlock": landlock.restrict_self,
    "descriptors": _forbid_descriptors,
    "seccomp": seccomp.apply_filter,
}
"""in the order in which they can be applied: a later one would forbid an earlier one"""


def confine() -> dict[str, str]:
    """Apply every layer to this process, which has one thread; return each with the kernel's refusal, "" if it holds.

    Afterwards the process opens nothing, imports nothing, and starts nothing.
    """
    return {name: _try(apply) for name, apply in LAYERS.items()}


def _try(apply: Callable[[], None]) -> str:
    try:
        apply()
    except OSError as error:
        return error.strerror or str(error)
    return ""
