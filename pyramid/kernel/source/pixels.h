// The arithmetic of a tile: cells of chunks -> nearest cell, weighted mean or mode -> palette index or value.
//
// One source for two compilers. A C++ compiler builds the processor's library from it (pixels.cpp), NVRTC the GPU's
// kernels (pixels.cu). C++17 without the standard library, exceptions or allocation.
//
//   processor  one call for a batch of blocks; rows of pixels in plain loops (rows.h)
//   GPU        one thread for a pixel
//
// Exactness. Weights are integers in units of 2^-17. A code of 8 or 16 bits times two weights, summed over the cells
// of a pixel, is an integer below 2^53, which int64 and float64 hold exactly: neither the order of the additions nor a
// fused multiply-add changes it. Everything that rounds (the division, decoding, unit conversions, and all sums of
// floats) is written with mul/add/sub/div, one rounding each, in the order of the NumPy kernel, and is compiled without
// contraction (-ffp-contract=off, --fmad=false). The result is that of the NumPy kernel, bit for bit.
#ifndef LT_PIXELS_H
#define LT_PIXELS_H

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;

// ---- Compilers ----

#ifdef __CUDACC__
#define LT_FN static __device__ __forceinline__
#define LT_COLD LT_FN  // a call would spill registers
#define LT_ROLLED _Pragma("unroll 1")  // unrolled, a loop would spill registers
LT_FN f64 mul(f64 a, f64 b) { return __dmul_rn(a, b); }
LT_FN f64 add(f64 a, f64 b) { return __dadd_rn(a, b); }
LT_FN f64 sub(f64 a, f64 b) { return __dsub_rn(a, b); }
LT_FN f64 div(f64 a, f64 b) { return __ddiv_rn(a, b); }
LT_FN f64 root(f64 a) { return __dsqrt_rn(a); }
LT_FN f64 not_a_number() { return __longlong_as_double(0x7ff8000000000000LL); }
#else
#ifdef LT_CHECKS  // the tests' build, which takes long enough
#define LT_FN static inline
#else
#define LT_FN static inline __attribute__((always_inline))
#endif
#define LT_COLD static __attribute__((noinline))
#define LT_ROLLED
LT_FN f64 mul(f64 a, f64 b) { return a * b; }
LT_FN f64 add(f64 a, f64 b) { return a + b; }
LT_FN f64 sub(f64 a, f64 b) { return a - b; }
LT_FN f64 div(f64 a, f64 b) { return a / b; }
LT_FN f64 root(f64 a) { return __builtin_sqrt(a); }
LT_FN f64 not_a_number() { return __builtin_nan(""); }
#endif

// LT_AS_GPU builds for the processor what the GPU computes, so that a test can compare it without a GPU.
#if defined(__CUDACC__) || defined(LT_AS_GPU)
#define LT_SINGLE  // one pixel at a time
enum { ROWS = 1, COLS = 1 };
#else
#ifndef LT_ROWS
#define LT_ROWS 4
#endif
enum { ROWS = LT_ROWS, COLS = 64 / LT_ROWS };
#endif
enum { LANES = ROWS * COLS };  // pixels that are computed together: ROWS rows of COLS pixels

// LT_CHECKS: an index out of bounds ends the process, in the tests' build.
#ifdef LT_CHECKS
#define LT_IN(index, size) ((unsigned long)(index) < (unsigned long)(size) ? (index) : (__builtin_trap(), (index)))
#else
#define LT_IN(index, size) (index)
#endif

enum { MAX_TAPS = 6, MAX_MISSING = 8, MAX_STEPS = 4 };
enum { NEAREST = 0, BILINEAR = 1, CUBIC = 2, AVERAGE = 3, MODE = 4 };
enum { I8 = 0, U8 = 1, I16 = 2, U16 = 3, F32 = 4, F64 = 5 };  // types of codes
enum { INDEX8 = 0, INDEX16 = 1, VALUE = 2 };  // what comes out
enum { WEIGHT_BITS = 17 };
#define LT_UNIT (1.0 / 131072.0)

// ---- What a call is given; structs.py declares the same. Pointers first: one layout for both compilers. ----

// Neighbours among the wanted cells of an axis that lie in one chunk.
struct Run {
    i32 first, count;   // among the wanted cells
    i32 cell;           // of the first one, in its chunk
    i32 is_contiguous;  // whether the cells ascend one by one
};

