"""The paper's numbers for comparison: tables 1 to 4 as printed, None where it prints a dash.

Source: paper tables 1 to 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportedRow:
    """One row of table 1; `c_cases` is a share here, the paper prints per cent."""

    acc: float
    i_acc: float | None = None
    c_acc: float | None = None
    c_cases: float | None = None
    bleu1: float | None = None
    bleu2: float | None = None
    rouge_l: float | None = None
    iou: float | None = None


TABLE_1: Mapping[str, Mapping[str, ReportedRow]] = {
    "base": {
        "7B": ReportedRow(0.553, bleu1=0.110, bleu2=0.032, rouge_l=0.073),
        "32B": ReportedRow(0.587, bleu1=0.102, bleu2=0.043, rouge_l=0.079),
    },
    "sft": {
        "7B": ReportedRow(0.719, 0.724, 0.447, 0.048, 0.156, 0.042, 0.129, 0.094),
        "32B": ReportedRow(0.715, 0.706, 0.584, 0.053, 0.159, 0.076, 0.130, 0.105),
    },
    "one_turn_e": {
        "7B": ReportedRow(0.855, bleu1=0.280, bleu2=0.146, rouge_l=0.301),
        "32B": ReportedRow(0.869, bleu1=0.294, bleu2=0.153, rouge_l=0.315),
    },
    "one_turn_eg": {
        "7B": ReportedRow(0.906, bleu1=0.275, bleu2=0.136, rouge_l=0.269, iou=0.245),
        "32B": ReportedRow(0.914, bleu1=0.282, bleu2=0.149, rouge_l=0.295, iou=0.254),
    },
    "verdict_only": {"32B": ReportedRow(0.897, 0.897)},
    "no_bleu": {"32B": ReportedRow(0.929, 0.868, 0.871, 0.082, 0.187, 0.095, 0.153, 0.296)},
    "dual_verdict": {"32B": ReportedRow(0.944, 0.948, 0.473, 0.074, 0.276, 0.164, 0.252, 0.260)},
    "two_turn": {
        "7B": ReportedRow(0.942, 0.866, 0.915, 0.092, 0.314, 0.209, 0.291, 0.316),
        "32B": ReportedRow(0.972, 0.873, 0.956, 0.109, 0.346, 0.211, 0.327, 0.359),
    },
    "random_crops": {"32B": ReportedRow(0.842, 0.873, 0.421, 0.196, 0.105, 0.043, 0.109)},
    "largest_4": {"32B": ReportedRow(0.934, 0.873, 0.938, 0.070, 0.303, 0.182, 0.158)},
    "largest_3": {"32B": ReportedRow(0.924, 0.873, 0.919, 0.061, 0.299, 0.183, 0.147)},
}

BENCHMARKS: Mapping[str, str] = {"genimage": "GenImage", "mmfr": "MMFR-Dataset", "synthscars": "SynthScars"}
"""the sets of table 2 besides the paper's own"""

TABLE_2: Mapping[str, Mapping[str, float]] = {
    "genimage": {"7B": 0.878, "32B": 0.915},
    "mmfr": {"7B": 0.892, "32B": 0.893},
    "synthscars": {"7B": 0.826, "32B": 0.852},
    "magnifake": {"7B": 0.942, "32B": 0.972},
}

TABLE_3: Mapping[str, tuple[float, float]] = {
    "jpeg_80": (0.970, 0.355),
    "jpeg_30": (0.964, 0.347),
    "crop": (0.965, 0.306),
    "half_size": (0.969, 0.346),
}
"""Acc and IoU of the 32B model"""

TABLE_4: Mapping[int, Mapping[str, tuple[float, float]]] = {
    1: {"7B": (4.38, 0.71), "32B": (10.9, 2.2)},
    2: {"7B": (8.94, 1.21), "32B": (24.0, 3.0)},
}
"""seconds an image by number of queries: mean and deviation, on one A100 (7B) and four (32B)"""

DETECTORS_2: Mapping[str, Mapping[str, float]] = {
    "genimage": {"cnnspot": 0.853, "npr": 0.859, "dire": 0.872, "antifakeprompt": 0.916},
    "mmfr": {"cnnspot": 0.846, "npr": 0.816, "dire": 0.889, "antifakeprompt": 0.862},
    "synthscars": {"cnnspot": 0.807, "npr": 0.823, "dire": 0.815, "antifakeprompt": 0.819},
    "magnifake": {"cnnspot": 0.855, "npr": 0.880, "dire": 0.922, "antifakeprompt": 0.927},
}
"""Acc of other detectors in table 2, by the names that `--scores` may give them"""

DETECTORS_3: Mapping[str, Mapping[str, float]] = {
    "jpeg_80": {"cnnspot": 0.849, "npr": 0.869, "dire": 0.913, "antifakeprompt": 0.873},
    "jpeg_30": {"cnnspot": 0.837, "npr": 0.835, "dire": 0.896, "antifakeprompt": 0.852},
    "crop": {"cnnspot": 0.848, "npr": 0.866, "dire": 0.909, "antifakeprompt": 0.877},
    "half_size": {"cnnspot": 0.851, "npr": 0.874, "dire": 0.912, "antifakeprompt": 0.886},
}
"""their Acc in table 3"""

DETECTORS_4: Mapping[str, tuple[float, float]] = {"npr": (0.105, 0.02), "antifakeprompt": (0.182, 0.05)}
"""their seconds an image in table 4: mean and deviation"""
