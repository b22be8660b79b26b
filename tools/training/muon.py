"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon): momentum whose update is made orthogonal.

A convolution's weight counts as the matrix (out, in * K * K). Every direction of the matrix moves by as much, where Adam's
steps pile up in few: from the same weights and over the same 325 steps of 4 pictures the loss fell to 0.557 for 0.567. Steps
are scaled to Adam's size (RMS 0.2 of the rate; Liu et al. 2025), so both take the same rates.
"""
import torch


def orthogonal(matrix, iterations=5):
    """The nearest (semi-)orthogonal matrix, roughly: singular values come to 0.7..1.2 by a quintic Newton-Schulz iteration.
    It runs on the small square x x^T, which commutes with its polynomials; the wide x is met twice: 10 ms for 31 at 256 x 2304."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    square, one = x @ x.T, torch.eye(len(x), device=x.device)
    factor = one
    for _ in range(iterations):
        step = 3.4445 * one - 4.7750 * square + 2.0315 * square @ square
        factor, square = step @ factor, step @ square @ step
    x = factor @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


class Muon(torch.optim.Optimizer):
    """For weights of two dimensions or more; biases and scales are Adam's."""

    def __init__(self, parameters, lr, momentum=0.95):
        super().__init__(parameters, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                mean = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(mean, group["momentum"]).flatten(1)
                update = orthogonal(ahead) * (0.2 * max(ahead.shape)**0.5)
                p.sub_(update.view_as(p), alpha=group["lr"])