// The pixels along one axis, and the cells that they want. Of the nearest cell, a wanted cell is that of a pixel.
struct Axis {
    const i32* index;   // [taps][padded]: which of the wanted cells
    const i32* weight;  // [taps][padded], units of 2^-17
    const i32* share;   // [padded]: sum of a pixel's weights
    const i32* cell;    // [wanted]: in its chunk; -1 where a pixel shows none
    const i32* run_of;  // [wanted]: number of its run
    const Run* run;     // [runs]
    i32 pixels, padded, taps, wanted, runs, unused;
};

// Pixels that each have a position of their own.
struct Mesh {
    const f64 *x, *y;         // [pixels]: in cells of the level, NaN for none
    const f64 *wide, *high;   // [pixels]: cells that each pixel covers; null where the method does not need them
    const i32* slot;          // [chunks down][chunks across]: place in the list of chunks; -1 for those nobody wants
    i32 width, height;        // in pixels
    i32 rows, cols, wraps;    // of the level; whether the last column's neighbour is the first
    i32 chunk_rows, across;   // rows of a chunk; chunks from west to east
    i32 unused;
};

// Which codes are no data.
struct NoData {
    f64 valid_min, valid_max;  // of floats; infinite where all pass
    f64 missing_value[MAX_MISSING];
    i32 low, high;             // of integers, without missing codes at either end
    i32 missing[MAX_MISSING];  // integers between low and high
    i32 count;                 // of either list
    i32 unused;
};

// From codes to what comes out.
struct Output {
    const u16* exact;    // [256 or 65536], by bit pattern: palette index of each code
    const u16* between;  // the same and one more, 0: index from a code to the next; bit 8: a colour ends between them
    const f64* cuts;     // [cut_count + 1], ascending, and NaN
    const u16* slots;    // [cut_count + 1]: index below the first cut, and from each cut on
    const i32* start;    // [buckets + 1]: cuts below each bucket, so that a search looks at few
    f64 scale, offset;   // value = code * scale + offset
    f64 first, per_bucket;
    f64 operand[MAX_STEPS];
    i32 step[MAX_STEPS];  // conversion of units: 0 add, 1 subtract, 2 multiply, 3 divide
    i32 steps, cut_count, buckets, kind;
};

// A block of pixels.
struct Job {
    const Axis *rows, *cols;  // null for a mesh
    const Mesh* mesh;         // null for axes
    const NoData* nodata;
    const Output* output;
    const void* const* chunks;  // [runs of rows][runs of columns], or as Mesh::slot numbers them
    void* out;                  // [pixels down][stride]: u8, u16 or f64
    i64 stride;
    i32 type;
    i32 method;
    i32 chunk_cols;  // columns of a chunk
    i32 cols_first;  // of means of floats: which axis is summed first
};

// ---- Codes ----

template <class T> struct Code;
template <> struct Code<i8> { typedef u8 Pattern; enum { IS_EXACT = 1, LOW = -128, HIGH = 127, NONE = 256 }; };
template <> struct Code<u8> { typedef u8 Pattern; enum { IS_EXACT = 1, LOW = 0, HIGH = 255, NONE = 256 }; };
template <> struct Code<i16> { typedef u16 Pattern; enum { IS_EXACT = 1, LOW = -32768, HIGH = 32767, NONE = 65536 }; };
template <> struct Code<u16> { typedef u16 Pattern; enum { IS_EXACT = 1, LOW = 0, HIGH = 65535, NONE = 65536 }; };
template <> struct Code<f32> { typedef u8 Pattern; enum { IS_EXACT = 0, LOW = 0, HIGH = 0, NONE = 0 }; };
template <> struct Code<f64> { typedef u8 Pattern; enum { IS_EXACT = 0, LOW = 0, HIGH = 0, NONE = 0 }; };

// Sums of codes. Integers: int64 on the GPU (one multiply-add), float64 on processors, whose SIMD has no 64-bit product.
// Lane: the sums of ROWS rows at one column.
#ifdef LT_SINGLE
template <class T, int IsExact> struct SumOf { typedef i64 Type; typedef i64 Lane; };
template <class T> struct SumOf<T, 0> { typedef f64 Type; typedef f64 Lane; };
#else
typedef f64 RowsOfSums __attribute__((vector_size(8 * ROWS)));
template <class T, int IsExact> struct SumOf { typedef f64 Type; typedef RowsOfSums Lane; };
LT_FN RowsOfSums plus(RowsOfSums total, f64 weight, RowsOfSums sum) { return total + weight * sum; }
#endif
template <class T> using Sum = typename SumOf<T, Code<T>::IS_EXACT>::Type;
template <class T> using Lane = typename SumOf<T, Code<T>::IS_EXACT>::Lane;

