"""The course's operators in other people's libraries, by one call each.

`as_scipy(K)` is K as a matrix that scipy's solvers accept, acting on images as columns;
`as_deepinv(K)` is K as deepinv's physics, for its networks, losses and iterations. Both carry the
adjoint along, without which no iterative method works.
"""

from __future__ import annotations

import math
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ippy.operators import Operator

if TYPE_CHECKING:
    from deepinv.physics import LinearPhysics
    from scipy.sparse.linalg import LinearOperator


def as_scipy(K: Operator, dtype: Any = np.float64) -> LinearOperator:
    """K as the matrix of shape (H_out · W_out, H · W) on grey images, rolled out row by row.

    Tikhonov's solution, argmin ‖Kx − y‖² + λ ‖x‖², by a solver that only ever multiplies with K and
    its adjoint (Paige and Saunders' LSQR, damp² = λ):

    >>> from scipy.sparse.linalg import lsqr
    >>> from ippy import Blurring
    >>> K = Blurring((8, 8), kernel_type="motion", kernel_size=3)
    >>> y = K(torch.ones(8, 8, dtype=torch.float64))
    >>> x_hat = lsqr(as_scipy(K), y.flatten().numpy(), damp=0.1)[0].reshape(8, 8)
    >>> x_hat.shape
    (8, 8)

    Args:
        K: the operator.
        dtype: of the numbers, numpy's float64 or float32.

    Raises:
        TypeError: K is no `Operator`, dtype is no real floating type, or what the matrix is applied
            to is complex.
    """
    from scipy.sparse.linalg import LinearOperator

    _check_operator(K)
    kind = np.dtype(dtype)
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"dtype must be float32 or float64, got {kind}; use numpy.float64")

    def apply(operator: Operator, columns: np.ndarray) -> np.ndarray:
        """Each column is one image of a batch."""
        if np.iscomplexobj(columns):  # numpy would drop the imaginary part
            raise TypeError(f"x must be real, got {columns.dtype}; use x.real, then x.imag")
        images = torch.from_numpy(np.ascontiguousarray(columns.T, dtype=kind))
        with torch.no_grad():
            results = operator(images.reshape(-1, 1, *operator.img_shape))
        return results.reshape(len(images), -1).numpy().T

    return LinearOperator(
        shape=(math.prod(K.out_shape), math.prod(K.img_shape)),
        matvec=lambda x: apply(K, x.reshape(-1, 1))[:, 0],
        rmatvec=lambda y: apply(K.T, y.reshape(-1, 1))[:, 0],
        matmat=lambda X: apply(K, X),
        rmatmat=lambda Y: apply(K.T, Y),
        dtype=kind,
    )


def as_deepinv(K: Operator, channels: int = 1, **settings: Any) -> LinearPhysics:
    """K as deepinv's `LinearPhysics`: y = A(x), with `A_adjoint`, pseudo-inverse and prox.

    Args:
        K: the operator.
        channels: C of the images (N, C, *K.img_shape).
        settings: passed on, such as `noise_model` or `max_iter`.

    Raises:
        TypeError: K is no `Operator`.
        ValueError: channels is no positive integer.
    """
    from deepinv.physics import LinearPhysics

    _check_operator(K)
    if not isinstance(channels, Integral) or isinstance(channels, bool) or channels < 1:
        raise ValueError(f"channels must be a positive integer, got {channels!r}")

    def A(x: Tensor, **_: Any) -> Tensor:
        return K(x)

    def A_adjoint(y: Tensor, **_: Any) -> Tensor:
        return K.T(y)

    shape = (channels, *K.img_shape)
    return LinearPhysics(A=A, A_adjoint=A_adjoint, img_size=shape, **settings)


def _check_operator(K: Any) -> None:
    if not isinstance(K, Operator):
        raise TypeError(f"K must be an ippy Operator, got {type(K).__name__}; Blurring(...) is one")
