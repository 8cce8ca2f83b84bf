"""The focal loss."""

from torch import Tensor

from drkit.losses import CrossEntropy


class Focal(CrossEntropy):
    """Cross-entropy times (1 - p) ** gamma, where p is the probability of the reference grade.

    Args:
        gamma: 0 gives plain cross-entropy.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, eq. 4.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def __call__(self, logits: Tensor, grades: Tensor) -> Tensor:
        """Losses (B,) of logits (B, 5) and grades (B,)."""
        entropy = super().__call__(logits, grades)  # -log p
        return (1 - (-entropy).exp()) ** self.gamma * entropy