// Several float64 at once, as many as the processor's SIMD has, and the answers of comparing them.
#ifdef LT_SINGLE
typedef f64 Wide;
typedef bool Mask;
LT_FN f64& lane_of(Wide& wide, int) { return wide; }
LT_FN Wide all_lanes(f64 value) { return value; }
LT_FN Mask is_equal(Wide a, Wide b) { return a == b; }
LT_FN Mask is_more(Wide a, Wide b) { return a > b; }
LT_FN Mask is_number(Wide a) { return a == a; }
LT_FN Mask opposite(Mask mask) { return !mask; }
LT_FN Wide chosen(Mask mask, Wide yes, Wide no) { return mask ? yes : no; }
LT_FN bool any(Mask mask) { return mask; }
#else
typedef RowsOfSums Wide;
typedef i64 Mask __attribute__((vector_size(8 * ROWS)));
LT_FN f64& lane_of(Wide& wide, int lane) { return ((f64*)&wide)[lane]; }
LT_FN Wide all_lanes(f64 value) {
    Wide wide;
    for (int k = 0; k < ROWS; ++k) lane_of(wide, k) = value;
    return wide;
}
LT_FN Mask is_equal(Wide a, Wide b) { return (Mask)(a == b); }
LT_FN Mask is_more(Wide a, Wide b) { return (Mask)(a > b); }
LT_FN Mask is_number(Wide a) { return (Mask)(a == a); }
LT_FN Mask opposite(Mask mask) { return ~mask; }
LT_FN Wide chosen(Mask mask, Wide yes, Wide no) { return (Wide)(((Mask)yes & mask) | ((Mask)no & ~mask)); }
LT_FN bool any(Mask mask) {
    i64 found = 0;
    for (int k = 0; k < ROWS; ++k) found |= mask[k];
    return found != 0;
}
#endif

LT_FN i64 plus(i64 total, i64 a, i64 b) { return total + a * b; }
LT_FN f64 plus(f64 total, f64 a, f64 b) { return add(total, mul(a, b)); }

// A weight as a factor of sums: in units of 2^-17 for integers; as a fraction for floats, which must not overflow.
template <class T> LT_FN Sum<T> factor(i32 weight) {
    if constexpr (Code<T>::IS_EXACT) return (Sum<T>)weight;
    else return (f64)weight * LT_UNIT;
}
// Half of the weight of a pixel, in the unit of products of two factors.
template <class T> LT_FN Sum<T> half() {
    if constexpr (Code<T>::IS_EXACT) return (Sum<T>)8589934592;  // 2^33
    else return (Sum<T>)0.5;
}

// HAS_LIST: whether codes besides those outside a range mean no data.
template <bool HAS_LIST> LT_FN bool is_integer_data(i32 code, const NoData& nodata) {
    bool is_data = (code >= nodata.low) & (code <= nodata.high);
    if (HAS_LIST)
        for (i32 i = 0; i < nodata.count; ++i) is_data &= code != nodata.missing[i];
    return is_data;
}
template <bool HAS_LIST, class F> LT_FN bool is_float_data(F code, const NoData& nodata) {
    bool is_data = (code == code) & !(code < (F)nodata.valid_min) & !(code > (F)nodata.valid_max);
    if (HAS_LIST)
        for (i32 i = 0; i < nodata.count; ++i) is_data &= code != (F)nodata.missing_value[i];
    return is_data;
}
// Whether a code is data.
template <bool HAS_LIST, class T> LT_FN bool is_data(T code, const NoData& nodata) {
    if constexpr (Code<T>::IS_EXACT) return is_integer_data<HAS_LIST>(code, nodata);
    else return is_float_data<HAS_LIST>(code, nodata);
}
// Whether a code counts in a mean: infinite values do not.
template <bool HAS_LIST, class T> LT_FN bool is_mixed(T code, const NoData& nodata) {
    if constexpr (Code<T>::IS_EXACT) return is_integer_data<HAS_LIST>(code, nodata);
    else return is_float_data<HAS_LIST>(code, nodata) & (code - code == (T)0);
}

// ---- What comes out ----

// A sum with 0 is not written where there is no offset: it would turn -0 into 0.
LT_FN f64 decoded(f64 code, const Output& output) {
    f64 value = mul(code, output.scale);
    return output.offset == 0.0 ? value : add(value, output.offset);
}

