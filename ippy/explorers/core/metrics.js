// PSNR and SSIM.

function psnr(x_hat, x) {
  let sum = 0;
  for (let n = 0; n < x.data.length; n++) sum += (x_hat.data[n] - x.data[n]) ** 2;
  return -10 * Math.log10(sum / x.data.length);
}

// The windows that lie inside a picture, one Gaussian-weighted mean each: along rows, then columns.
function windowMeans(values, height, width, profile) {
  const k = profile.length;
  const [rows, columns] = [height - k + 1, width - k + 1];
  const along = new Float64Array(height * columns);
  for (let i = 0; i < height; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let t = 0; t < k; t++) sum += profile[t] * values[i * width + j + t];
      along[i * columns + j] = sum;
    }
  const means = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let t = 0; t < k; t++)
      for (let j = 0; j < columns; j++)
        means[i * columns + j] += profile[t] * along[(i + t) * columns + j];
  return means;
}

// The structural similarity, 11×11 Gaussian windows of standard deviation 1.5: `ippy.metrics.ssim`.
function ssim(x_hat, x) {
  const { height, width } = x;
  if (Math.min(height, width) < 11)
    throw new Problem(`SSIM needs a picture of at least 11×11 pixels, not ${height}×${width}.`);
  let profile = Array.from({ length: 11 }, (_, n) => Math.exp(-((n - 5) ** 2) / (2 * 1.5 ** 2)));
  const total = profile.reduce((sum, value) => sum + value, 0);
  profile = profile.map((value) => value / total);
  const means = (f) => {
    const values = Float64Array.from(x.data, (value, n) => f(x_hat.data[n], value));
    return windowMeans(values, height, width, profile);
  };
  const a = means((p) => p);
  const b = means((_, q) => q);
  const aa = means((p) => p * p);
  const bb = means((_, q) => q * q);
  const ab = means((p, q) => p * q);
  const [c1, c2] = [0.01 ** 2, 0.03 ** 2];
  let sum = 0;
  for (let n = 0; n < a.length; n++) {
    const variances = Math.max(0, aa[n] - a[n] ** 2) + Math.max(0, bb[n] - b[n] ** 2);
    const covariance = ab[n] - a[n] * b[n];
    sum += ((2 * a[n] * b[n] + c1) * (2 * covariance + c2)) /
      ((a[n] ** 2 + b[n] ** 2 + c1) * (variances + c2));
  }
  return sum / a.length;
}

Object.assign(core, { psnr, ssim });
