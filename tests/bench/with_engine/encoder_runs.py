"""Counts what the vision encoder really computes, inside vLLM's worker process, where alone it can be seen."""

from torch import nn

from pipeline.vllm.parent_watchdog import ParentWatchdog

CLASS = f"{__name__}.EncoderRuns"
METHOD = "encoder_runs"


class EncoderRuns(ParentWatchdog):
    """Mixed into vLLM's worker by its own extension point; `get_model` is the worker's."""

    def encoder_runs(self) -> int:
        """Images that went through the encoder since this was first asked."""
        if not hasattr(self, "_images_encoded"):
            self._images_encoded = 0
            self.get_model().visual.register_forward_pre_hook(self._encodes, with_kwargs=True)  # type: ignore[attr-defined]
        return self._images_encoded

    def _encodes(self, _encoder: nn.Module, _pixels: tuple[object, ...], named: dict[str, list[object]]) -> None:
        self._images_encoded += len(named["grid_thw"])  # a batch holds several images, a row for each
