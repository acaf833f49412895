"""Workloads P1 to P6 in other libraries, float64, on two threads.

    python -m venv venv && venv/bin/pip install numpy scipy numba jax diffrax threadpoolctl
    venv/bin/python peers.py p1 numba      # a workload and a library; without arguments: which there are

Prints units a second of the processor (over all threads, user and system time) and by the clock: medians of the
repetitions after the first, which compiles. The work is that of `problems/benchmarks`; random numbers differ.
"""
import os, resource, statistics, sys, time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "2"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import numpy as np

LO, SLOPE = 0.1, 19.9


def beta(t):
    return LO + SLOPE * t


def moments(t):
    """Mean factor and variance of the noising at time t."""
    integral = LO * t + 0.5 * SLOPE * t * t
    return np.exp(-0.5 * integral), -np.expm1(-integral)


def measure(work, unit, run, repetitions):
    run()
    clock, processor = [], []
    for _ in range(repetitions):
        usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        run()
        clock.append(time.perf_counter() - start)
        now = resource.getrusage(resource.RUSAGE_SELF)
        processor.append(now.ru_utime + now.ru_stime - usage.ru_utime - usage.ru_stime)
    print(f"{work / statistics.median(processor):.4g} {unit} per s of a core, "
          f"{work / statistics.median(clock):.4g} {unit} per s by the clock")


def digits():
    """The table about zero in units of its overall deviation, as `standardize = "common"` has it."""
    file = os.path.join(os.path.dirname(__file__), "../../problems/data/digits.csv")
    rows = np.loadtxt(file, delimiter=",", skiprows=1)[:, :64]
    rows = rows - rows.mean(0)
    return rows / np.sqrt(rows.var(0).mean())


def coefficients(steps, deviation, rows):
    """Euler-Maruyama to equally weighted Gaussians: x' = c0 x + c1 sum_k r_k m_k + c2 z, r = softmax(g x.m_k + l_k)."""
    t = 1.0 - np.arange(steps) / steps
    alpha, variance = moments(t)
    total, dt = alpha ** 2 * deviation ** 2 + variance, 1.0 / steps
    b = beta(t)
    c0 = 1.0 + dt * b * (0.5 - 1.0 / total)
    return c0, dt * b * alpha / total, np.sqrt(b * dt), alpha / total, \
        -0.5 * (alpha ** 2 / total)[:, None] * (rows ** 2).sum(1)


def grid():
    """The 5 x 5 means of P1 and P3."""
    axis = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)


def hadamard():
    """The eight means of P2: signs by the parity of common bits."""
    return np.array([[(-1.0) ** bin(k & j).count("1") for j in range(64)] for k in range(1, 9)])


def numba_blocks(block, means, deviation, paths, steps, width):
    """Blocks of paths on two threads, their normals drawn by numpy's ziggurat beforehand."""
    from concurrent.futures import ThreadPoolExecutor
    cs = coefficients(steps, deviation, means)
    blocks, d = -(-paths // width), means.shape[1]
    seeds = np.random.SeedSequence(0).spawn(blocks)
    out = np.empty((blocks, d, width))

    def half(thread):
        z = np.empty((steps, d, width))
        for b in range(thread, blocks, 2):
            r = np.random.Generator(np.random.SFC64(seeds[b]))
            x = r.standard_normal((d, width))
            r.standard_normal(out=z)
            block(x, z, means, *cs)
            out[b] = x

    def run():
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(half, range(2)))
    measure(paths * steps, "path-steps", run, 3)


