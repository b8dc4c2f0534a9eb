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

// What follows is Winograd's F(2×2, 3×3): a tile of 2×2 outputs of a 3×3 kernel, which depends on
// 4×4 inputs, costs 16 multiplications in place of 36. Both are taken to another basis, in which
// the convolution is a product of numbers; the changes of basis need additions only.
// Lavin, Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.

enum { PLACES = 16, TILES = 16 }; // numbers of a tile; tiles side by side that are done at once

static inline four evens(four a, four b) { return __builtin_shufflevector(a, b, 0, 2, 4, 6); }
static inline four odds(four a, four b) { return __builtin_shufflevector(a, b, 1, 3, 5, 7); }
static inline four next(four a, four b) { return __builtin_shufflevector(a, b, 1, 2, 3, 4); }

// v[place][c][tile] for TILES tiles whose upper left input is at `x`.
static void transform_inputs(const planes x, const float *corner, float *v) {
    const int step = x.channels * TILES;
    for (int c = 0; c < x.channels; c++, corner += x.plane) {
        for (int tile = 0; tile < TILES; tile += 4) {
            four d[4][4]; // d[i][j]: the inputs (i, j) of four tiles
            UNROLL for (int i = 0; i < 4; i++) {
                const float *p = corner + i * x.stride + 2 * tile;
                const four a = load(p), b = load(p + 4), c = load(p + 8);
                d[i][0] = evens(a, b);
                d[i][1] = odds(a, b);
                d[i][2] = next(d[i][0], evens(c, c));
                d[i][3] = next(d[i][1], odds(c, c));
            }
            four e[4][4];
            UNROLL for (int j = 0; j < 4; j++) {
                e[0][j] = d[0][j] - d[2][j];
                e[1][j] = d[1][j] + d[2][j];
                e[2][j] = d[2][j] - d[1][j];
                e[3][j] = d[1][j] - d[3][j];
            }
            float *to = v + c * TILES + tile;
            UNROLL for (int i = 0; i < 4; i++) {
                store(to + (4 * i + 0) * step, e[i][0] - e[i][2]);
                store(to + (4 * i + 1) * step, e[i][1] + e[i][2]);
                store(to + (4 * i + 2) * step, e[i][2] - e[i][1]);
                store(to + (4 * i + 3) * step, e[i][1] - e[i][3]);
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
                UNROLL for (int b = 0; b < BLOCK; b++) sum[b][0] = sum[b][1] = all(0);
                const float *w = u, *from = v + tile;
                for (int c = 0; c < in; c++, w += BLOCK, from += TILES) {
                    const four left = load(from), right = load(from + 4);
                    UNROLL for (int b = 0; b < BLOCK; b++) {
                        const four weight = all(w[b]);
                        sum[b][0] = multiply_add(left, weight, sum[b][0]);
                        sum[b][1] = multiply_add(right, weight, sum[b][1]);
                    }
                }
                UNROLL for (int b = 0; b < BLOCK; b++) {
                    store(m + b * TILES + tile, sum[b][0]);
                    store(m + b * TILES + tile + 4, sum[b][1]);
                }
            }
        }
        v += in * TILES;
    }
}

// Back from the other basis: 2×2 outputs of each tile, with bias and ReLU, from m.
static void transform_outputs(const float *m, const float *bias, const planes y, float *corner,
                              int tiles, int relu) {
    const int step = y.channels * TILES;
    for (int o = 0; o < y.channels; o++, corner += y.plane) {
        for (int tile = 0; tile < tiles; tile += 4) {
            const float *from = m + o * TILES + tile;
            four s[2][4];
            UNROLL for (int j = 0; j < 4; j++) {
                const four a = load(from + j * step), b = load(from + (4 + j) * step),
                           c = load(from + (8 + j) * step), d = load(from + (12 + j) * step);
                s[0][j] = a + b + c;
                s[1][j] = b - c - d;
            }
            UNROLL for (int i = 0; i < 2; i++) {
                four left = s[i][0] + s[i][1] + s[i][2] + all(bias[o]);
                four right = s[i][1] - s[i][2] - s[i][3] + all(bias[o]);
                if (relu) left = at_least_zero(left), right = at_least_zero(right);
                float *to = corner + i * y.stride + 2 * tile;
                store(to, __builtin_shufflevector(left, right, 0, 4, 1, 5));
                store(to + 4, __builtin_shufflevector(left, right, 2, 6, 3, 7));
            }
        }
    }
}

// As `convolve` for 3×3 kernels and a multiple of BLOCK output channels, with the weights in the
// other basis: u[place][block of o][c][o]. `scratch` holds PLACES · TILES · (in + out) floats.
EXPORT("convolve3")
void convolve3(float *x_data, int in, int x_stride, int x_plane, const float *u, const float *bias,
               float *y_data, int out, int y_stride, int y_plane, int height, int width, int relu,
               float *scratch) {
    const planes x = {x_data, in, x_stride, x_plane}, y = {y_data, out, y_stride, y_plane};
    float *v = scratch, *m = scratch + PLACES * TILES * in;
    for (int i = 0; i < height; i += 2) {
        for (int j = 0; j < width; j += 2 * TILES) {
            const int left = (width - j + 1) / 2, tiles = left < TILES ? left : TILES;
            transform_inputs(x, x_data + i * x_stride + j, v);
            multiply(u, v, m, in, out);
            transform_outputs(m, bias, y, y_data + i * y_stride + j, tiles, relu);
        }
    }
}
