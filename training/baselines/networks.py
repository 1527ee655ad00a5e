"""The networks of two published detectors on torchvision's ResNets, from random weights.

CNNSpot is a ResNet with one output. NPR shows a shorter ResNet (two of four stages) the residuals of neighbouring
pixels: the image minus itself at half size and enlarged again, both to the nearest pixel.
Shapes: images are [batch, 3, height, width], normalized; a network returns [batch], the logit of P(generated).
Source: Wang et al. 2020, CNN-generated images are surprisingly easy to spot... for now; Tan et al. 2024, Rethinking the
Up-Sampling Operations in CNN-based Generative Network for Generalizable Deepfake Detection.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from torch import nn
from torch.nn import functional

Kind = Literal["cnnspot", "npr"]
Backbone = Literal["resnet18", "resnet34", "resnet50"]
TITLES = {"cnnspot": "CNNSpot", "npr": "NPR"}
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESIDUAL_SCALE = 2 / 3
STEM_CHANNELS = 64


class CnnSpot(nn.Module):
    """A whole ResNet with one output."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.resnet = torchvision.models.get_model(backbone, weights=None, num_classes=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.resnet(images)[:, 0]
        return logits


class NeighbouringPixels(nn.Module):
    """NPR: the first two stages of a ResNet with a small first kernel, on the residuals of neighbouring pixels."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        resnet = torchvision.models.get_model(backbone, weights=None)
        stem = nn.Conv2d(3, STEM_CHANNELS, kernel_size=3, stride=2, padding=1, bias=False)
        nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
        channels = resnet.layer3[0].conv1.in_channels
        self.stages = nn.Sequential(
            stem, resnet.bn1, resnet.relu, resnet.maxpool, resnet.layer1, resnet.layer2, resnet.avgpool
        )
        self.output = nn.Linear(channels, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.stages(compute_residuals(images) * RESIDUAL_SCALE)
        logits: torch.Tensor = self.output(features.flatten(1))[:, 0]
        return logits


def compute_residuals(images: torch.Tensor) -> torch.Tensor:
    """Return how each pixel differs from the first one of its 2 x 2 block; an odd last row or column is cut off."""
    even = images[..., : images.shape[-2] // 2 * 2, : images.shape[-1] // 2 * 2]
    return even - functional.interpolate(even[..., ::2, ::2], scale_factor=2.0, mode="nearest")


def build_network(kind: Kind, backbone: Backbone) -> nn.Module:
    """Build a network with random weights, which torch's global seed decides."""
    return CnnSpot(backbone) if kind == "cnnspot" else NeighbouringPixels(backbone)


def normalize(pixels: npt.NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Convert pixels to what the networks take.

    Shapes: pixels are [batch, height, width, 3].
    """
    scaled = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(values, device=device)[:, None, None] for values in (MEAN, DEVIATION))
    return ((scaled - mean) / deviation).contiguous(memory_format=torch.channels_last)


def choose_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