// A value in the units of the palette.
LT_FN f64 converted(f64 value, const Output& output) {
    for (i32 i = 0; i < output.steps; ++i) {
        f64 by = output.operand[i];
        i32 step = output.step[i];
        value = step == 0 ? add(value, by) : step == 1 ? sub(value, by) : step == 2 ? mul(value, by) : div(value, by);
    }
    return value;
}
// The bucket in which the search for a value begins. It never falls as the value rises. So the cuts of lower buckets are
// below the value and those of higher ones above it, however the subtraction and the product round.
LT_FN i32 bucket_of(f64 value, const Output& output) {
    f64 place = mul(sub(value, output.first), output.per_bucket);
    place = place > 0.0 ? place : 0.0;
    place = place < (f64)(output.buckets - 1) ? place : (f64)(output.buckets - 1);
    return (i32)place;
}
// The palette index of a value in a bucket: as searchsorted(cuts, value, side="right"); 0 for NaN.
LT_FN u16 index_in(i32 bucket, f64 value, const Output& output) {
    i32 low = output.start[bucket], high = output.start[bucket + 1];
    if (high - low > 1) {
        while (low < high) {
            i32 middle = (low + high) >> 1;
            if (value < output.cuts[middle]) high = middle; else low = middle + 1;
        }
    } else low += (low < high) & (value >= output.cuts[low]);  // without a branch, which nobody could predict
    return value == value ? output.slots[LT_IN(low, output.cut_count + 1)] : (u16)0;
}
// The palette index of a value.
LT_COLD u16 index_of(f64 value, const Output& output) {
    f64 found = converted(value, output);
    return index_in(bucket_of(found, output), found, output);
}

LT_FN void put_value(void* out, i64 at, bool is_data, f64 value, const Output& output) {
    if (output.kind == VALUE) ((f64*)out)[at] = is_data ? value : not_a_number();
    else if (output.kind == INDEX16) ((u16*)out)[at] = is_data ? index_of(value, output) : (u16)0;
    else ((u8*)out)[at] = is_data ? (u8)index_of(value, output) : (u8)0;
}
LT_FN void put_nothing(void* out, i64 at, i32 kind) {
    if (kind == VALUE) ((f64*)out)[at] = not_a_number();
    else if (kind == INDEX16) ((u16*)out)[at] = 0;
    else ((u8*)out)[at] = 0;
}
// A stored code.
template <int KIND, class T>
LT_FN void put_code(void* out, i64 at, T code, const NoData& nodata, const Output& output) {
    if constexpr (Code<T>::IS_EXACT && KIND != VALUE) {
        u16 index = output.exact[(typename Code<T>::Pattern)code];
        if (KIND == INDEX16) ((u16*)out)[at] = index; else ((u8*)out)[at] = (u8)index;
    } else {
        bool is = is_data<true>(code, nodata);
        f64 value = decoded((f64)code, output);
        if (KIND == VALUE) ((f64*)out)[at] = is ? value : not_a_number();
        else if (KIND == INDEX16) ((u16*)out)[at] = is ? index_of(value, output) : (u16)0;
        else ((u8*)out)[at] = is ? (u8)index_of(value, output) : (u8)0;
    }
}

// float32: rounded to 40 bits by Veltkamp's splitting, more than it has and fewer than rounding errors reach.
// A mean of zeros has no sign: it would depend on cells without weight.
template <class T> struct WithoutNoise { LT_FN f64 of(f64 mean) { return add(mean, 0.0); } };
template <> struct WithoutNoise<f32> {
    LT_FN f64 of(f64 mean) {
        f64 scaled = mul(mean, 8193.0);
        return add(sub(scaled, sub(scaled, mean)), 0.0);
    }
};
template <class T> LT_FN f64 without_noise(f64 mean) { return WithoutNoise<T>::of(mean); }

// One mean.
template <class T> LT_FN void put_mean(const Job& job, i64 at, Sum<T> total, Sum<T> share) {
    if (!(share >= half<T>())) { put_nothing(job.out, at, job.output->kind); return; }
    f64 mean = div((f64)total, (f64)share);
    put_value(job.out, at, true, decoded(without_noise<T>(mean), *job.output), *job.output);
}

template <class T> LT_FN const T* line_of(const Job& job, i32 wanted_row, i32 col_run) {
    const Axis& rows = *job.rows;
    return (const T*)job.chunks[rows.run_of[wanted_row] * job.cols->runs + col_run] +
           (i64)rows.cell[wanted_row] * job.chunk_cols;
}

// ---- The most frequent value ----

// Of integers codes are compared, of floats decoded values: different codes may decode to one.
template <class T> LT_FN f64 key_of(T code, const NoData& nodata, const Output& output) {
    if (!is_data<true>(code, nodata)) return not_a_number();
    if constexpr (Code<T>::IS_EXACT) return (f64)code;
    else return decoded((f64)code, output);
}

