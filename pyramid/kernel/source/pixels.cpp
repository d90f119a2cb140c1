// The processor's library: one variant for each level of the instruction set. build.py compiles it.
#include "rows.h"
#ifndef LT_SUFFIX
#define LT_SUFFIX(name) name
#endif
#define LT_EXPORT extern "C" __attribute__((visibility("default")))

enum { STOPPED = 1, UNKNOWN = -1 };  // what a call returns besides 0
enum { STRIP_ROWS = 16 };            // between two looks at the flag

#ifdef LT_SINGLE  // what the GPU's threads do, one after the other, for a comparison without a GPU
static i64 scratch_of(const Job&) { return 0; }
template <class T> static void run_pixel(const Job& job, int y, int x) {
    if (job.mesh) {
        if (job.method == NEAREST) mesh_nearest_pixel<T>(job, y, x);
        else if (job.method == MODE) mesh_mode_pixel<T>(job, y, x);
        else mesh_mean_pixel<T>(job, y, x);
    } else if (job.method == NEAREST) nearest_pixel<T>(job, y, x);
    else if (job.method == MODE) mode_pixel<T>(job, y, x);
    else if (!job.cols_first) mean_pixel<T>(job, y, x);
    else if constexpr (!Code<T>::IS_EXACT) mean_pixel_cols_first<T>(job, y, x);
}
template <class T> static i32 run_job(const Job& job, u8*, const volatile i32* stop) {
    int height = job.mesh ? job.mesh->height : job.rows->pixels, width = job.mesh ? job.mesh->width : job.cols->pixels;
    for (int y = 0; y < height; ++y) {
        if (y % STRIP_ROWS == 0 && *stop) return STOPPED;
        for (int x = 0; x < width; ++x) run_pixel<T>(job, y, x);
    }
    return 0;
}
#else
// Of cells of a line: 0 if all are data, 1 if some, 3 if none.
template <class T> static u8 gap_of(const T* line, const i32* cell, i32 count, const NoData& nodata) {
    bool all = true, any = false;
    for (i32 c = 0; c < count; ++c) {
        bool ok = is_mixed<true>(line[cell ? cell[c] : c], nodata);
        all &= ok;
        any |= ok;
    }
    return all ? 0 : any ? 1 : 3;
}
// The same for integers of which a range is data: a difference, a maximum and a minimum, 16 or 32 at a time.
template <class U, class T> static u8 gap_of_range(const T* line, i32 count, const NoData& nodata) {
    U low = (U)nodata.low, span = (U)(nodata.high - nodata.low), most = 0, least = (U)-1;
    for (i32 c = 0; c < count; ++c) {
        U above = (U)((U)line[c] - low);
        most = above > most ? above : most;
        least = above < least ? above : least;
    }
    return most <= span ? 0 : least <= span ? 1 : 3;
}
template <class T> static void find_gaps(const Job& job, u8* gap) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    for (i32 r = 0; r < rows.wanted; ++r) {
        u8 some = 0, all = 3;
        for (i32 k = 0; k < cols.runs; ++k) {
            const T* line = line_of<T>(job, r, k);
            const Run& run = cols.run[k];
            u8 is;
            if (!run.is_contiguous) is = gap_of(line, cols.cell + run.first, run.count, *job.nodata);
            else if constexpr (!Code<T>::IS_EXACT) is = gap_of(line + run.cell, (const i32*)0, run.count, *job.nodata);
            else if (job.nodata->count) is = gap_of(line + run.cell, (const i32*)0, run.count, *job.nodata);
            else is = gap_of_range<typename Code<T>::Pattern>(line + run.cell, run.count, *job.nodata);
            some |= is;
            all &= is;
        }
        gap[r] = all == 3 ? 3 : some ? 1 : 0;
    }
}

// ---- Scratch memory, which the caller passes in: musl's and macOS's threads have small stacks. ----

