"""SOAP against its definition written with Kronecker products, and against Adam where they meet."""

import numpy as np
import pytest
import torch
from torch import nn

from ippy.soap import SOAP


def gradients(shape, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scale = torch.rand(shape, generator=generator, dtype=torch.float64) * 3
    return [
        scale * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(count)
    ]


def run(optimiser, parameter, grads):
    path = []
    for grad in grads:
        parameter.grad = grad.clone()
        optimiser.step()
        path.append(parameter.detach().clone())
    return path


def damped(A):
    """A thousandth of the mean eigenvalue on the lower end of the diagonal, twice that above."""
    return A + np.diag(np.linspace(2e-3, 1e-3, len(A))) * np.linalg.eigvalsh(A).mean()


def soap_by_definition(start, grads, lr, beta1, beta2, eps, refresh):
    """The moments live in the space of vec(W), turned by the one large matrix Q ⊗ P."""
    rows, columns = start.shape
    W, path = start.copy(), [start.copy()]
    L, R = grads[0] @ grads[0].T, grads[0].T @ grads[0]
    P, Q = (np.linalg.eigh(damped(A))[1][:, ::-1] for A in (L, R))
    m, V = np.zeros(rows * columns), np.zeros((rows, columns))
    for step, G in enumerate(grads[1:], start=1):
        turn = np.kron(Q, P)
        m = beta1 * m + (1 - beta1) * G.flatten(order="F")  # kept in the original coordinates
        g = turn.T @ G.flatten(order="F")
        V = beta2 * V + (1 - beta2) * g.reshape(rows, columns, order="F") ** 2
        m_hat = (turn.T @ m).reshape(rows, columns, order="F") / (1 - beta1**step)
        root = np.sqrt(V / (1 - beta2**step))
        change = m_hat / (root + eps * np.sqrt((root**2).mean()))
        W = W - lr * (turn @ change.flatten(order="F")).reshape(rows, columns, order="F")
        path.append(W.copy())
        L, R = beta2 * L + (1 - beta2) * G @ G.T, beta2 * R + (1 - beta2) * G.T @ G
        if step % refresh == 0:
            P, Q = np.linalg.qr(damped(L) @ P)[0], np.linalg.qr(damped(R) @ Q)[0]
    return path


def test_steps_follow_the_definition():
    grads = gradients((4, 4), 12)
    start = gradients((4, 4), 1, seed=1)[0]
    w = nn.Parameter(start.clone())
    optimiser = SOAP([w], lr=0.02, betas=(0.9, 0.8), eps=0.05, refresh=4)
    path = run(optimiser, w, grads)
    expected = soap_by_definition(
        start.numpy(), [g.numpy() for g in grads], 0.02, 0.9, 0.8, 0.05, refresh=4
    )
    for mine, theirs in zip(path, expected, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-7, atol=1e-9)


def test_a_kernel_is_treated_as_a_matrix_with_one_row_a_filter():
    grads = gradients((4, 2, 3, 3), 8)
    kernel = nn.Parameter(torch.zeros(4, 2, 3, 3, dtype=torch.float64))
    matrix = nn.Parameter(torch.zeros(4, 18, dtype=torch.float64))
    as_kernel = run(SOAP([kernel], refresh=3), kernel, grads)
    as_matrix = run(SOAP([matrix], refresh=3), matrix, [g.reshape(4, 18) for g in grads])
    for mine, theirs in zip(as_kernel, as_matrix, strict=True):
        assert torch.equal(mine.reshape(4, 18), theirs)


def test_biases_get_adam_one_step_late():
    grads = gradients((6,), 10)
    mine, theirs = (nn.Parameter(torch.ones(6, dtype=torch.float64)) for _ in range(2))
    soap = SOAP([mine], lr=0.1, betas=(0.9, 0.95), eps=1e-14)
    adam = torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.95), eps=1e-14)
    ours = run(soap, mine, grads)
    assert torch.equal(ours[0], torch.ones(6, dtype=torch.float64))
    for a, b in zip(ours[1:], run(adam, theirs, grads[1:]), strict=True):
        assert torch.allclose(a, b, rtol=1e-12)


def test_the_basis_stays_orthogonal_and_finds_the_eigenvectors():
    turn = torch.linalg.qr(gradients((4, 4), 1, seed=2)[0])[0]
    scale = torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)
    noise = [
        torch.randn(4, 6, generator=torch.Generator().manual_seed(i)).double() for i in range(900)
    ]
    w = nn.Parameter(torch.zeros(4, 6, dtype=torch.float64))
    optimiser = SOAP([w], betas=(0.9, 0.99), refresh=5)
    run(optimiser, w, [turn @ (scale[:, None] * n) for n in noise])
    P, Q = optimiser.state[w]["P"], optimiser.state[w]["Q"]
    for basis in (P, Q):
        assert torch.allclose(basis.T @ basis, torch.eye(len(basis), dtype=torch.float64))
    assert (P.T @ turn).abs().diag().min() > 0.9