// The cells of ROWS pixels. Cells without data or weight have the key NaN, which equals nothing, and no weight.
enum { MODE_CELLS = MAX_TAPS * MAX_TAPS };
struct Cells {
    Wide key[MODE_CELLS];
    Wide weight[MODE_CELLS];  // units of 2^-34
    i32 count;
};
LT_FN void set_cell(Cells& cells, int at, Wide key, Wide weight) {
    Wide none = {}, nan = all_lanes(not_a_number());
    Mask counts = is_number(key) & is_more(weight, none);
    cells.key[at] = chosen(counts, key, nan);
    cells.weight[at] = chosen(counts, weight, none);
}
// The key with the largest weight of each pixel, of equals the first; NaN where less than half of the weight has data.
LT_FN Wide most_frequent(const Cells& cells) {
    Wide none = {}, nan = all_lanes(not_a_number()), enough = all_lanes(8589934592.0);
    Wide share = none, key = nan;
    Mask differs = {};
    for (int a = cells.count - 1; a >= 0; --a) {
        Wide one = cells.key[a];
        Mask is = is_number(one);
        share += cells.weight[a];
        differs |= is & is_number(key) & opposite(is_equal(one, key));
        key = chosen(is, one, key);
    }
    if (any(differs)) {
        Wide total[MODE_CELLS], most = none;
        for (int a = 0; a < cells.count; ++a) total[a] = cells.weight[a];
        for (int a = 0; a < cells.count; ++a) {
            Wide own = cells.key[a], weight = cells.weight[a], sum = total[a];
            for (int b = a + 1; b < cells.count; ++b) {
                Mask same = is_equal(own, cells.key[b]);
                sum += chosen(same, cells.weight[b], none);
                total[b] += chosen(same, weight, none);
            }
            Mask better = is_more(sum, most);
            key = chosen(better, own, key);
            most = chosen(better, sum, most);
        }
    }
    return chosen(is_more(enough, share), nan, key);
}
template <class T> LT_FN void put_key(const Job& job, i64 at, f64 key) {
    const Output& output = *job.output;
    if (key != key) put_nothing(job.out, at, output.kind);
    else if constexpr (!Code<T>::IS_EXACT) put_value(job.out, at, true, key, output);
    else if (output.kind == VALUE) ((f64*)job.out)[at] = decoded(key, output);
    else {
        u16 index = output.exact[(typename Code<T>::Pattern)(i32)key];
        if (output.kind == INDEX16) ((u16*)job.out)[at] = index; else ((u8*)job.out)[at] = (u8)index;
    }
}

// ---- A mesh: every pixel has a position of its own ----

// The integer below; for positions, which int32 holds.
LT_FN f64 floor_of(f64 x) {
    f64 whole = (f64)(i32)x;
    return whole > x ? whole - 1.0 : whole;
}
// A weight in units of 2^-17, rounded half to even.
LT_FN i32 units_of(f64 weight) {
    f64 shifted = add(mul(weight, 131072.0), 6755399441055744.0);  // 1.5 * 2^52: what is added is rounded to an integer
    return (i32)sub(shifted, 6755399441055744.0);
}

// The cells of LANES pixels along one axis, and their weights: as ``taps`` in resampling/taps.py.
struct Taps {
    i32 first[LANES];
    i32 weight[MAX_TAPS][LANES];  // 0 for cells that are not there
};
LT_FN void find_taps(i32 method, const f64* centre, const f64* covered, i32 cells, bool wraps, Taps& taps) {
    f64 at[LANES];
    i32 shown[LANES];
    for (int k = 0; k < LANES; ++k) {
        shown[k] = centre[k] - centre[k] == 0.0;
        at[k] = shown[k] ? centre[k] : 0.5;
    }
    if (method == AVERAGE || method == MODE) {
        for (int k = 0; k < LANES; ++k) {
            f64 width = covered[k];
            width = width > 1.0 ? width : 1.0;
            width = width < 4.0 ? width : 4.0;
            f64 reach = mul(width, 0.5), low = sub(at[k], reach), high = add(at[k], reach), first = floor_of(low);
            taps.first[k] = (i32)first;
            for (int n = 0; n < MAX_TAPS; ++n) {
                f64 start = add(first, (f64)n), end = add(start, 1.0);
                f64 part = div(sub(end < high ? end : high, start > low ? start : low), width);
                taps.weight[n][k] = units_of(part > 0.0 ? part : 0.0);
            }
        }
    } else {
        for (int k = 0; k < LANES; ++k) {
            f64 below = sub(at[k], 0.5), inner = floor_of(below), t = sub(below, inner);
            i32 offset = units_of(t);
            bool cubic = method == CUBIC;
            taps.first[k] = (i32)inner - (cubic ? 1 : 0);
            // Keys 1981, a = -1/2, in the order of operations of ``taps``.
            f64 a = mul(sub(mul(add(mul(-0.5, t), 1.0), t), 0.5), t);
            f64 b = add(mul(mul(sub(mul(1.5, t), 2.5), t), t), 1.0);
            f64 c = mul(add(mul(add(mul(-1.5, t), 2.0), t), 0.5), t);
            f64 d = mul(mul(sub(mul(0.5, t), 0.5), t), t);
            taps.weight[0][k] = cubic ? units_of(a) : (1 << WEIGHT_BITS) - offset;
            taps.weight[1][k] = cubic ? units_of(b) : offset;
            taps.weight[2][k] = cubic ? units_of(c) : 0;
            taps.weight[3][k] = cubic ? units_of(d) : 0;
            taps.weight[4][k] = taps.weight[5][k] = 0;
        }
    }
    for (int n = 0; n < MAX_TAPS; ++n)
        for (int k = 0; k < LANES; ++k) {
            i32 cell = taps.first[k] + n;
            bool there = (wraps | ((cell >= 0) & (cell < cells))) & (shown[k] != 0);
            taps.weight[n][k] = there ? taps.weight[n][k] : 0;
        }
}
// The column of a tap, round the circle where there is one, also one of fewer cells than taps.
LT_FN i32 wrapped(i32 cell, i32 cells) {
    while (cell < 0) cell += cells;
    while (cell >= cells) cell -= cells;
    return cell;
}
LT_FN i32 quotient(i32 a, i32 size) {
#ifdef __CUDACC__
    return (size & (size - 1)) == 0 ? a >> (31 - __clz(size)) : a / size;
#else
    return (size & (size - 1)) == 0 ? a >> (31 - __builtin_clz((u32)size)) : a / size;
#endif
}

