"""Blurring, against SciPy's."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from drkit.explaining.blurring import blur


@pytest.mark.parametrize("sigma", [0.8, 2.0, 5.0])
def test_blur_is_scipys(sigma: float) -> None:
    planes = torch.rand(2, 20, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = [gaussian_filter(plane.numpy(), sigma, mode="constant", radius=round(3 * sigma)) for plane in planes]
    assert np.allclose(blur(planes, sigma), expected)