def test_it_beats_adam_where_the_axes_are_turned():
    turn = torch.linalg.qr(gradients((8, 8), 1, seed=3)[0])[0]
    A = turn @ torch.diag(torch.logspace(0, 3, 8, dtype=torch.float64)) @ turn.T
    losses = {}
    for kind in (SOAP, torch.optim.Adam):
        w = nn.Parameter(torch.ones(8, 8, dtype=torch.float64))
        optimiser = kind([w], lr=0.1)
        for step in range(300):
            optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 300)
            optimiser.zero_grad()
            loss = (w * (A @ w)).sum() / 2
            loss.backward()
            optimiser.step()
        losses[kind] = loss.item()
    assert losses[SOAP] < 0.1 * losses[torch.optim.Adam]


def test_the_size_of_the_gradients_does_not_matter():
    """The sum of squares or their mean as the loss: the same steps, unlike with Adam's eps."""
    paths = []
    for scale in (1.0, 1e-9):
        w = nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))
        paths.append(run(SOAP([w], refresh=3), w, [scale * g for g in gradients((3, 4), 12)])[-1])
    assert torch.allclose(paths[0], paths[1], rtol=1e-9)


def test_the_order_of_a_sum_decides_nothing():
    """Gradients of low rank, with columns that hardly count, and a rounding error in each entry."""
    generator = torch.Generator().manual_seed(0)
    columns = torch.logspace(0, -9, 40, dtype=torch.float64)
    ends = []
    for error in (0.0, 1e-16):
        generator.manual_seed(0)
        w = nn.Parameter(torch.zeros(16, 40, dtype=torch.float64))
        optimiser = SOAP([w], lr=1e-2, refresh=10)
        for _ in range(50):
            a, b, sign = (
                torch.randn(shape, generator=generator, dtype=torch.float64)
                for shape in ((16, 2), (2, 40), (16, 40))
            )
            G = a @ (b * columns)
            w.grad = G + error * G.abs().max() * sign.sign()
            optimiser.step()
        ends.append(w.detach().clone())
    assert (ends[0] - ends[1]).abs().max() < 1e-8
    assert ends[0].abs().max() > 0.1


def test_no_gradient_or_a_tiny_one_does_no_harm():
    still, zero, tiny = (nn.Parameter(torch.ones(32, 9)) for _ in range(3))
    optimiser = SOAP([still, zero, tiny], refresh=2)
    for step in range(6):
        zero.grad = torch.zeros(32, 9)
        tiny.grad = torch.full((32, 9), 1e-30) * (torch.arange(9) == step)
        optimiser.step()
    assert torch.equal(still, torch.ones(32, 9))
    assert torch.equal(zero, torch.ones(32, 9))
    assert tiny.isfinite().all()


def test_gradients_of_rank_one_start_it():
    """Some of these stop the solver for eigenvectors in float32."""
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.rand(32, 1, generator=generator) * (torch.arange(32) % 3 == 0)[:, None]
        columns = torch.rand(1, 288, generator=generator) * (torch.arange(288) // 9 % 2 == 0)
        columns = columns * (1 + 0.1 * torch.rand(1, 288, generator=generator))
        w = nn.Parameter(torch.zeros(32, 288))
        optimiser = SOAP([w])
        run(optimiser, w, [1e-8 * rows @ columns] * 2)
        assert w.isfinite().all()
        P = optimiser.state[w]["P"]
        assert torch.allclose(P.T @ P, torch.eye(32), atol=1e-5)


def test_it_goes_on_from_its_state_to_the_same_numbers():
    grads = gradients((3, 4), 20)
    w = nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))
    whole = run(SOAP([w], refresh=3), w, grads)[-1]
    w = nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))
    first = SOAP([w], refresh=3)
    run(first, w, grads[:11])
    second = SOAP([w], lr=1.0)
    second.load_state_dict(first.state_dict())
    assert torch.equal(run(second, w, grads[11:])[-1], whole)


def test_a_closure_is_called_with_gradients_on_and_its_loss_returned():
    w = nn.Parameter(torch.ones(2, 2))
    optimiser = SOAP([w])

    def closure():
        optimiser.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert optimiser.step(closure) == 4
    assert torch.equal(w.grad, torch.full((2, 2), 2.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, "lr must not be negative"),
        ({"lr": float("nan")}, "lr must not be negative"),
        ({"betas": (1.0, 0.9)}, r"betas must lie in \[0, 1\)"),
        ({"betas": (0.9, -0.1)}, r"betas must lie in \[0, 1\)"),
        ({"eps": 0.0}, "eps must be positive"),
        ({"refresh": 0}, "refresh must be a positive number of steps"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        SOAP([nn.Parameter(torch.ones(2, 2))], **settings)


def test_complex_parameters_are_refused():
    with pytest.raises(ValueError, match="params must be real, got complex ones"):
        SOAP([nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, dtype=torch.complex64))])


def test_half_precision_goes_down_too():
    w = nn.Parameter(torch.ones(4, 3, dtype=torch.bfloat16))
    optimiser = SOAP([w], lr=0.1)
    for _ in range(30):
        optimiser.zero_grad()
        (w**2).sum().backward()
        optimiser.step()
    assert w.dtype == torch.bfloat16 and float(w.detach().abs().max()) < 0.5