// The first cell of a row of cells in a chunk.
template <class T> LT_FN const T* line_of_mesh(const Job& job, i32 row, i32 chunk_col) {
    const Mesh& mesh = *job.mesh;
    i32 chunk_row = quotient(row, mesh.chunk_rows);
    i32 slot = mesh.slot[chunk_row * mesh.across + LT_IN(chunk_col, mesh.across)];
    return (const T*)job.chunks[slot] + (i64)(row - chunk_row * mesh.chunk_rows) * job.chunk_cols;
}

// The nearest cells of n pixels of a mesh.
template <class T, int KIND> LT_FN void put_mesh_nearest(const Job& job, i64 pixel, i64 at, int n) {
    const Mesh& mesh = *job.mesh;
    for (int k = 0; k < n; ++k) {
        f64 x = mesh.x[pixel + k], y = mesh.y[pixel + k];
        if (!(x == x) || !(y == y)) {
            put_nothing(job.out, at + k, KIND);
            continue;
        }
        i32 row = (i32)y, col = (i32)x, chunk = quotient(LT_IN(col, mesh.cols), job.chunk_cols);
        T code = line_of_mesh<T>(job, LT_IN(row, mesh.rows), chunk)[col - chunk * job.chunk_cols];
        put_code<KIND>(job.out, at + k, code, *job.nodata, *job.output);
    }
}

// ---- One pixel at a time, as the GPU's threads take them; the same sums in the same order as in rows.h ----

template <class T> LT_FN void nearest_pixel(const Job& job, int y, int x) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    i32 row = rows.cell[y], col = cols.cell[x];
    i64 at = y * job.stride + x;
    if (row < 0 || col < 0) { put_nothing(job.out, at, job.output->kind); return; }
    const T* line = (const T*)job.chunks[rows.run_of[y] * cols.runs + cols.run_of[x]] + (i64)row * job.chunk_cols;
    T code = line[LT_IN(col, job.chunk_cols)];
    if (job.output->kind == VALUE) put_code<VALUE>(job.out, at, code, *job.nodata, *job.output);
    else if (job.output->kind == INDEX16) put_code<INDEX16>(job.out, at, code, *job.nodata, *job.output);
    else put_code<INDEX8>(job.out, at, code, *job.nodata, *job.output);
}

// A mean, summed along the columns of cells first.
template <class T> LT_FN void mean_pixel(const Job& job, int y, int x) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    Sum<T> total = 0, share = 0;
    for (i32 j = 0; j < cols.taps; ++j) {
        i32 across = cols.weight[j * cols.padded + x];
        if (!across) continue;
        i32 col = cols.index[j * cols.padded + x];
        Sum<T> sum = 0, sure = 0;
        for (i32 i = 0; i < rows.taps; ++i) {
            i32 down = rows.weight[i * rows.padded + y];
            if (!down) continue;
            T code = line_of<T>(job, rows.index[i * rows.padded + y], cols.run_of[col])
                [LT_IN(cols.cell[col], job.chunk_cols)];
            if (!is_mixed<true>(code, *job.nodata)) continue;
            sum = plus(sum, factor<T>(down), (Sum<T>)code);
            sure += factor<T>(down);
        }
        total = plus(total, factor<T>(across), sum);
        share = plus(share, factor<T>(across), sure);
    }
    put_mean<T>(job, y * job.stride + x, total, share);
}

