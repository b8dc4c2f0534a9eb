// The discrete Fourier transform and the Wiener filter, in double precision.

// In place: the discrete Fourier transform of one line, forward (sign −1) or backward without
// the factor 1/n (sign 1). Powers of two by halving, other lengths by Bluestein's convolution.
function fft(re, im, sign = -1) {
  const n = re.length;
  if (n & (n - 1)) return bluestein(re, im, sign);
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size >> 1;
    for (let k = 0; k < half; k++) {
      const angle = (sign * 2 * Math.PI * k) / size;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      for (let i = k; i < n; i += size) {
        const j = i + half;
        const a = re[j] * cos - im[j] * sin;
        const b = re[j] * sin + im[j] * cos;
        re[j] = re[i] - a;
        im[j] = im[i] - b;
        re[i] += a;
        im[i] += b;
      }
    }
  }
}

function bluestein(re, im, sign) {
  const n = re.length;
  let size = 1;
  while (size < 2 * n - 1) size *= 2;
  const [ar, ai, br, bi] = [0, 1, 2, 3].map(() => new Float64Array(size));
  const turn = (k) => (sign * Math.PI * ((k * k) % (2 * n))) / n;
  for (let k = 0; k < n; k++) {
    const [cos, sin] = [Math.cos(turn(k)), Math.sin(turn(k))];
    ar[k] = re[k] * cos - im[k] * sin;
    ai[k] = re[k] * sin + im[k] * cos;
    br[k] = br[(size - k) % size] = cos;
    bi[k] = bi[(size - k) % size] = -sin;
  }
  fft(ar, ai);
  fft(br, bi);
  for (let k = 0; k < size; k++)
    [ar[k], ai[k]] = [ar[k] * br[k] - ai[k] * bi[k], ar[k] * bi[k] + ai[k] * br[k]];
  fft(ar, ai, 1);
  for (let k = 0; k < n; k++) {
    const [cos, sin] = [Math.cos(turn(k)) / size, Math.sin(turn(k)) / size];
    re[k] = ar[k] * cos - ai[k] * sin;
    im[k] = ar[k] * sin + ai[k] * cos;
  }
}

// In place: rows, then columns, of {height, width, re, im}; backward with its factor 1/(H W).
function fft2(z, sign = -1) {
  const { height, width, re, im } = z;
  for (let i = 0; i < height; i++)
    fft(re.subarray(i * width, (i + 1) * width), im.subarray(i * width, (i + 1) * width), sign);
  const [a, b] = [new Float64Array(height), new Float64Array(height)];
  for (let j = 0; j < width; j++) {
    for (let i = 0; i < height; i++) [a[i], b[i]] = [re[i * width + j], im[i * width + j]];
    fft(a, b, sign);
    const scale = sign === 1 ? height * width : 1;
    for (let i = 0; i < height; i++) {
      re[i * width + j] = a[i] / scale;
      im[i * width + j] = b[i] / scale;
    }
  }
  return z;
}

const complex = (x) => ({
  height: x.height,
  width: x.width,
  re: Float64Array.from(x.data),
  im: new Float64Array(x.data.length),
});

// H, the transform of the kernel with its centre on pixel (0, 0): what a blur does to each wave.
function frequencyResponse(kernelImage, height, width) {
  const z = complex(image(height, width));
  const wrap = (i, n) => ((i % n) + n) % n;
  for (let s = 0; s < kernelImage.height; s++)
    for (let t = 0; t < kernelImage.width; t++) {
      const i = wrap(s - (kernelImage.height >> 1), height);
      const j = wrap(t - (kernelImage.width >> 1), width);
      z.re[i * width + j] += kernelImage.data[s * kernelImage.width + t];
    }
  return fft2(z);
}

// x_hat = F⁻¹( conj(H) / (|H|² + constant) · Fy ): see `ippy.classical.wiener`.
function wiener(y, kernelImage, constant) {
  const H = frequencyResponse(kernelImage, y.height, y.width);
  const z = fft2(complex(y));
  for (let n = 0; n < z.re.length; n++) {
    const power = H.re[n] ** 2 + H.im[n] ** 2 + constant;
    const [a, b] = power > 0 ? [H.re[n] / power, -H.im[n] / power] : [0, 0];
    [z.re[n], z.im[n]] = [z.re[n] * a - z.im[n] * b, z.re[n] * b + z.im[n] * a];
  }
  return like(y, Float32Array.from(fft2(z, 1).re));
}

Object.assign(core, { fft2, frequencyResponse, wiener });
