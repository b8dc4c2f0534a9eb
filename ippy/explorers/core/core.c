// The convolutions of core.js, four numbers at a time, for WebAssembly's 128-bit vectors.
//
// A picture of several channels lies in memory as planes: the pixel (c, i, j) is the float
// x[c * plane + i * stride + j]. A row is longer than the picture is wide, so that a vector may
// reach past its end: what is read or written there is never used. Built by build_wasm.py, which
// says how; core.js holds the same two functions in plain JavaScript.

#include <stdint.h>
#include <wasm_simd128.h>

typedef float four __attribute__((vector_size(16)));

#define EXPORT(name) __attribute__((export_name(name)))
#define UNROLL _Pragma("clang loop unroll(full)")

// Weights are shared out in blocks of this many output channels; a rest is computed one by one.
enum { BLOCK = 4 };

static inline four load(const float *p) { return (four)wasm_v128_load(p); }
static inline void store(float *p, four v) { wasm_v128_store(p, (v128_t)v); }
static inline four all(float value) { return (four)wasm_f32x4_splat(value); }
static inline four at_least_zero(four v) { return (four)wasm_f32x4_max((v128_t)v, (v128_t)all(0)); }

// a * b + c; one instruction where the browser has relaxed SIMD, two where it has not.
static inline four multiply_add(four a, four b, four c) {
#ifdef __wasm_relaxed_simd__
    return (four)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c);
#else
    return a * b + c;
#endif
}

typedef struct {
    float *data;
    int32_t channels, stride, plane;
} planes;

// `outputs` channels of `vectors` neighbouring vectors, all of them in registers until the end.
// The compiler makes one copy of this for each pair of numbers it is called with.
static inline __attribute__((always_inline)) void tile(
    const int outputs, const int vectors, const planes x, const float *w, const float *bias,
    const planes y, int i, int j, int kh, int kw, int relu) {
    four sum[BLOCK][8];
    UNROLL for (int o = 0; o < outputs; o++)
        UNROLL for (int v = 0; v < vectors; v++) sum[o][v] = all(bias[o]);
    const float *corner = x.data + i * x.stride + j;
    for (int c = 0; c < x.channels; c++, corner += x.plane) {
        const float *row = corner;
        for (int s = 0; s < kh; s++, row += x.stride) {
            for (int t = 0; t < kw; t++, w += outputs) {
                four in[8];
                UNROLL for (int v = 0; v < vectors; v++) in[v] = load(row + t + 4 * v);
                UNROLL for (int o = 0; o < outputs; o++) {
                    const four weight = all(w[o]);
                    UNROLL for (int v = 0; v < vectors; v++)
                        sum[o][v] = multiply_add(in[v], weight, sum[o][v]);
                }
            }
        }
    }
    UNROLL for (int o = 0; o < outputs; o++)
        UNROLL for (int v = 0; v < vectors; v++)
            store(y.data + o * y.plane + i * y.stride + j + 4 * v,
                  relu ? at_least_zero(sum[o][v]) : sum[o][v]);
}

// y[o, i, j] = bias[o] + Σ w[o, c, s, t] x[c, i + s, j + t], then max(0, ·) if `relu`.
// `w` is in blocks of BLOCK output channels, in each of them (c, s, t, o); the rest (o, c, s, t).
EXPORT("convolve")
void convolve(float *x_data, int in, int x_stride, int x_plane, const float *w, const float *bias,
              float *y_data, int out, int y_stride, int y_plane, int height, int width, int kh,
              int kw, int relu) {
    const planes x = {x_data, in, x_stride, x_plane};
    const int taps = in * kh * kw;
    for (int i = 0; i < height; i++) {
        for (int j = 0; j < width; j += 8) {
            int o = 0;
            for (; o + BLOCK <= out; o += BLOCK) {
                const planes y = {y_data + o * y_plane, BLOCK, y_stride, y_plane};
                tile(BLOCK, 2, x, w + o * taps, bias + o, y, i, j, kh, kw, relu);
            }
            if (o < out && j % 32 == 0)
                for (; o < out; o++) {
                    const planes y = {y_data + o * y_plane, 1, y_stride, y_plane};
                    tile(1, 8, x, w + o * taps, bias + o, y, i, j, kh, kw, relu);
                }
        }
    }
}

