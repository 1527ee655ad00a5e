"""The two networks: their residuals, their outputs, and that their random weights follow the seed."""

import numpy as np
import pytest
import torch

from training.baselines import networks
from training.baselines.networks import Kind


def test_residuals_are_differences_to_the_first_pixel_of_each_block() -> None:
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    residuals = networks.compute_residuals(image)  # the odd last row is cut off
    assert residuals.tolist() == [[[[0, 1, 0, 1], [4, 5, 4, 5]]]]


def test_residuals_of_an_image_enlarged_to_the_nearest_pixel_are_zero() -> None:
    """Up-sampling of this kind is what NPR is made to see."""
    small = torch.rand(2, 3, 8, 8)
    enlarged = small.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert float(networks.compute_residuals(enlarged).abs().max()) == 0.0


@pytest.mark.parametrize("kind", ["cnnspot", "npr"])
def test_each_image_has_one_logit_and_the_seed_decides_the_weights(kind: Kind) -> None:
    logits = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        network = networks.build_network(kind, "resnet18").eval()
        with torch.inference_mode():
            logits.append(network(torch.ones(2, 3, 40, 48)))
    assert logits[0].shape == (2,)
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


def test_npr_has_half_the_stages_of_its_resnet() -> None:
    names = {name.partition(".")[0] for name, _ in networks.build_network("npr", "resnet50").named_parameters()}
    assert names == {"stages", "output"}
    count = sum(parameter.numel() for parameter in networks.build_network("npr", "resnet50").parameters())
    assert count == pytest.approx(1.44e6, rel=0.01)  # of the published code


def test_pixels_are_normalized_as_torchvision_does_it() -> None:
    pixels = np.full((1, 2, 2, 3), 255, np.uint8)
    scaled = networks.normalize(pixels, torch.device("cpu"))
    expected = [(1 - mean) / deviation for mean, deviation in zip(networks.MEAN, networks.DEVIATION, strict=True)]
    assert scaled[0, :, 1, 1].tolist() == pytest.approx(expected)