// A mean of floats, summed along the rows of cells first.
template <class T> LT_FN void mean_pixel_cols_first(const Job& job, int y, int x) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    f64 total = 0.0, share = 0.0;
    for (i32 i = 0; i < rows.taps; ++i) {
        i32 down = rows.weight[i * rows.padded + y];
        if (!down) continue;
        i32 row = rows.index[i * rows.padded + y];
        f64 sum = 0.0, sure = 0.0;
        for (i32 j = 0; j < cols.taps; ++j) {
            i32 weight = cols.weight[j * cols.padded + x];
            if (!weight) continue;
            i32 col = cols.index[j * cols.padded + x];
            T code = line_of<T>(job, row, cols.run_of[col])[LT_IN(cols.cell[col], job.chunk_cols)];
            if (!is_mixed<true>(code, *job.nodata)) continue;
            sum = plus(sum, factor<T>(weight), (f64)code);
            sure += factor<T>(weight);
        }
        total = plus(total, factor<T>(down), sum);
        share = plus(share, factor<T>(down), sure);
    }
    put_mean<T>(job, y * job.stride + x, total, share);
}

// The most frequent value of a pixel's cells.
template <class T> LT_FN void mode_pixel(const Job& job, int y, int x) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    Cells cells;
    cells.count = 0;
    for (i32 i = 0; i < rows.taps; ++i) {
        i32 down = rows.weight[i * rows.padded + y];
        if (!down) continue;
        i32 row = rows.index[i * rows.padded + y];
        for (i32 j = 0; j < cols.taps; ++j) {
            i32 weight = cols.weight[j * cols.padded + x];
            if (!weight) continue;
            i32 col = cols.index[j * cols.padded + x];
            T code = line_of<T>(job, row, cols.run_of[col])[LT_IN(cols.cell[col], job.chunk_cols)];
            set_cell(cells, cells.count++, all_lanes(key_of<T>(code, *job.nodata, *job.output)),
                     all_lanes((f64)down * (f64)weight));
        }
    }
    Wide best = most_frequent(cells);
    put_key<T>(job, y * job.stride + x, lane_of(best, 0));
}