def simulator():
    """A block of paths with a polynomial exponential, which the compiler vectorises over the paths."""
    import math
    import numba as nb
    c = tuple(1.0 / math.factorial(i) for i in range(13, -1, -1))

    @nb.njit(nogil=True, fastmath=True, error_model="numpy")
    def block(x, z, means, c0, c1, c2, g, l):
        count, d, width = means.shape[0], x.shape[0], x.shape[1]
        logs, bits = np.empty((count, width)), np.empty(width, np.int64)
        powers = bits.view(np.float64)
        largest, total, sums = np.empty(width), np.empty(width), np.empty((d, width))
        for n in range(c0.shape[0]):
            for i in range(width):
                largest[i] = -1e300
                total[i] = 0.0
            sums[:] = 0.0
            for k in range(count):
                for i in range(width):
                    logs[k, i] = l[n, k]
                for j in range(d):
                    a = g[n] * means[k, j]
                    for i in range(width):
                        logs[k, i] += a * x[j, i]
                for i in range(width):
                    largest[i] = max(largest[i], logs[k, i])
            for k in range(count):
                for i in range(width):
                    t = max(logs[k, i] - largest[i], -700.0)
                    q = np.floor(t * 1.4426950408889634 + 0.5)
                    r = t - q * 0.6931471805599453
                    p = c[0]
                    p = p * r + c[1]; p = p * r + c[2]; p = p * r + c[3]; p = p * r + c[4]; p = p * r + c[5]
                    p = p * r + c[6]; p = p * r + c[7]; p = p * r + c[8]; p = p * r + c[9]; p = p * r + c[10]
                    p = p * r + c[11]; p = p * r + c[12]; p = p * r + c[13]
                    logs[k, i] = p
                    bits[i] = (np.int64(q) + 1023) << 52
                for i in range(width):
                    logs[k, i] *= powers[i]
                    total[i] += logs[k, i]
                for j in range(d):
                    m = means[k, j]
                    for i in range(width):
                        sums[j, i] += logs[k, i] * m
            for j in range(d):
                for i in range(width):
                    x[j, i] = c0[n] * x[j, i] + c1[n] / total[i] * sums[j, i] + c2[n] * z[n, j, i]
    return block


