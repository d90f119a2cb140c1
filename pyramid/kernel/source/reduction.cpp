// What conversion does to whole blocks of codes: the next coarser level, and the numbers of floats for their statistics.
// One variant for each level of the instruction set, as of pixels.cpp. build.py compiles it.
#include "pixels.h"
#ifndef LT_SUFFIX
#define LT_SUFFIX(name) name
#endif
#define LT_EXPORT extern "C" __attribute__((visibility("default")))

enum { UNKNOWN = -1 };
enum { RUN = 256 };  // codes that are looked at together: mostly all or none of them are data
enum Reduction { BY_MODE = 0, BY_NEAREST = 1, BY_MIN = 2, BY_MAX = 3 };

// One cell of the next level, of 1, 2 or 4 cells in row-major order; ``blank`` where none is data. The NumPy functions
// in store/reduce.py, without branches: all of them are compared bit for bit.
template <class T, bool HAS_LIST, int KIND> LT_FN T reduced(const T* cell, int count, const NoData& nodata, T blank) {
    T best = blank;
    i32 held = 0;
    if constexpr (KIND == BY_MODE) {
        i32 is[4];
        for (int i = 0; i < count; ++i) is[i] = is_data<HAS_LIST>(cell[i], nodata);
        for (int i = 0; i < count; ++i) {
            i32 votes = 0;
            for (int j = 0; j < count; ++j) votes += (cell[i] == cell[j]) & is[j];
            votes *= is[i];
            best = votes > held ? cell[i] : best;  // of equally frequent ones the first
            held = votes > held ? votes : held;
        }
    } else if constexpr (KIND == BY_NEAREST) {
        for (int i = count - 1; i >= 0; --i) best = is_data<HAS_LIST>(cell[i], nodata) ? cell[i] : best;
    } else {
        for (int i = 0; i < count; ++i) {
            i32 is = is_data<HAS_LIST>(cell[i], nodata);
            bool better = KIND == BY_MIN ? cell[i] < best : cell[i] > best;
            best = (is != 0) & ((held == 0) | better) ? cell[i] : best;
            held |= is;
        }
    }
    return best;
}
template <class T, bool HAS_LIST, int KIND>
static void reduce_row(const T* top, const T* bottom, i64 cols, const NoData& nodata, const T* fill, T* out) {
    i64 whole = cols / 2;
    if (bottom) {
        for (i64 x = 0; x < whole; ++x) {
            T cells[4] = {top[2 * x], top[2 * x + 1], bottom[2 * x], bottom[2 * x + 1]};
            out[x] = reduced<T, HAS_LIST, KIND>(cells, 4, nodata, fill ? *fill : cells[0]);
        }
    } else {
        for (i64 x = 0; x < whole; ++x)
            out[x] = reduced<T, HAS_LIST, KIND>(top + 2 * x, 2, nodata, fill ? *fill : top[2 * x]);
    }
    if (cols % 2) {
        T cells[2] = {top[cols - 1], bottom ? bottom[cols - 1] : top[cols - 1]};
        out[whole] = reduced<T, HAS_LIST, KIND>(cells, bottom ? 2 : 1, nodata, fill ? *fill : cells[0]);
    }
}
template <class T, int KIND>
static void reduce(const void* codes, i64 rows, i64 cols, const NoData& nodata, const void* fill, void* out) {
    i64 half = cols - cols / 2;
    for (i64 y = 0; y < rows; y += 2) {
        const T *top = (const T*)codes + y * cols, *bottom = y + 1 < rows ? top + cols : (const T*)0;
        T* to = (T*)out + y / 2 * half;
        if (nodata.count) reduce_row<T, true, KIND>(top, bottom, cols, nodata, (const T*)fill, to);
        else reduce_row<T, false, KIND>(top, bottom, cols, nodata, (const T*)fill, to);
    }
}
// By extremes only integers: which of 0 and -0 is the smaller one, NumPy leaves to the processor.
template <class T>
static i32 reduce_by(i32 kind, const void* codes, i64 rows, i64 cols, const NoData& nodata, const void* fill, void* out) {
    if (kind == BY_MODE) reduce<T, BY_MODE>(codes, rows, cols, nodata, fill, out);
    else if (kind == BY_NEAREST) reduce<T, BY_NEAREST>(codes, rows, cols, nodata, fill, out);
    else if constexpr (!Code<T>::IS_EXACT) return UNKNOWN;
    else if (kind == BY_MIN) reduce<T, BY_MIN>(codes, rows, cols, nodata, fill, out);
    else if (kind == BY_MAX) reduce<T, BY_MAX>(codes, rows, cols, nodata, fill, out);
    else return UNKNOWN;
    return 0;
}
// The floats that are data: how many there are; those that are finite go to ``out`` in their order.
template <class T> static void select(const T* codes, i64 count, const NoData& nodata, T* out, i64* found) {
    i64 data = 0, finite = 0;
    u8 is[RUN];
    for (i64 start = 0; start < count; start += RUN) {
        const T* run = codes + start;
        i32 length = count - start < RUN ? (i32)(count - start) : (i32)RUN, held = 0, numbers = 0;
        for (i32 i = 0; i < length; ++i) is[i] = is_data<false>(run[i], nodata);
        for (i32 k = 0; k < nodata.count; ++k) {
            T missing = (T)nodata.missing_value[k];
            for (i32 i = 0; i < length; ++i) is[i] &= run[i] != missing;
        }
        for (i32 i = 0; i < length; ++i) held += is[i];
        for (i32 i = 0; i < length; ++i) is[i] &= run[i] - run[i] == (T)0;
        for (i32 i = 0; i < length; ++i) numbers += is[i];
        data += held;
        if (numbers == length) {
            __builtin_memcpy(out + finite, run, sizeof(T) * length);
        } else if (numbers) {
            i64 next = finite;
            for (i32 i = 0; i < length; ++i) {
                out[next] = run[i];
                next += is[i];
            }
        }
        finite += numbers;
    }
    found[0] = data;
    found[1] = finite;
}
// ``per_unit`` is a power of two, by which a product is exact unless it is smaller than any normal number, and then it
// is rounded as ldexp rounds: a negative one may become 0, and is below it all the same.
template <class T> static void bin(const T* numbers, i64 count, f64 per_unit, i64 first, i64 bins, i64* counts) {
    for (i64 i = 0; i < count; ++i) {
        f64 position = mul((f64)numbers[i], per_unit);
        i64 index = (i64)position;
        index -= (f64)index > position || (position == 0 && numbers[i] < 0);
        index -= first;
        if ((u64)index < (u64)bins) ++counts[index];
    }
}

