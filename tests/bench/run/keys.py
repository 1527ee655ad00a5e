"""The metrics that other programs read from build/bench.json, by the part that reports them."""

from collections.abc import Iterable, Mapping

KEYS: Mapping[str, tuple[str, ...]] = {
    "own": ("own_events_per_s", "own_cpu_ms_per_event"),
    "photographs": ("own_cpu_ms_12mp", "events_per_s_12mp", "own_cpu_ms_48mp"),
    "decoding": ("decode_ms_jpeg_12mp_over_pillow", "decode_ms_png_2mp_over_pillow"),
    "gpu": ("worker_over_gpu_pace_30", "worker_over_gpu_pace_60", "two_fronts_over_one"),
    "memory": ("rss_growth",),
    "recovery": ("recovery_s_384",),
    "engine": ("worker_over_engine",),
    "plain": ("worker_over_plain",),
    "reuse": ("reuse_over_no_reuse_c16", "two_over_one_c1", "two_over_one_c16"),
    "peers": ("worker_over_server_client", "worker_over_offline_batch"),
}


def list_missing(parts: Iterable[str], metrics: Iterable[str]) -> list[str]:
    """Return the keys of these parts that are not among the metrics."""
    reported = set(metrics)
    return [key for part in parts for key in KEYS.get(part, ()) if key not in reported]
