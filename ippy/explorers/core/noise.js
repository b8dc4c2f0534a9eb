// Gaussian noise: torch's own numbers, seed for seed, so that a page shows a chapter's noise.

// The Mersenne Twister of Matsumoto and Nishimura (1998), as torch's CPU generator seeds it.
function twister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let n = 1; n < 624; n++) {
    const before = state[n - 1] ^ (state[n - 1] >>> 30);
    state[n] = Math.imul(1812433253, before) + n;
  }
  let at = 624;
  return () => {
    if (at === 624) {
      for (let n = 0; n < 624; n++) {
        const y = (state[n] & 0x80000000) | (state[(n + 1) % 624] & 0x7fffffff);
        state[n] = state[(n + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

// n ~ N(0, 1), the numbers that torch.randn(count, generator=manual_seed(seed)) draws on a CPU:
// uniform numbers of 24 bits, in blocks of 16 turned into normal ones by Box and Muller's formula.
function randn(count, seed) {
  const random = twister(seed);
  const uniform = () => (random() & 0xffffff) / 0x1000000;
  const n = new Float32Array(Math.max(16, count));
  const turn = (from) => {
    for (let j = from; j < from + 8; j++) {
      const radius = Math.sqrt(-2 * Math.log(1 - n[j]));
      const angle = 2 * Math.PI * n[j + 8];
      n[j] = radius * Math.cos(angle);
      n[j + 8] = radius * Math.sin(angle);
    }
  };
  for (let j = 0; j < n.length; j++) n[j] = uniform();
  for (let j = 0; j + 16 <= n.length; j += 16) turn(j);
  if (n.length % 16) {
    for (let j = n.length - 16; j < n.length; j++) n[j] = uniform();
    turn(n.length - 16);
  }
  return n.subarray(0, count);
}

// e = level · ‖y‖ · n / ‖n‖: see `ippy.noise.gaussian_noise`, whose noise it is, seed for seed.
function gaussianNoise(y, level, seed) {
  const n = randn(y.data.length, seed);
  const scale = (level * norm(y)) / norm({ data: n });
  return like(y, n.map((value) => value * scale));
}

Object.assign(core, { randn, gaussianNoise });
