// The GPU's entry points. NVRTC compiles this file with pixels.h beside it and --fmad=false, so that nothing contracts.
// Each takes an array of jobs, all of one type and one method; every pointer in them is one of the device's.
#include "pixels.h"

// Axes: grid (rows of pixels, jobs), one block for a row. Means need 16 bytes of shared memory for each wanted column.
template <class T> LT_FN void nearest_block(const Job& job) {
    int y = blockIdx.x;
    if (y < job.rows->pixels) nearest_row<T>(job, y);
}
template <class T> LT_FN void mean_block(const Job& job, char* shared) {
    int y = blockIdx.x;
    if (y >= job.rows->pixels) return;
    if constexpr (!Code<T>::IS_EXACT) {
        if (job.cols_first) {
            for LT_EACH(x, job.cols->pixels) mean_pixel_cols_first<T>(job, y, x);
            return;
        }
    }
    i64 row = job.cols->wanted;
    Sum<T>*total = (Sum<T>*)shared, *share = total + row;
    Room<T> room = {total, share, total, share, row};
    mean_rows<T>(job, 0, y, 1, room);
}
template <class T> LT_FN void mode_block(const Job& job) {
    int y = blockIdx.x;
    if (y >= job.rows->pixels) return;
    for LT_EACH(x, job.cols->pixels) mode_pixel<T>(job, y, x);
}
// A mesh: grid (blocks of pixels, jobs), one thread for a pixel.
template <class T> LT_FN void mesh_block(const Job& job) {
    i64 pixel = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    int width = job.mesh->width;
    if (pixel < (i64)width * job.mesh->height) mesh_pixels<T>(job, (int)(pixel / width), (int)(pixel % width), 1);
}

#define LT_KERNEL(name, T) extern "C" __global__ void __launch_bounds__(256) lt_##name##_##T(const Job* jobs)
#define LT_ENTRIES(T)                                                       \
    LT_KERNEL(nearest, T) { nearest_block<T>(jobs[blockIdx.y]); }           \
    LT_KERNEL(mean, T) {                                                    \
        extern __shared__ char shared[];                                    \
        mean_block<T>(jobs[blockIdx.y], shared);                            \
    }                                                                       \
    LT_KERNEL(mode, T) { mode_block<T>(jobs[blockIdx.y]); }                 \
    LT_KERNEL(mesh, T) { mesh_block<T>(jobs[blockIdx.y]); }
LT_ENTRIES(i8)
LT_ENTRIES(u8)
LT_ENTRIES(i16)
LT_ENTRIES(u16)
LT_ENTRIES(f32)
LT_ENTRIES(f64)