static i64 padded(i64 count) { return (count + 63) / 64 * 64; }
static i64 sums_row(const Job& job) {
    return padded(job.rows ? (job.cols->wanted > job.cols->padded ? job.cols->wanted : job.cols->padded) : 0);
}
static i64 scratch_of(const Job& job) {
    if (job.mesh || job.method == NEAREST) return 0;
    i64 row = sums_row(job), lines = 4 * ROWS;
    if (job.method == MODE) lines = KEPT_ROWS * job.cols->taps + 1;
    else if (job.type >= F32 && job.cols_first) lines = 2 * KEPT_ROWS + 4;
    return lines * row * (i64)sizeof(f64) + padded(job.rows->wanted);
}

// ---- Blocks ----

template <class T> static i32 run_means(const Job& job, u8* scratch, const volatile i32* stop) {
    i64 row = sums_row(job);
    f64* sums = (f64*)scratch;
    if (!Code<T>::IS_EXACT && job.cols_first) {
        Ring ring = {sums, sums + row, sums + 2 * row, sums + (KEPT_ROWS + 3) * row, row, {}};
        for (int i = 0; i < KEPT_ROWS; ++i) ring.held[i] = -1;
        for (int y = 0; y < job.rows->pixels; ++y) {
            if (y % STRIP_ROWS == 0 && *stop) return STOPPED;
            if constexpr (!Code<T>::IS_EXACT) mean_row_cols_first<T>(job, y, ring);
        }
        return 0;
    }
    Sum<T>* at = (Sum<T>*)scratch;
    i64 block = ROWS * row;
    Room<T> room = {at, at + block, at + 2 * block, at + 3 * block, row};
    u8* gap = scratch + 4 * block * (i64)sizeof(f64);
    find_gaps<T>(job, gap);
    for (int y = 0; y < job.rows->pixels; y += ROWS) {
        if (y % STRIP_ROWS == 0 && *stop) return STOPPED;
        int left = job.rows->pixels - y;
        mean_rows<T>(job, gap, y, left < ROWS ? left : (int)ROWS, room);
    }
    return 0;
}
template <class T> static i32 run_modes(const Job& job, u8* scratch, const volatile i32* stop) {
    i64 row = sums_row(job);
    Keys keys = {(f64*)scratch, (f64*)scratch + row, row, {}};
    for (int i = 0; i < KEPT_ROWS; ++i) keys.held[i] = -1;
    for (int y = 0; y < job.rows->pixels; ++y) {
        if (y % STRIP_ROWS == 0 && *stop) return STOPPED;
        mode_row<T>(job, y, keys);
    }
    return 0;
}
template <class T> static i32 run_nearest(const Job& job, const volatile i32* stop) {
    const Axis& rows = *job.rows;
    u64 bytes = (u64)job.cols->pixels * (job.output->kind == VALUE ? 8 : job.output->kind == INDEX16 ? 2 : 1);
    u64 stride = (u64)job.stride * (job.output->kind == VALUE ? 8 : job.output->kind == INDEX16 ? 2 : 1);
    for (int y = 0; y < rows.pixels; ++y) {
        if (y % STRIP_ROWS == 0 && *stop) return STOPPED;
        u8* line = (u8*)job.out + y * stride;
        if (y && rows.cell[y] == rows.cell[y - 1] && rows.run_of[y] == rows.run_of[y - 1])
            __builtin_memcpy(line, line - stride, bytes);
        else nearest_row<T>(job, y);
    }
    return 0;
}
template <class T> static i32 run_mesh(const Job& job, const volatile i32* stop) {
    const Mesh& mesh = *job.mesh;
    for (int y = 0; y < mesh.height; ++y) {
        if (y % STRIP_ROWS == 0 && *stop) return STOPPED;
        for (int x = 0; x < mesh.width; x += LANES) {
            int left = mesh.width - x;
            mesh_pixels<T>(job, y, x, left < LANES ? left : (int)LANES);
        }
    }
    return 0;
}
template <class T> static i32 run_job(const Job& job, u8* scratch, const volatile i32* stop) {
    if (job.mesh) return run_mesh<T>(job, stop);
    if (job.method == NEAREST) return run_nearest<T>(job, stop);
    if (job.method == MODE) return run_modes<T>(job, scratch, stop);
    return run_means<T>(job, scratch, stop);
}
#endif

