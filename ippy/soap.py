"""SOAP: Adam, in coordinates in which the entries of the gradient are nearly uncorrelated."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

DAMPING = 1e-3


class SOAP(Optimizer):
    """W ← W − lr · P (M / (√V + eps·v)) Qᵀ, with Adam's averages M and V of PᵀGQ and its square.

    A convolution's weight (out, in, k, k) is read as a matrix W of shape (out, in·k·k); G is its
    gradient. Running averages L of GGᵀ and R of GᵀG tell which rows of the gradient, and which
    columns, vary together. Their eigenvectors P and Q turn it into coordinates that vary one by
    one, and there Adam, which scales every number by itself, scales the right ones. The basis is
    refreshed every `refresh` steps by one step of orthogonal iteration. Biases, and other
    parameters with a single axis, get plain Adam. The first step only opens the averages.

    Two things keep rounding errors from growing into decisions, so that one process and several,
    which add up a gradient in another order, train the same network: in float64 to the last digits,
    in float32 to networks that differ a little and do the same. The v beside eps is the root
    mean square of √V: entries of the gradient that are far smaller than the others are not blown
    up to their size. And DAMPING of their mean eigenvalue, falling from row to row, is added to the
    diagonals of L and R, to say which eigenvectors are meant where the gradients leave them open.

    Args:
        params: what is to be trained.
        lr: learning rate.
        betas: how much of M, and of V, L and R, is kept in a step.
        eps: part of the root mean square of √V that is added to each √V.
        refresh: steps from one basis to the next.

    Raises:
        ValueError: a setting is out of its range, or a parameter complex.

    Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024, Algorithm 3.

    >>> w = torch.nn.Parameter(torch.ones(2, 3))
    >>> optimiser = SOAP([w], lr=0.1)
    >>> for _ in range(100):
    ...     optimiser.zero_grad()
    ...     (w**2).sum().backward()
    ...     optimiser.step()
    >>> bool((w.abs() < 0.1).all())
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 3e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 3e-3,
        refresh: int = 10,
    ) -> None:
        if not lr >= 0:
            raise ValueError(f"lr must not be negative, got {lr}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must lie in [0, 1), got {betas}")
        if not eps > 0:
            raise ValueError(f"eps must be positive, got {eps}")
        if refresh < 1:
            raise ValueError(f"refresh must be a positive number of steps, got {refresh}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "refresh": refresh})
        if any(p.is_complex() for group in self.param_groups for p in group["params"]):
            raise ValueError("params must be real, got complex ones; use torch.view_as_real")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    direction = self._direction(parameter.grad, self.state[parameter], group)
                    parameter.sub_(direction.view_as(parameter), alpha=group["lr"])
        return loss

    def _direction(self, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        """Take a gradient in; return the direction of the step, W's change over −lr."""
        matrix = grad.ndim > 1
        G = grad.reshape(len(grad), -1) if matrix else grad[None]  # (rows, columns)
        if not state:
            state |= {"step": 0, "M": torch.zeros_like(G), "V": torch.zeros_like(G)}
            if matrix:
                state |= {"L": G @ G.T, "R": G.T @ G}
                state |= {"P": _eigenvectors(state["L"]), "Q": _eigenvectors(state["R"])}
            return torch.zeros_like(G)

        beta1, beta2 = group["betas"]
        state["step"] += 1
        turned = state["P"].T @ G @ state["Q"] if matrix else G
        state["M"].lerp_(turned, 1 - beta1)
        state["V"].lerp_(turned**2, 1 - beta2)
        M = state["M"] / (1 - beta1 ** state["step"])
        V = state["V"] / (1 - beta2 ** state["step"])
        floor = group["eps"] * V.mean().sqrt() + torch.finfo(V.dtype).tiny
        direction = M / (V.sqrt() + floor)
        if matrix:
            direction = state["P"] @ direction @ state["Q"].T
            state["L"].lerp_(G @ G.T, 1 - beta2)
            state["R"].lerp_(G.T @ G, 1 - beta2)
            if state["step"] % group["refresh"] == 0:
                _refresh(state)
        return direction


def _refresh(state: dict[str, Any]) -> None:
    """Turn P and Q towards the eigenvectors of L and R; carry M over to them, and leave V."""
    M = state["P"] @ state["M"] @ state["Q"].T
    for basis, average in (("P", "L"), ("Q", "R")):
        state[basis] = _orthonormal(_damped(state[average]) @ state[basis])
    state["M"] = state["P"].T @ M @ state["Q"]


# Both on the processor: the matrices are small, and not every graphics card has these routines.


def _orthonormal(A: Tensor) -> Tensor:
    """Orthonormal columns that span, one after the other, what the columns of A span."""
    dtype = torch.promote_types(A.dtype, torch.float32)  # in half precision there is no QR
    return torch.linalg.qr(A.cpu().to(dtype))[0].to(A)


def _eigenvectors(A: Tensor) -> Tensor:
    """The eigenvectors of a symmetric matrix as columns, that of the largest eigenvalue first."""
    # In float32 the solver fails on some matrices of low rank: a nearly dead ReLU gives such ones.
    return torch.linalg.eigh(_damped(A).cpu().double())[1].flip(-1).to(A)


def _damped(A: Tensor) -> Tensor:
    """A, with DAMPING of its mean eigenvalue added to the diagonal, twice that at the top."""
    slope = torch.linspace(2, 1, len(A), dtype=A.dtype, device=A.device)
    return A + DAMPING * A.trace() / len(A) * slope.diag()