// The cells of a pixel of a mesh along both axes; whether the pixel has a position.
template <int METHOD> LT_FN bool find_pixel_taps(const Job& job, int y, int x, Taps& down, Taps& across) {
    const Mesh& mesh = *job.mesh;
    i64 pixel = (i64)y * mesh.width + x;
    f64 to_x = mesh.x[pixel], to_y = mesh.y[pixel];
    if (!((to_x - to_x == 0.0) & (to_y - to_y == 0.0))) return false;
    f64 high[LANES], wide[LANES], centre_y[LANES], centre_x[LANES];
    for (int k = 0; k < LANES; ++k) {
        centre_y[k] = to_y;
        centre_x[k] = to_x;
        high[k] = mesh.high ? mesh.high[pixel] : 1.0;
        wide[k] = mesh.wide ? mesh.wide[pixel] : 1.0;
    }
    find_taps(METHOD, centre_y, high, mesh.rows, false, down);
    find_taps(METHOD, centre_x, wide, mesh.cols, mesh.wraps != 0, across);
    return true;
}
template <class T> LT_FN T code_of_mesh(const Job& job, i32 row, i32 col) {
    if (job.mesh->wraps) col = wrapped(col, job.mesh->cols);
    i32 chunk = quotient(col, job.chunk_cols);
    return line_of_mesh<T>(job, row, chunk)[LT_IN(col - chunk * job.chunk_cols, job.chunk_cols)];
}
template <class T> LT_FN void mesh_nearest_pixel(const Job& job, int y, int x) {
    i64 pixel = (i64)y * job.mesh->width + x, at = y * job.stride + x;
    if (job.output->kind == VALUE) put_mesh_nearest<T, VALUE>(job, pixel, at, 1);
    else if (job.output->kind == INDEX16) put_mesh_nearest<T, INDEX16>(job, pixel, at, 1);
    else put_mesh_nearest<T, INDEX8>(job, pixel, at, 1);
}
template <class T, int METHOD> LT_FN void mesh_mean_of(const Job& job, int y, int x) {
    i64 at = y * job.stride + x;
    Taps down, across;
    if (!find_pixel_taps<METHOD>(job, y, x, down, across)) { put_nothing(job.out, at, job.output->kind); return; }
    Sum<T> total = 0, share = 0;
    LT_ROLLED for (int i = 0; i < MAX_TAPS; ++i) {
        i32 weight = down.weight[i][0];
        if (!weight) continue;
        Sum<T> sum = 0, sure = 0;
        LT_ROLLED for (int j = 0; j < MAX_TAPS; ++j) {
            i32 by = across.weight[j][0];
            if (!by) continue;
            T code = code_of_mesh<T>(job, down.first[0] + i, across.first[0] + j);
            if (!is_mixed<true>(code, *job.nodata)) continue;
            if constexpr (Code<T>::IS_EXACT) {
                sum = plus(sum, (Sum<T>)by, (Sum<T>)code);
                sure += by;
            } else {
                Sum<T> both = factor<T>(weight) * factor<T>(by);  // exact
                total = plus(total, (f64)code, both);
                share += both;
            }
        }
        if constexpr (Code<T>::IS_EXACT) {
            total = plus(total, (Sum<T>)weight, sum);
            share = plus(share, (Sum<T>)weight, sure);
        }
    }
    put_mean<T>(job, at, total, share);
}
template <class T> LT_FN void mesh_mean_pixel(const Job& job, int y, int x) {
    if (job.method == AVERAGE) mesh_mean_of<T, AVERAGE>(job, y, x);
    else if (job.method == CUBIC) mesh_mean_of<T, CUBIC>(job, y, x);
    else mesh_mean_of<T, BILINEAR>(job, y, x);
}
template <class T> LT_FN void mesh_mode_pixel(const Job& job, int y, int x) {
    i64 at = y * job.stride + x;
    Taps down, across;
    if (!find_pixel_taps<MODE>(job, y, x, down, across)) { put_nothing(job.out, at, job.output->kind); return; }
    Cells cells;
    cells.count = 0;
    LT_ROLLED for (int i = 0; i < MAX_TAPS; ++i) {
        i32 weight = down.weight[i][0];
        if (!weight) continue;
        LT_ROLLED for (int j = 0; j < MAX_TAPS; ++j) {
            i32 by = across.weight[j][0];
            if (!by) continue;
            T code = code_of_mesh<T>(job, down.first[0] + i, across.first[0] + j);
            set_cell(cells, cells.count++, key_of<T>(code, *job.nodata, *job.output), (f64)weight * (f64)by);
        }
    }
    Wide best = most_frequent(cells);
    put_key<T>(job, at, lane_of(best, 0));
}

// ---- Reliefs ----

struct Sun { f64 sin_altitude, cos_altitude, sin_azimuth, cos_azimuth; };

// Brightness 0 to 255 of a pixel of a relief (Horn 1981). ``at``: the pixel; its rows are ``stride`` apart.
LT_FN f64 hillshade_of(const f64* at, i64 stride, f64 exaggeration, const Sun& sun) {
    const f64 *above = at - stride, *below = at + stride;
    f64 right = add(add(above[1], mul(2.0, at[1])), below[1]), left = add(add(above[-1], mul(2.0, at[-1])), below[-1]);
    f64 under = add(add(below[-1], mul(2.0, below[0])), below[1]), over = add(add(above[-1], mul(2.0, above[0])), above[1]);
    f64 across = mul(div(sub(right, left), 8.0), exaggeration), down = mul(div(sub(under, over), 8.0), exaggeration);
    f64 slope = root(add(add(1.0, mul(across, across)), mul(down, down)));
    f64 facing = sub(mul(sun.sin_azimuth, down), mul(sun.cos_azimuth, across));
    f64 light = div(add(sun.sin_altitude, mul(sun.cos_altitude, facing)), slope);
    return mul(255.0, light < 0.0 ? 0.0 : light);
}

// ---- Cells of the next coarser level ----

// The mean of the cells of a block that are data, in row-major order; ``blank`` where none is. Integers: halves to even.
template <class T, bool HAS_LIST> LT_FN T mean_of_cells(const T* cell, int count, const NoData& nodata, T blank) {
    f64 total = 0.0, held = 0.0;
    for (int i = 0; i < count; ++i) {
        bool is = is_data<HAS_LIST>(cell[i], nodata);
        total = add(total, is ? (f64)cell[i] : 0.0);
        held += is ? 1.0 : 0.0;
    }
    f64 mean = div(total, held > 0.0 ? held : 1.0);
    if constexpr (Code<T>::IS_EXACT) mean = sub(add(mean, 6755399441055744.0), 6755399441055744.0);
    return held > 0.0 ? (T)mean : blank;
}
#endif