// Means of blocks of four integers of 8 or 16 bits. Of RUN blocks mostly all cells are data, or none is: the smallest and
// largest code tell. All others are left to mean_of_cells.
enum { RUN = 64 };
template <class T, bool HAS_LIST>
static void halve_run(const T* top, const T* bottom, i32 length, const NoData& nodata, const T* fill, T* out) {
    T least = top[0], most = top[0];
    for (i32 i = 0; i < 2 * length; ++i) {
        T low = top[i] < bottom[i] ? top[i] : bottom[i], high = top[i] < bottom[i] ? bottom[i] : top[i];
        least = low < least ? low : least;
        most = high > most ? high : most;
    }
    bool all = (least >= nodata.low) & (most <= nodata.high);
    bool none = (most < nodata.low) | (least > nodata.high) | ((least == most) & !is_data<HAS_LIST>(least, nodata));
    if (HAS_LIST) for (i32 k = 0; k < nodata.count; ++k) {
        i32 missing = nodata.missing[k];
        if ((missing < least) | (missing > most)) continue;
        i32 found = 0;
        for (i32 i = 0; i < 2 * length; ++i) found |= (top[i] == missing) | (bottom[i] == missing);
        all &= !found;
    }
    if (all) {
        for (i32 x = 0; x < length; ++x) {
            i32 total = top[2 * x] + top[2 * x + 1] + bottom[2 * x] + bottom[2 * x + 1];
            out[x] = (T)((total + 1 + ((total >> 2) & 1)) >> 2);  // exactly the halves of odd quotients carry
        }
    } else if (none && fill) {
        for (i32 x = 0; x < length; ++x) out[x] = *fill;
    } else {
        for (i32 x = 0; x < length; ++x) {
            T cells[4] = {top[2 * x], top[2 * x + 1], bottom[2 * x], bottom[2 * x + 1]};
            out[x] = mean_of_cells<T, HAS_LIST>(cells, 4, nodata, fill ? *fill : cells[0]);
        }
    }
}
// One row of the next coarser level, of one or two rows of cells.
template <class T, bool HAS_LIST>
static void halve_row(const T* top, const T* bottom, i64 cols, const NoData& nodata, const T* fill, T* out) {
    i64 whole = cols / 2;
    if (bottom) {
        if constexpr (Code<T>::IS_EXACT) {
            for (i64 x = 0; x < whole; x += RUN) {
                i32 length = whole - x < RUN ? (i32)(whole - x) : (i32)RUN;
                halve_run<T, HAS_LIST>(top + 2 * x, bottom + 2 * x, length, nodata, fill, out + x);
            }
        } else {
            for (i64 x = 0; x < whole; ++x) {
                T cells[4] = {top[2 * x], top[2 * x + 1], bottom[2 * x], bottom[2 * x + 1]};
                out[x] = mean_of_cells<T, HAS_LIST>(cells, 4, nodata, fill ? *fill : cells[0]);
            }
        }
    } else {
        for (i64 x = 0; x < whole; ++x)
            out[x] = mean_of_cells<T, HAS_LIST>(top + 2 * x, 2, nodata, fill ? *fill : top[2 * x]);
    }
    if (cols % 2) {
        T cells[2] = {top[cols - 1], bottom ? bottom[cols - 1] : top[cols - 1]};
        out[whole] = mean_of_cells<T, HAS_LIST>(cells, bottom ? 2 : 1, nodata, fill ? *fill : cells[0]);
    }
}
template <class T>
static void halve(const void* codes, i64 rows, i64 cols, const NoData& nodata, const void* fill, void* out) {
    i64 half = cols - cols / 2;
    for (i64 y = 0; y < rows; y += 2) {
        const T *top = (const T*)codes + y * cols, *bottom = y + 1 < rows ? top + cols : (const T*)0;
        T* to = (T*)out + y / 2 * half;
        if (nodata.count) halve_row<T, true>(top, bottom, cols, nodata, (const T*)fill, to);
        else halve_row<T, false>(top, bottom, cols, nodata, (const T*)fill, to);
    }
}

// ---- Exports ----

