// The GPU's kernels: one thread for a pixel, no shared memory, no barriers. NVRTC compiles this file with pixels.h in
// place of the line below, without contraction (--fmad=false). A test builds it for the processor too, through a header
// that stands in for CUDA's words.
//
// Blocks of threads: (columns, rows, jobs) of a batch; a job with fewer pixels than the largest leaves threads idle.
#include "pixels.h"

// Bytes that a batch brought to the GPU, and where they stay. Both ends are multiples of 16.
struct Move {
    const void* from;
    void* to;
    i64 bytes;
};
struct Sixteen {
    u64 low, high;
};
extern "C" __global__ void lt_place(const Move* moves) {
    const Move& move = moves[blockIdx.y];
    const Sixteen* from = (const Sixteen*)move.from;
    Sixteen* to = (Sixteen*)move.to;
    i64 count = (move.bytes + 15) / 16, step = (i64)gridDim.x * blockDim.x;
    for (i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += step) to[at] = from[at];
}

// Products and sums as pixels.h writes them, for the check that a build does not contract them.
struct Check {
    const f64 *a, *b, *c;
    f64* out;
    i64 count;
};
extern "C" __global__ void lt_check(const Check* check) {
    i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < check->count) check->out[at] = plus(check->c[at], check->a[at], check->b[at]);
}

#define LT_PIXEL                                                 \
    const Job& job = jobs[blockIdx.z];                           \
    int y = (int)blockIdx.y;                                     \
    int x = (int)(blockIdx.x * blockDim.x + threadIdx.x);        \
    if (y >= height_of(job) || x >= width_of(job)) return;

LT_FN int height_of(const Job& job) { return job.mesh ? job.mesh->height : job.rows->pixels; }
LT_FN int width_of(const Job& job) { return job.mesh ? job.mesh->width : job.cols->pixels; }

// 8 blocks of 128 threads: at most 64 registers a thread, and as many as that, so that none is spilled.
#define LT_ENTRY(NAME, T, CALL)                                                               \
    extern "C" __global__ void __launch_bounds__(128, 8) lt_##NAME##_##T(const Job* jobs) {      \
        LT_PIXEL                                                                              \
        CALL;                                                                                 \
    }
#define LT_ENTRIES(T)                                               \
    LT_ENTRY(nearest, T, nearest_pixel<T>(job, y, x))               \
    LT_ENTRY(rows_first, T, mean_pixel<T>(job, y, x))               \
    LT_ENTRY(mode, T, mode_pixel<T>(job, y, x))                     \
    LT_ENTRY(mesh_nearest, T, mesh_nearest_pixel<T>(job, y, x))     \
    LT_ENTRY(mesh_mean, T, mesh_mean_pixel<T>(job, y, x))           \
    LT_ENTRY(mesh_mode, T, mesh_mode_pixel<T>(job, y, x))
// Types are compiled one by one, when they are needed; without a choice, all.
#define LT_ENTRIES_OF(T) LT_ENTRIES(T)
#define LT_COLS_FIRST_OF(T) LT_ENTRY(cols_first, T, mean_pixel_cols_first<T>(job, y, x))
#ifdef LT_TYPE
LT_ENTRIES_OF(LT_TYPE)
#ifdef LT_IS_FLOAT  // sums of integers are exact in any order
LT_COLS_FIRST_OF(LT_TYPE)
#endif
#else
LT_ENTRIES(i8)
LT_ENTRIES(u8)
LT_ENTRIES(i16)
LT_ENTRIES(u16)
LT_ENTRIES(f32)
LT_ENTRIES(f64)
LT_COLS_FIRST_OF(f32)
LT_COLS_FIRST_OF(f64)
#endif