// What follows is Winograd's F(4×4, 3×3): a tile of 4×4 outputs of a 3×3 kernel, which depends on
// 6×6 inputs, costs 36 multiplications in place of 144. Outputs, kernel and inputs are polynomials,
// of which the values at the points 0, ±a, ±b and ∞ are taken, along rows and columns; there the
// convolution is a product of numbers. These a and b lose the fewest digits: 1e-6 of the largest.
// Lavin, Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; the points: Barabasz
// et al., "Error analysis and improving the accuracy of Winograd convolution", ACM TOMS 46(4), 2020.

enum {
    PLACES = 36, // numbers of a tile
    TILES = 16,  // tiles side by side that are done at once
    GAP = 16,    // floats between places, lest all of them fall into the same lines of the cache
};

static const float a = 0.75f, b = 1.5f;
static const float a2 = a * a, b2 = b * b, a3 = a * a * a, b3 = b * b * b;

// Four vectors of four become the vectors of their first, second, third and fourth numbers.
static inline void transpose(four v[4]) {
    const four p = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
    const four q = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
    const four r = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
    const four s = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
    v[0] = __builtin_shufflevector(p, r, 0, 1, 4, 5);
    v[1] = __builtin_shufflevector(p, r, 2, 3, 6, 7);
    v[2] = __builtin_shufflevector(q, s, 0, 1, 4, 5);
    v[3] = __builtin_shufflevector(q, s, 2, 3, 6, 7);
}

// Six inputs in a line to their values at 0, a, −a, b, −b, ∞, each times a constant factor.
static inline void to_values(const four d[6], four v[6]) {
    const four even_a = multiply_add(d[2], all(-b2), d[4]);
    const four odd_a = multiply_add(d[1], all(-b2), d[3]) * all(a);
    const four even_b = multiply_add(d[2], all(-a2), d[4]);
    const four odd_b = multiply_add(d[1], all(-a2), d[3]) * all(b);
    v[0] = multiply_add(d[0], all(a2 * b2), multiply_add(d[2], all(-a2 - b2), d[4]));
    v[1] = even_a + odd_a;
    v[2] = even_a - odd_a;
    v[3] = even_b + odd_b;
    v[4] = even_b - odd_b;
    v[5] = multiply_add(d[1], all(a2 * b2), multiply_add(d[3], all(-a2 - b2), d[5]));
}

// Values at 0, a, −a, b, −b, ∞ to four outputs in a line.
static inline void to_outputs(const four m[6], four y[4]) {
    const four even_a = m[1] + m[2], odd_a = m[1] - m[2];
    const four even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = multiply_add(odd_a, all(a), odd_b * all(b));
    y[2] = multiply_add(even_a, all(a2), even_b * all(b2));
    y[3] = multiply_add(odd_a, all(a3), multiply_add(odd_b, all(b3), m[5]));
}

// v[place][c][tile] for TILES tiles whose upper left input is at `corner`.
static void transform_inputs(const planes x, const float *corner, float *v) {
    const int step = x.channels * TILES + GAP;
    for (int c = 0; c < x.channels; c++, corner += x.plane) {
        for (int tile = 0; tile < TILES; tile += 4) {
            four d[6][6], e[6][6]; // of four tiles: by column and row, then transformed along rows
            UNROLL for (int i = 0; i < 6; i++) {
                const float *p = corner + i * x.stride + 4 * tile;
                four in[4] = {load(p), load(p + 4), load(p + 8), load(p + 12)};
                const four last = load(p + 16);
                transpose(in);
                const four line[6] = {
                    in[0], in[1], in[2], in[3],
                    __builtin_shufflevector(in[0], last, 1, 2, 3, 4),
                    __builtin_shufflevector(in[1], last, 1, 2, 3, 5),
                };
                to_values(line, d[i]);
            }
            float *to = v + c * TILES + tile;
            UNROLL for (int j = 0; j < 6; j++) {
                const four line[6] = {d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j]};
                to_values(line, e[j]);
                UNROLL for (int i = 0; i < 6; i++) store(to + (6 * i + j) * step, e[j][i]);
            }
        }
    }
}