// Bytes of scratch memory that a batch needs, aligned to 64.
LT_EXPORT i64 LT_SUFFIX(lt_scratch)(const Job* jobs, i32 count) {
    i64 most = 0;
    for (i32 i = 0; i < count; ++i) {
        i64 bytes = scratch_of(jobs[i]);
        most = bytes > most ? bytes : most;
    }
    return most;
}
// Compute a batch. Looks at ``stop`` between strips of rows; returns 1 where it was set.
LT_EXPORT i32 LT_SUFFIX(lt_run)(const Job* jobs, i32 count, void* scratch, const volatile i32* stop) {
    for (i32 i = 0; i < count; ++i) {
        const Job& job = jobs[i];
        u8* room = (u8*)scratch;
        i32 status = UNKNOWN;
        switch (job.type) {
            case I8: status = run_job<i8>(job, room, stop); break;
            case U8: status = run_job<u8>(job, room, stop); break;
            case I16: status = run_job<i16>(job, room, stop); break;
            case U16: status = run_job<u16>(job, room, stop); break;
            case F32: status = run_job<f32>(job, room, stop); break;
            case F64: status = run_job<f64>(job, room, stop); break;
            default: break;
        }
        if (status) return status;
    }
    return 0;
}
// Colour values: out[i] is the palette index of values[i], 0 for NaN.
LT_EXPORT void LT_SUFFIX(lt_paint)(const f64* values, i64 count, const Output* output, void* out) {
    for (i64 i = 0; i < count; ++i) put_value(out, i, values[i] == values[i], values[i], *output);
}
// Shade a relief: ``values`` has two more columns and rows than ``out``, those of the neighbours; ``stride`` its columns.
LT_EXPORT i32 LT_SUFFIX(lt_hillshade)(const f64* values, i64 stride, i32 height, i32 width, f64 exaggeration,
                                      const Sun* sun, f64* out, const volatile i32* stop) {
    for (i32 y = 0; y < height; ++y) {
        if (y % STRIP_ROWS == 0 && *stop) return STOPPED;
        const f64* line = values + (y + 1) * stride + 1;
        for (i32 x = 0; x < width; ++x) out[(i64)y * width + x] = hillshade_of(line + x, stride, exaggeration, *sun);
    }
    return 0;
}
// The next coarser level by means: ``codes`` has ``rows`` x ``cols`` cells, ``out`` half of each, rounded up. A block
// without data becomes ``fill``, or its first cell where that is null.
LT_EXPORT i32 LT_SUFFIX(lt_halve)(i32 type, const void* codes, i64 rows, i64 cols, const NoData* nodata,
                                  const void* fill, void* out) {
    switch (type) {
        case I8: halve<i8>(codes, rows, cols, *nodata, fill, out); return 0;
        case U8: halve<u8>(codes, rows, cols, *nodata, fill, out); return 0;
        case I16: halve<i16>(codes, rows, cols, *nodata, fill, out); return 0;
        case U16: halve<u16>(codes, rows, cols, *nodata, fill, out); return 0;
        case F32: halve<f32>(codes, rows, cols, *nodata, fill, out); return 0;
        case F64: halve<f64>(codes, rows, cols, *nodata, fill, out); return 0;
        default: return UNKNOWN;
    }
}
// Count bit patterns of one or two bytes: counts[pattern] is increased.
LT_EXPORT void LT_SUFFIX(lt_count)(const void* patterns, i64 count, i32 bytes, i64* counts) {
    if (bytes == 1) for (i64 i = 0; i < count; ++i) ++counts[((const u8*)patterns)[i]];
    else for (i64 i = 0; i < count; ++i) ++counts[((const u16*)patterns)[i]];
}
// Mark the chunks that the pixels of a mesh want: used[chunk row * across + chunk column] = 1.
LT_EXPORT void LT_SUFFIX(lt_mesh_chunks)(const Job* of, u8* used) {
    const Job& job = *of;
    const Mesh& mesh = *job.mesh;
    i64 pixels = (i64)mesh.width * mesh.height;
    for (i64 pixel = 0; pixel < pixels; pixel += LANES) {
        f64 centre[2][LANES], covered[2][LANES];
        for (int k = 0; k < LANES; ++k) {
            bool is = pixel + k < pixels;
            f64 x = is ? mesh.x[pixel + k] : not_a_number(), y = is ? mesh.y[pixel + k] : not_a_number();
            bool shown = (x - x == 0.0) & (y - y == 0.0);
            centre[0][k] = shown ? y : not_a_number();
            centre[1][k] = shown ? x : not_a_number();
            covered[0][k] = is && mesh.high ? mesh.high[pixel + k] : 1.0;
            covered[1][k] = is && mesh.wide ? mesh.wide[pixel + k] : 1.0;
        }
        if (job.method == NEAREST) {
            for (int k = 0; k < LANES; ++k)
                if (centre[0][k] == centre[0][k])
                    used[quotient((i32)centre[0][k], mesh.chunk_rows) * mesh.across +
                         quotient((i32)centre[1][k], job.chunk_cols)] = 1;
            continue;
        }
        Taps down, across;
        find_taps(job.method, centre[0], covered[0], mesh.rows, false, down);
        find_taps(job.method, centre[1], covered[1], mesh.cols, mesh.wraps != 0, across);
        for (int k = 0; k < LANES; ++k) {
            PixelTaps taps;
            taps_of_pixel(job, down, across, k, taps);
            for (int i = 0; i < taps.row_count; ++i)
                for (int j = 0; j < taps.col_count; ++j)
                    used[quotient(taps.row[i], mesh.chunk_rows) * mesh.across + taps.chunk[j]] = 1;
        }
    }
}
// out[i] = a[i] * b[i] + c[i], rounded twice: a build that contracts it gives other bits.
LT_EXPORT void LT_SUFFIX(lt_multiply_add)(const f64* a, const f64* b, const f64* c, f64* out, i32 count) {
    for (i32 i = 0; i < count; ++i) out[i] = plus(c[i], a[i], b[i]);
}
// The layout of the structs, for a comparison with the caller's: the offset of each field, then the size. Writes at most
// ``room`` numbers and returns how many there are.
LT_EXPORT i32 LT_SUFFIX(lt_layout)(i32* to, i32 room) {
    i32 n = 0;
#define PUT(number) (n < room ? (void)(to[n] = (i32)(number)) : (void)0, ++n)
#define AT(S, F) PUT(__builtin_offsetof(S, F))
#define SIZE(S) PUT(sizeof(S))
    AT(Run, first); AT(Run, count); AT(Run, cell); AT(Run, is_contiguous); SIZE(Run);
    AT(Axis, index); AT(Axis, weight); AT(Axis, share); AT(Axis, cell); AT(Axis, run_of); AT(Axis, run);
    AT(Axis, pixels); AT(Axis, padded); AT(Axis, taps); AT(Axis, wanted); AT(Axis, runs); AT(Axis, unused); SIZE(Axis);
    AT(Mesh, x); AT(Mesh, y); AT(Mesh, wide); AT(Mesh, high); AT(Mesh, slot); AT(Mesh, width); AT(Mesh, height);
    AT(Mesh, rows); AT(Mesh, cols); AT(Mesh, wraps); AT(Mesh, chunk_rows); AT(Mesh, across); AT(Mesh, unused); SIZE(Mesh);
    AT(NoData, valid_min); AT(NoData, valid_max); AT(NoData, missing_value); AT(NoData, low); AT(NoData, high);
    AT(NoData, missing); AT(NoData, count); AT(NoData, unused); SIZE(NoData);
    AT(Output, exact); AT(Output, between); AT(Output, cuts); AT(Output, slots); AT(Output, start); AT(Output, scale);
    AT(Output, offset); AT(Output, first); AT(Output, per_bucket); AT(Output, operand); AT(Output, step);
    AT(Output, steps); AT(Output, cut_count); AT(Output, buckets); AT(Output, kind); SIZE(Output);
    AT(Job, rows); AT(Job, cols); AT(Job, mesh); AT(Job, nodata); AT(Job, output); AT(Job, chunks); AT(Job, out);
    AT(Job, stride); AT(Job, type); AT(Job, method); AT(Job, chunk_cols); AT(Job, cols_first); SIZE(Job);
    return n;
}
