"""What moves the weights: Muon for the trunk's kernels, AdamW for all else.

Muon (K. Jordan, 2024) steps along the orthogonalised momentum, so that rare directions of a
kernel move as far as common ones. On a few thousand photographs it needs about half the epochs of
AdamW alone; `docs/model.md` has the figures.
"""

from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn

# Newton-Schulz iteration of fifth order whose singular values end near 1 quickly, not exactly.
_COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
TRUNKS: Final = ("trunk", "local_trunk")
_ITERATIONS: Final = 5
_ADAM_SCALE: Final = 0.2  # root mean square of an AdamW step of rate 1, so that rates are shared


def optimizers(
    network: nn.Module, learning_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions inside the trunk, where there are any; AdamW for the rest.

    The first convolution reads colours and is no matrix of features; biases, BatchNorm and
    scales do not decay.
    """
    trunks = [module for name, module in network.named_children() if name in TRUNKS]
    kernels = [p for trunk in trunks for p in trunk.parameters() if _is_kernel(p)]
    taken = {id(p) for p in kernels}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in taken]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=learning_rate)
    return [Muon(kernels, learning_rate, weight_decay), adam] if kernels else [adam]


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised, for kernels seen as matrices (outputs, inputs * positions).

    Args:
        params: of two dimensions or more.
        lr: as for AdamW: a step has about the same root mean square.
        weight_decay: decoupled, as in AdamW.
        momentum: of Nesterov's kind.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._move(p, p.grad, group)

    def _move(self, p: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        average = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(average, group["momentum"])
        direction = orthogonalised(ahead.reshape(len(p), -1))
        outputs, inputs = direction.shape
        length = _ADAM_SCALE * max(1.0, outputs / inputs) ** 0.5 * max(outputs, inputs) ** 0.5
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(direction.reshape(p.shape), alpha=-group["lr"] * length)


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values of about 1, (rows, columns) -> the same shape.

    Singular values come out between about 0.7 and 1.2, which is near enough for a direction.
    """
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.T if tall else x
    return result


def _is_kernel(p: Tensor) -> bool:
    return p.requires_grad and p.ndim == 4 and p.shape[1] > 3
