"""JAX, one jitted function a step, parameters donated:  jax_peer.py W1 SECONDS THREADS f32|bf16
It has no switch for the number of threads: script/bench gives it as many processors. bf16 rounds the operands of products."""
from workloads import WORKLOADS, arguments, measure

import jax
import jax.numpy as jnp

a = arguments()
sizes, batch, rate, optimizer = WORKLOADS[a.workload]
small = a.workload.startswith("W8")
pictures = a.workload in ("W3", "W4")
keys = iter(jax.random.split(jax.random.PRNGKey(0), 64))


def layer(inputs, outputs):
    return jax.random.normal(next(keys), (inputs, outputs)) * (2 / inputs) ** 0.5, jnp.zeros(outputs)


def filters(channels, count):
    return jax.random.normal(next(keys), (3, 3, channels, count)) * (2 / (9 * channels)) ** 0.5


def normed(channels, count): # without a bias, for batch norm
    return filters(channels, count), jnp.ones(count), jnp.zeros(count)


if a.workload == "W3":
    weights = [(filters(1, 32), jnp.zeros(32)), (filters(32, 64), jnp.zeros(64)), layer(9216, 128), layer(128, 10)]
elif a.workload == "W4":
    weights = [normed(3, 16)] + [normed(max(16, n // 2) if i == 0 else n, n) for n in (16, 32, 64) for i in range(6)] + [layer(64, 10)]
else:
    weights = [layer(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 1)]
x = 2 * jax.random.uniform(next(keys), (batch, *(sizes[1:] + sizes[:1] if pictures else sizes[:1]))) - 1 # channels last
target = jax.random.uniform(next(keys), (batch, 1)) if small else jnp.arange(batch) % 10


def product(u, w):
    if a.precision == "bf16":
        return jnp.matmul(u.astype(jnp.bfloat16), w.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
    return u @ w


def conv(u, w, stride=1, padding="VALID"):
    if a.precision == "bf16":
        u, w = u.astype(jnp.bfloat16), w.astype(jnp.bfloat16)
    y = jax.lax.conv_general_dilated(u, w, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y.astype(jnp.float32)


def batch_norm(u, gamma, beta):
    mean, variance = u.mean((0, 1, 2)), u.var((0, 1, 2))
    scale = gamma * jax.lax.rsqrt(variance + 1e-5)
    return u * scale + (beta - mean * scale)


def resnet20(params, u):
    around = ((1, 1), (1, 1))
    w, *rest = params[0]
    u = jnp.maximum(batch_norm(conv(u, w, 1, around), *rest), 0)
    for i in range(1, 19, 2):
        (first, *one), (second, *two) = params[i], params[i + 1]
        stride = first.shape[3] // first.shape[2]
        y = jnp.maximum(batch_norm(conv(u, first, stride, around), *one), 0)
        y = batch_norm(conv(y, second, 1, around), *two)
        if stride > 1: # every other place, and zeros for the channels that are new
            fresh = (first.shape[3] - first.shape[2]) // 2
            u = jnp.pad(u[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (fresh, fresh)))
        u = jnp.maximum(y + u, 0)
    return u.mean((1, 2))


def loss_of(params, u, t):
    if a.workload == "W3":
        for w, b in params[:2]:
            u = jnp.maximum(conv(u, w) + b, 0)
        u = u.reshape(batch, 12, 2, 12, 2, 64).max((2, 4)).reshape(batch, -1)
        params = params[2:]
    elif a.workload == "W4":
        u, params = resnet20(params, u), params[-1:]
    for i, (w, b) in enumerate(params):
        u = product(u, w) + b
        if small:
            u = jnp.tanh(u)
        elif i + 1 < len(params):
            u = jnp.maximum(u, 0)
    if small:
        return jnp.mean((u - t) ** 2)
    return jnp.mean(jax.nn.logsumexp(u, axis=1) - u[jnp.arange(batch), t])


def adam(params, moments, g):
    m, v, n = moments
    n = n + 1
    m = jax.tree.map(lambda old, d: 0.9 * old + 0.1 * d, m, g)
    v = jax.tree.map(lambda old, d: 0.999 * old + 0.001 * d * d, v, g)
    size = rate * jnp.sqrt(1 - 0.999 ** n) / (1 - 0.9 ** n)
    return jax.tree.map(lambda p, first, second: p - size * first / (jnp.sqrt(second) + 1e-8), params, m, v), (m, v, n)


def sgd(params, moments, g):
    return jax.tree.map(lambda p, d: p - rate * d, params, g), moments


def momentum(params, moments, g):
    moments = jax.tree.map(lambda m, d: 0.9 * m + d, moments, g)
    return jax.tree.map(lambda p, m: p - rate * m, params, moments), moments


def one(state, u, t):
    params, moments = state
    return {"adam": adam, "sgd": sgd, "momentum": momentum}[optimizer](params, moments, jax.grad(loss_of)(params, u, t))


zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
state = (weights, (zeros(), zeros(), jnp.zeros(())) if optimizer == "adam" else zeros())
run = jax.jit(one, donate_argnums=0)


def step():
    global state
    state = run(state, x, target)


measure(a.workload, batch, step, lambda: jax.block_until_ready(state), a.seconds)