// ---- Exports ----

// The next coarser level: ``codes`` has ``rows`` x ``cols`` cells, ``out`` half of each, rounded up. A block without
// data becomes ``fill``, or its first cell where that is null.
LT_EXPORT i32 LT_SUFFIX(lt_reduce)(i32 kind, i32 type, const void* codes, i64 rows, i64 cols, const NoData* nodata,
                                   const void* fill, void* out) {
    switch (type) {
        case I8: return reduce_by<i8>(kind, codes, rows, cols, *nodata, fill, out);
        case U8: return reduce_by<u8>(kind, codes, rows, cols, *nodata, fill, out);
        case I16: return reduce_by<i16>(kind, codes, rows, cols, *nodata, fill, out);
        case U16: return reduce_by<u16>(kind, codes, rows, cols, *nodata, fill, out);
        case F32: return reduce_by<f32>(kind, codes, rows, cols, *nodata, fill, out);
        case F64: return reduce_by<f64>(kind, codes, rows, cols, *nodata, fill, out);
        default: return UNKNOWN;
    }
}
// Select finite data among floats; ``found`` becomes the number of data and that of finite ones. ``out`` has room for
// one more than ``count``.
LT_EXPORT i32 LT_SUFFIX(lt_select)(i32 type, const void* codes, i64 count, const NoData* nodata, void* out, i64* found) {
    if (type == F32) select((const f32*)codes, count, *nodata, (f32*)out, found);
    else if (type == F64) select((const f64*)codes, count, *nodata, (f64*)out, found);
    else return UNKNOWN;
    return 0;
}
// Count finite floats in bins of the width 1 / ``per_unit``, the first of which has the number ``first``.
LT_EXPORT i32 LT_SUFFIX(lt_bin)(i32 type, const void* numbers, i64 count, f64 per_unit, i64 first, i64 bins, i64* counts) {
    if (type == F32) bin((const f32*)numbers, count, per_unit, first, bins, counts);
    else if (type == F64) bin((const f64*)numbers, count, per_unit, first, bins, counts);
    else return UNKNOWN;
    return 0;
}