def jax_paths(means, deviation, paths, steps, chunk):
    import jax, jax.numpy as jnp
    m = jnp.asarray(means)
    cs = tuple(map(jnp.asarray, coefficients(steps, deviation, means)))

    def chunk_of(key):
        def body(x, ic):
            i, (c0, c1, c2, g, l) = ic
            r = jax.nn.softmax(g * (x @ m.T) + l, axis=1)
            return c0 * x + c1 * (r @ m) + c2 * jax.random.normal(jax.random.fold_in(key, i), x.shape), None
        x = jax.random.normal(jax.random.fold_in(key, steps), (chunk, m.shape[1]))
        return jax.lax.scan(body, x, (jnp.arange(steps), cs))[0]

    def half(keys):
        return jax.lax.map(chunk_of, keys[0]).mean()
    keys = jax.random.split(jax.random.key(0), (1, paths // chunk))
    measure(paths * steps, "path-steps", two_devices(half, (keys,), (True,)), 3)


def p3_diffrax(points=10_000, chunk=500):
    """Tsit5, the step chosen for a chunk by the root mean square of its errors; prints the errors reached."""
    import jax, jax.numpy as jnp, diffrax
    from jax.sharding import NamedSharding, PartitionSpec as P
    r, means = np.random.default_rng(0), grid()
    start = means[r.integers(25, size=points)] + 0.1 * r.standard_normal((points, 2))
    m, squares = jnp.asarray(means), jnp.asarray((means ** 2).sum(1))[:, None]

    def slope(t, y, _):
        integral = LO * t + 0.5 * SLOPE * t * t
        a = jnp.exp(-0.5 * integral)
        v, b, x = 0.01 * a * a - jnp.expm1(-integral), LO + SLOPE * t, y[:2]
        w = jax.nn.softmax((a / v) * (m @ x) - 0.5 * a * a / v * squares, axis=0)
        mean = m.T @ w
        spread = (squares * w).sum(0) - (mean * mean).sum(0)
        return jnp.concatenate([-0.5 * b * (x + (a * mean - x) / v),
                                (-0.5 * b * (2 - 2 / v + (a / v) ** 2 * spread))[None]])

    def one(y):
        control = diffrax.PIDController(rtol=1e-6, atol=1e-6)
        return diffrax.diffeqsolve(diffrax.ODETerm(slope), diffrax.Tsit5(), 0.0, 1.0, None, y, stepsize_controller=control,
                                   saveat=diffrax.SaveAt(t1=True), adjoint=diffrax.ForwardMode(), max_steps=None, throw=False).ys[0]
    mesh = jax.make_mesh((2,), ("d",))
    run = jax.jit(jax.shard_map(lambda ys: jax.lax.map(one, ys), mesh=mesh, in_specs=P("d"), out_specs=P("d"), check_vma=False))
    y = np.concatenate([start, np.zeros((points, 1))], 1).reshape(-1, chunk, 3).transpose(0, 2, 1)
    y = jax.device_put(jnp.asarray(y), NamedSharding(mesh, P("d")))

    def log_density(x, t):
        a, v = moments(t)
        logs = -0.5 * ((x[:, None] - a * means) ** 2).sum(2) / (0.01 * a * a + v)
        peak = logs.max(1)
        return peak + np.log(np.exp(logs - peak[:, None]).mean(1)) - np.log(2 * np.pi * (0.01 * a * a + v))
    end = np.asarray(run(y)).transpose(0, 2, 1).reshape(-1, 3)
    errors = np.abs(log_density(end[:, :2], 1.0) + end[:, 2] - log_density(start, 0.0))
    print(f"log-likelihoods wrong by {errors.max():.1e} at most, {np.sqrt((errors ** 2).mean()):.1e} in the root mean square")
    measure(points, "points", lambda: run(y).block_until_ready(), 5)


def p4_numpy(paths=512, steps=200):
    from concurrent.futures import ThreadPoolExecutor
    import threadpoolctl
    rows = digits()
    c0, c1, c2, g, l = coefficients(steps, 0.1, rows)
    transposed = np.ascontiguousarray(rows.T)

    def half(seed):
        r = np.random.Generator(np.random.SFC64(seed))
        x = r.standard_normal((paths // 2, 64))
        for n in range(steps):
            e = x @ transposed
            e *= g[n]; e += l[n]; e -= e.max(1, keepdims=True)
            np.exp(e, out=e)
            e *= c1[n] / e.sum(1, keepdims=True)
            x = c0[n] * x + e @ rows + c2[n] * r.standard_normal(x.shape)
        return x

    def run():
        with threadpoolctl.threadpool_limits(1), ThreadPoolExecutor(2) as pool:
            list(pool.map(half, range(2)))
    measure(paths * steps, "path-steps", run, 3)


def two_devices(function, arguments, split):
    """`function` of `arguments` on two host devices; those marked are halved along their second axis. A mean."""
    import jax
    from jax.sharding import NamedSharding, PartitionSpec as P
    mesh = jax.make_mesh((2,), ("d",))
    specs = tuple(P(None, "d") if s else P() for s in split)
    placed = [jax.device_put(a, NamedSharding(mesh, s)) for a, s in zip(arguments, specs)]
    inner = lambda *a: jax.lax.pmean(function(*a), "d")
    run = jax.jit(jax.shard_map(inner, mesh=mesh, in_specs=specs, out_specs=P(), check_vma=False))
    return lambda: jax.block_until_ready(run(*placed))


def p5(network, paths=1024, steps=100, nodes=10, centres=14):
    """The mean over replayed noise of sum 1/2 |u|^2 - log p(end), and its gradient."""
    import jax, jax.numpy as jnp
    r = np.random.default_rng(0)
    t = 1.0 - np.arange(steps) / steps * 0.999
    alpha, variance = moments(t)
    dt, b = 0.999 / steps, beta(t)
    # Whitening by the moments of two wells at (-1, 0) and (1, 0), variances 0.1 and 0.25.
    scale = np.sqrt(np.stack([alpha ** 2 * 1.1, alpha ** 2 * 0.25], 1) + variance[:, None])
    place = (1.0 - t) * (nodes - 1)
    left = np.minimum(place.astype(int), nodes - 2)
    where = tuple(map(jnp.asarray, (b, scale, left, place - left, t)))
    noise = jnp.asarray(r.standard_normal((steps, paths, 2)))
    start = jnp.asarray(r.standard_normal((1, paths, 2)))
    c, w = jnp.asarray(r.standard_normal((centres, 2))), jnp.asarray(r.uniform(0.5, 1.0, centres))

    def radial(theta, xi, left, share, _):
        a = (1.0 - share) * theta[left] + share * theta[left + 1]
        delta = xi[:, None, :] - c
        h = jnp.exp(-0.5 * (delta ** 2).sum(2) / w ** 2)
        return a[:2] + xi @ a[2:6].reshape(2, 2) - jnp.einsum("nk,nkj->nj", h * (a[6:] / w), delta)

    def layers(theta, xi, left, share, t):
        w1, b1, w2, b2, w3, b3 = theta
        h = jnp.tanh(xi @ w1[:2] + t * w1[2] + b1)
        return jnp.tanh(h @ w2 + b2) @ w3 + b3 - xi
    field = layers if network else radial

    def action(theta, start, noise):
        def body(carry, at):
            x, cost = carry
            (b, scale, left, share, t), z = at
            u = jnp.sqrt(b) * field(theta, x / scale, left, share, t) / scale
            x = x + dt * (0.5 * b * x + jnp.sqrt(b) * u) + jnp.sqrt(b * dt) * z
            return (x, cost + 0.5 * dt * (u ** 2).sum(1)), None
        (x, cost), _ = jax.lax.scan(body, (start[0], jnp.zeros(start.shape[1])), (where, noise))
        wells = jnp.array([[-1.0, 0.0], [1.0, 0.0]])
        logs = -0.5 * ((x[:, None, :] - wells) ** 2 / jnp.array([0.1, 0.25])).sum(2)
        return (cost - jax.nn.logsumexp(logs, axis=1)).mean()

    if network:
        draw = lambda i, o: jnp.asarray(r.standard_normal((i, o)) / np.sqrt(i))
        theta = (draw(3, 64), jnp.zeros(64), draw(64, 64), jnp.zeros(64), jnp.zeros((64, 2)), jnp.zeros(2))
    else:
        theta = jnp.asarray(0.1 * r.standard_normal((nodes, 6 + centres)))
    run = two_devices(jax.value_and_grad(action), (theta, start, noise), (False, True, True))
    measure(1, "gradients", run, 30)


def p6_data(nodes=8, points=12_500, centres=1000):
    """Whitened points, targets and features of every node; the spacing of the centres is that of a mixture's draws."""
    r = np.random.default_rng(0)
    c = r.standard_normal((centres, 2)) * 1.2
    w = np.full(centres, 0.15)
    return c, w, [(r.standard_normal((points, 2)), r.standard_normal((points, 2))) for _ in range(nodes)]


def p6_numpy():
    from scipy.linalg import cho_factor, cho_solve, lapack
    c, w, data = p6_data()

    def run():
        for x, y in data:
            a = np.empty((2, x.shape[0], len(w)))
            delta = [x[:, j, None] - c[:, j] for j in range(2)]
            h = np.exp((delta[0] ** 2 + delta[1] ** 2) * (-0.5 / w ** 2)) / w
            for j in range(2):
                np.multiply(h, delta[j], out=a[j])
            a = a.reshape(-1, len(w))
            gram = a.T @ a
            norm = np.abs(gram).sum(0).max()
            gram[np.diag_indices_from(gram)] += 1e-8 * np.trace(gram) / len(w)
            factor = cho_factor(gram)
            cho_solve(factor, a.T @ y.T.ravel())
            lapack.dpocon(factor[0], norm)
    measure(1, "fits", run, 2)


def p6_jax():
    import jax, jax.numpy as jnp
    c, w, data = p6_data()
    c, w = jnp.asarray(c), jnp.asarray(w)

    @jax.jit
    def fit(x, y):
        delta = x.T[:, :, None] - c.T[:, None, :]
        a = (jnp.exp((delta ** 2).sum(0) * (-0.5 / w ** 2)) / w * delta).reshape(-1, len(w))
        gram = a.T @ a
        gram = gram + 1e-8 * jnp.trace(gram) / len(w) * jnp.eye(len(w))
        return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(gram), a.T @ y.T.ravel())
    data = [(jnp.asarray(x), jnp.asarray(y)) for x, y in data]
    measure(1, "fits", lambda: [fit(x, y).block_until_ready() for x, y in data], 2)


PEERS = {
    ("p1", "numba"): lambda: numba_blocks(simulator(), grid(), 0.1, 100_000, 500, 128),
    ("p1", "jax"): lambda: jax_paths(grid(), 0.1, 100_000, 500, 1000),
    ("p2", "numba"): lambda: numba_blocks(simulator(), hadamard(), 0.25, 20_000, 200, 64),
    ("p2", "jax"): lambda: jax_paths(hadamard(), 0.25, 20_000, 200, 500),
    ("p3", "diffrax"): p3_diffrax,
    ("p4", "numpy"): p4_numpy,
    ("p4", "jax"): lambda: jax_paths(digits(), 0.1, 512, 200, 64),
    ("p5", "jax"): lambda: p5(False),
    ("p5-network", "jax"): lambda: p5(True),
    ("p6", "numpy"): p6_numpy,
    ("p6", "jax"): p6_jax,
}

if __name__ == "__main__":
    asked = tuple(sys.argv[1:])
    if asked not in PEERS:
        sys.exit(f"{__doc__}\nThere are: {', '.join(' '.join(p) for p in PEERS)}")
    PEERS[asked]()
