"""JAX, one jitted function a step, parameters donated:  jax_peer.py W1 SECONDS THREADS f32|bf16
It has no switch for the number of threads: script/bench gives it as many processors. bf16 rounds the operands of products."""
from workloads import WORKLOADS, arguments, measure

import jax
import jax.numpy as jnp

a = arguments()
sizes, batch, rate, optimizer = WORKLOADS[a.workload]
small = a.workload.startswith("W8")
keys = jax.random.split(jax.random.PRNGKey(0), len(sizes))
weights = [(jax.random.normal(keys[i], (sizes[i], sizes[i + 1])) * (2 / sizes[i]) ** 0.5, jnp.zeros(sizes[i + 1]))
           for i in range(len(sizes) - 1)]
x = 2 * jax.random.uniform(keys[-1], (batch, sizes[0])) - 1
target = jax.random.uniform(keys[-1], (batch, 1)) if small else jnp.arange(batch) % sizes[-1]


def product(u, w):
    if a.precision == "bf16":
        return jnp.matmul(u.astype(jnp.bfloat16), w.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
    return u @ w


def loss_of(params, u, t):
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


def one(state, u, t):
    params, moments = state
    return (adam if optimizer == "adam" else sgd)(params, moments, jax.grad(loss_of)(params, u, t))


zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
state = (weights, (zeros(), zeros(), jnp.zeros(())) if optimizer == "adam" else ())
run = jax.jit(one, donate_argnums=0)


def step():
    global state
    state = run(state, x, target)


measure(a.workload, batch, step, lambda: jax.block_until_ready(state), a.seconds)