// m[place][o][tile] = Σ u[place][o][c] v[place][c][tile]; `u` in blocks as the weights above.
static void multiply(const float *u, const float *v, float *m, int in, int out) {
    for (int place = 0; place < PLACES; place++) {
        for (int o = 0; o < out; o += BLOCK, u += BLOCK * in, m += BLOCK * TILES) {
            for (int tile = 0; tile < TILES; tile += 8) {
                four sum[BLOCK][2];
                UNROLL for (int n = 0; n < BLOCK; n++) sum[n][0] = sum[n][1] = all(0);
                const float *w = u, *from = v + tile;
                for (int c = 0; c < in; c++, w += BLOCK, from += TILES) {
                    const four left = load(from), right = load(from + 4);
                    UNROLL for (int n = 0; n < BLOCK; n++) {
                        const four weight = all(w[n]);
                        sum[n][0] = multiply_add(left, weight, sum[n][0]);
                        sum[n][1] = multiply_add(right, weight, sum[n][1]);
                    }
                }
                UNROLL for (int n = 0; n < BLOCK; n++) {
                    store(m + n * TILES + tile, sum[n][0]);
                    store(m + n * TILES + tile + 4, sum[n][1]);
                }
            }
        }
        v += in * TILES + GAP;
        m += GAP;
    }
}

// From the values back to 4×4 outputs of each tile, with bias and ReLU.
static void transform_outputs(const float *m, const float *bias, const planes y, float *corner,
                              int tiles, int relu) {
    const int step = y.channels * TILES + GAP;
    for (int o = 0; o < y.channels; o++, corner += y.plane) {
        for (int tile = 0; tile < tiles; tile += 4) {
            const float *from = m + o * TILES + tile;
            four s[6][4];
            UNROLL for (int j = 0; j < 6; j++) {
                four line[6];
                UNROLL for (int i = 0; i < 6; i++) line[i] = load(from + (6 * i + j) * step);
                to_outputs(line, s[j]);
            }
            UNROLL for (int i = 0; i < 4; i++) {
                const four line[6] = {s[0][i], s[1][i], s[2][i], s[3][i], s[4][i], s[5][i]};
                four out[4];
                to_outputs(line, out);
                transpose(out);
                float *to = corner + i * y.stride + 4 * tile;
                UNROLL for (int n = 0; n < 4; n++) {
                    const four sum = out[n] + all(bias[o]);
                    store(to + 4 * n, relu ? at_least_zero(sum) : sum);
                }
            }
        }
    }
}

// As `convolve` for 3×3 kernels and a multiple of BLOCK output channels, with the weights as values
// at the points: u[place][block of o][c][o]. `scratch` holds PLACES · (TILES · (in + out) + 2 · GAP)
// floats.
EXPORT("convolve3")
void convolve3(float *x_data, int in, int x_stride, int x_plane, const float *u, const float *bias,
               float *y_data, int out, int y_stride, int y_plane, int height, int width, int relu,
               float *scratch) {
    const planes x = {x_data, in, x_stride, x_plane}, y = {y_data, out, y_stride, y_plane};
    float *v = scratch, *m = scratch + PLACES * (TILES * in + GAP);
    for (int i = 0; i < height; i += 4) {
        for (int j = 0; j < width; j += 4 * TILES) {
            const int left = (width - j + 3) / 4, tiles = left < TILES ? left : TILES;
            transform_inputs(x, x_data + i * x_stride + j, v);
            multiply(u, v, m, in, out);
            transform_outputs(m, bias, y, y_data + i * y_stride + j, tiles, relu);
        }
    }
}
