// CUDA's words for a C++ compiler, so that a test can run pixels.cu on the processor: one thread after the other.
#define __global__ __attribute__((visibility("default")))
#define __launch_bounds__(...)
struct Index {
    unsigned x, y, z;
};
static thread_local Index threadIdx, blockIdx, blockDim, gridDim;
extern "C" __attribute__((visibility("default"))) void launch(void (*kernel)(const void*), const void* argument,
                                                              unsigned gx, unsigned gy, unsigned gz, unsigned threads) {
    gridDim = {gx, gy, gz};
    blockDim = {threads, 1, 1};
    for (blockIdx.z = 0; blockIdx.z < gz; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < gy; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < gx; ++blockIdx.x)
                for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) kernel(argument);
}
