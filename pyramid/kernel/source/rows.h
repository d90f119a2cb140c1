// Rows of pixels on the processor: plain loops over cells and over LANES pixels, which the compiler vectorises. Each pixel
// gets what the functions for one pixel in pixels.h give it.
#ifndef LT_ROWS_H
#define LT_ROWS_H
#include "pixels.h"

// LANES values, NaN for no data, put out as palette indices; changes ``value``.
LT_FN void put_indices(void* out, i64 at, i64 stride, int step, int rows, int cols, f64* value, const Output& output) {
    i32 bucket[LANES];
    for (i32 i = 0; i < output.steps; ++i) {
        f64 by = output.operand[i];
        if (output.step[i] == 0) { for (int k = 0; k < LANES; ++k) value[k] = add(value[k], by); }
        else if (output.step[i] == 1) { for (int k = 0; k < LANES; ++k) value[k] = sub(value[k], by); }
        else if (output.step[i] == 2) { for (int k = 0; k < LANES; ++k) value[k] = mul(value[k], by); }
        else { for (int k = 0; k < LANES; ++k) value[k] = div(value[k], by); }
    }
    for (int k = 0; k < LANES; ++k) bucket[k] = bucket_of(value[k], output);
    for (int c = 0; c < cols; ++c)
        for (int r = 0; r < rows; ++r) {
            int k = c * ROWS + r;
            u16 index = index_in(bucket[k], value[k], output);
            if (output.kind == INDEX16) ((u16*)out)[at + r * stride + c * step] = index;
            else ((u8*)out)[at + r * stride + c * step] = (u8)index;
        }
}

// LANES means, those of one column next to each other. Every inner loop has a fixed length. ``rows`` and ``cols`` of
// them exist; ``stride`` and ``step`` lead from one to the next of ``out``, which begins at ``at``.
template <class T>
LT_FN void put_means(const Sum<T>* total, const Sum<T>* share, const Output& output, void* out, i64 at, i64 stride,
                     int step, int rows, int cols) {
    f64 mean[LANES];
    for (int k = 0; k < LANES; ++k) {
        bool enough = share[k] >= half<T>();
        mean[k] = div(enough ? (f64)total[k] : 0.0, enough ? (f64)share[k] : 1.0);
    }
    if constexpr (Code<T>::IS_EXACT) {
        if (output.kind == INDEX8) {
            u8* to = (u8*)out + at;
            u32 entry[LANES], between[LANES], cut = 0;
            for (int k = 0; k < LANES; ++k) {
                i32 whole = (i32)mean[k];
                whole -= (f64)whole > mean[k];  // the floor
                whole = whole < (i32)Code<T>::LOW ? (i32)Code<T>::LOW : whole;  // cubic weights overshoot
                whole = whole > (i32)Code<T>::HIGH ? (i32)Code<T>::HIGH : whole;
                between[k] = (f64)whole != mean[k] ? 256u : 0u;
                entry[k] = share[k] >= half<T>() ? (u32)whole & (Code<T>::NONE - 1u) : (u32)Code<T>::NONE;
            }
            for (int k = 0; k < LANES; ++k) entry[k] = output.between[entry[k]];
            for (int k = 0; k < LANES; ++k) cut |= between[k] &= entry[k];
            if (rows == ROWS && cols == COLS) {
                for (int c = 0; c < COLS; ++c)
                    for (int r = 0; r < ROWS; ++r) to[r * stride + c * step] = (u8)entry[c * ROWS + r];
            } else {
                for (int c = 0; c < cols; ++c)
                    for (int r = 0; r < rows; ++r) to[r * stride + c * step] = (u8)entry[c * ROWS + r];
            }
            if (cut)
                for (int c = 0; c < cols; ++c)
                    for (int r = 0; r < rows; ++r)
                        if (between[c * ROWS + r])
                            to[r * stride + c * step] = (u8)index_of(decoded(mean[c * ROWS + r], output), output);
            return;
        }
    }
    for (int k = 0; k < LANES; ++k) {
        f64 value = decoded(without_noise<T>(mean[k]), output);
        mean[k] = share[k] >= half<T>() ? value : not_a_number();
    }
    if (output.kind != VALUE) {
        put_indices(out, at, stride, step, rows, cols, mean, output);
        return;
    }
    for (int c = 0; c < cols; ++c)
        for (int r = 0; r < rows; ++r) ((f64*)out)[at + r * stride + c * step] = mean[c * ROWS + r];
}

// ---- Axes: the nearest cell ----

template <class T, int KIND> LT_FN void put_nearest_row(const Job& job, int y, i64 at) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    i32 row = rows.cell[y], shown = 0;
    if (row >= 0)
        for (i32 k = 0; k < cols.runs; ++k) {
            const Run& run = cols.run[k];
            const T* line = (const T*)job.chunks[rows.run_of[y] * cols.runs + k] + (i64)row * job.chunk_cols;
            const i32* cell = cols.cell + run.first;
            i64 to = at + run.first;
            shown += run.count;
            if constexpr (!Code<T>::IS_EXACT && KIND != VALUE) {
                for (i32 x = 0; x < run.count; x += LANES) {
                    f64 value[LANES];
                    int left = run.count - x, n = left < LANES ? left : (int)LANES;
                    for (int k = 0; k < LANES; ++k) {
                        int at_x = k < n ? x + k : x;
                        T code = line[LT_IN(run.is_contiguous ? run.cell + at_x : cell[at_x], job.chunk_cols)];
                        value[k] = is_data<true>(code, *job.nodata) ? decoded((f64)code, *job.output) : not_a_number();
                    }
                    if (n == LANES) put_indices(job.out, to + x, 1, ROWS, ROWS, COLS, value, *job.output);
                    else
                        for (int k = 0; k < n; ++k)
                            put_value(job.out, to + x + k, value[k] == value[k], value[k], *job.output);
                }
            } else if (run.is_contiguous) {
                for (int x = 0; x < run.count; ++x)
                    put_code<KIND>(job.out, to + x, line[LT_IN(run.cell + x, job.chunk_cols)], *job.nodata, *job.output);
            } else {
                for (int x = 0; x < run.count; ++x)
                    put_code<KIND>(job.out, to + x, line[LT_IN(cell[x], job.chunk_cols)], *job.nodata, *job.output);
            }
        }
    if (shown < cols.pixels)
        for (int x = 0; x < cols.pixels; ++x)
            if (row < 0 || cols.cell[x] < 0) put_nothing(job.out, at + x, KIND);
}
template <class T> LT_FN void nearest_row(const Job& job, int y) {
    i64 at = y * job.stride;
    if (job.output->kind == VALUE) put_nearest_row<T, VALUE>(job, y, at);
    else if (job.output->kind == INDEX16) put_nearest_row<T, INDEX16>(job, y, at);
    else put_nearest_row<T, INDEX8>(job, y, at);
}

// ---- Axes: means, summed along the columns of cells, then along the rows ----

// Room for sums: a row of them has ``cols.wanted`` entries rounded up to ``row``. There are ROWS rows and ROWS
// lanes of each kind.
template <class T> struct Room {
    Sum<T>*total, *share, *totals, *shares;
    i64 row;
};

// The cells with a weight in a row of pixels: n <= MAX_TAPS of them.
LT_FN i32 cells_of_pixel(const Axis& axis, int pixel, i32* index, i32* weight) {
    i32 n = 0;
    for (i32 i = 0; i < axis.taps; ++i) {
        i32 w = axis.weight[i * axis.padded + pixel];
        if (w) {
            weight[n] = w;
            index[n++] = axis.index[i * axis.padded + pixel];
        }
    }
    return n;
}

// total[c] = sum of weight[i] * line[i][c] over N lines, and share[c], the weight of those with data.
// GAPS: 0 all cells have data, 1 but for codes outside a range, 2 but for others as well.
template <class T, int N, int GAPS>
LT_FN void sum_lines(const Job& job, const T* const* line, const i32* weight, const Run& run, Sum<T>* total,
                     Sum<T>* share) {
    Sum<T> by[N];
    const T* at[N];
    for (int i = 0; i < N; ++i) {
        by[i] = factor<T>(weight[i]);
        at[i] = line[i] + (run.is_contiguous ? run.cell : 0);
    }
    total += run.first;
    share += run.first;
    const i32* cell = job.cols->cell + run.first;
    const NoData& nodata = *job.nodata;
#define LT_SUM(CELL)                                                    \
    for (int c = 0; c < run.count; ++c) {                                         \
        Sum<T> sum = 0, sure = 0;                                       \
        for (int i = 0; i < N; ++i) {                                   \
            T code = at[i][CELL];                                       \
            if (GAPS) {                                                 \
                bool ok = is_mixed<GAPS == 2>(code, nodata);            \
                sum = plus(sum, by[i], ok ? (Sum<T>)code : (Sum<T>)0);  \
                sure += ok ? by[i] : (Sum<T>)0;                         \
            } else sum = plus(sum, by[i], (Sum<T>)code);                \
        }                                                               \
        total[c] = sum;                                                 \
        if (GAPS) share[c] = sure;                                      \
    }
    // Cells that are not contiguous are rare: only the widest variant looks for them.
    if (N < MAX_TAPS || run.is_contiguous) LT_SUM(c) else LT_SUM(LT_IN(cell[c], job.chunk_cols))
#undef LT_SUM
}

template <class T, int GAPS> LT_FN void sum_row(const Job& job, int y, Sum<T>* total, Sum<T>* share) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    i32 weight[MAX_TAPS], row[MAX_TAPS], n = cells_of_pixel(rows, y, row, weight);
    if (!n) row[0] = 0;  // the row shows nothing: any cells, with weight 0
    for (i32 i = n; i < MAX_TAPS; ++i) {
        weight[i] = 0;
        row[i] = row[0];
    }
    for (i32 k = 0; k < cols.runs; ++k) {
        const T* line[MAX_TAPS];
        for (i32 i = 0; i < MAX_TAPS; ++i) line[i] = line_of<T>(job, LT_IN(row[i], rows.wanted), k);
        const Run& run = cols.run[k];
        // Frequent cases have loops of their own.
        if (GAPS < 2 && run.is_contiguous && n <= 4) {
            if (n <= 2) sum_lines<T, 2, GAPS>(job, line, weight, run, total, share);
            else if (n == 3) sum_lines<T, 3, GAPS>(job, line, weight, run, total, share);
            else sum_lines<T, 4, GAPS>(job, line, weight, run, total, share);
        } else sum_lines<T, MAX_TAPS, GAPS>(job, line, weight, run, total, share);
    }
}

// The sums of ROWS rows as lanes.
template <class T> LT_FN void as_lanes(const Sum<T>* rows, i64 row, i32 wanted, Sum<T>* lanes) {
    for (int c = 0; c < wanted; ++c)
        for (int r = 0; r < ROWS; ++r) lanes[(i64)c * ROWS + r] = rows[r * row + c];
}

// Sum ROWS rows along the columns of pixels, divide, and put them out. ``down``: weight of each row.
template <class T, int GAPS>
LT_FN void put_rows(const Job& job, const i32* down, const Sum<T>* total, const Sum<T>* share, int y, int n) {
    const Axis& cols = *job.cols;
    const Lane<T>*totals = (const Lane<T>*)total, *shares = (const Lane<T>*)share;
    for (int x = 0; x < cols.pixels; x += COLS) {
        union { Lane<T> lane[COLS]; Sum<T> one[LANES]; } sum, sure;
        for (int c = 0; c < COLS; ++c) {
            Lane<T> a = {}, b = {};
            for (i32 j = 0; j < cols.taps; ++j) {
                i32 index = LT_IN(cols.index[j * cols.padded + x + c], cols.wanted);
                Sum<T> weight = factor<T>(cols.weight[j * cols.padded + x + c]);
                a = plus(a, weight, totals[index]);
                if (GAPS) b = plus(b, weight, shares[index]);
            }
            sum.lane[c] = a;
            if (GAPS) sure.lane[c] = b;
        }
        if (!GAPS)
            for (int c = 0; c < COLS; ++c)
                for (int r = 0; r < ROWS; ++r)
                    sure.one[c * ROWS + r] = factor<T>(down[r]) * factor<T>(cols.share[x + c]);
        int left = cols.pixels - x;
        put_means<T>(sum.one, sure.one, *job.output, job.out, y * job.stride + x, job.stride, 1, n,
                     left < COLS ? left : COLS);
    }
}

// Rows y to y + n - 1 of means. ``gap``: for each wanted row of cells 0 where all have data, 1 where some, 3 where
// none.
template <class T> LT_FN void mean_rows(const Job& job, const u8* gap, int y, int n, const Room<T>& room) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    i32 down[ROWS], gaps = 0, all = 2;
    for (int r = 0; r < ROWS; ++r) {
        int at = y + (r < n ? r : n - 1);
        down[r] = rows.share[at];
        for (i32 i = 0; i < rows.taps; ++i)
            if (rows.weight[i * rows.padded + at]) {
                i32 is = gap[LT_IN(rows.index[i * rows.padded + at], rows.wanted)];
                gaps |= is;
                all &= is;
            }
    }
    if (all || !cols.wanted || !rows.wanted) {
        for (int r = 0; r < n; ++r)
            for (int x = 0; x < cols.pixels; ++x) put_nothing(job.out, (y + r) * job.stride + x, job.output->kind);
        return;
    }
    for (int r = 0; r < ROWS; ++r) {
        int at = y + (r < n ? r : n - 1);
        Sum<T>*total = room.total + r * room.row, *share = room.share + r * room.row;
        if (!gaps) sum_row<T, 0>(job, at, total, share);
        else if (!job.nodata->count) sum_row<T, 1>(job, at, total, share);
        else sum_row<T, 2>(job, at, total, share);
    }
    as_lanes<T>(room.total, room.row, cols.wanted, room.totals);
    if (!gaps) {
        put_rows<T, 0>(job, down, room.totals, room.shares, y, n);
        return;
    }
    as_lanes<T>(room.share, room.row, cols.wanted, room.shares);
    put_rows<T, 1>(job, down, room.totals, room.shares, y, n);
}

// ---- Axes: means of floats, summed along the rows of cells, then along the columns ----

// The sums along a wanted row of cells for each pixel across. ``value`` and ``sure``: room for the wanted cells.
template <class T>
LT_FN void sum_across(const Job& job, i32 wanted_row, f64* value, f64* sure, f64* total, f64* share) {
    const Axis& cols = *job.cols;
    for (i32 k = 0; k < cols.runs; ++k) {
        const Run& run = cols.run[k];
        const T* line = line_of<T>(job, wanted_row, k);
        for (i32 c = run.first; c < run.first + run.count; ++c) {
            T code = line[LT_IN(cols.cell[c], job.chunk_cols)];
            bool ok = is_mixed<true>(code, *job.nodata);
            value[c] = ok ? (f64)code : 0.0;
            sure[c] = ok ? 1.0 : 0.0;
        }
    }
    for (i32 x = 0; x < cols.pixels; ++x) total[x] = share[x] = 0.0;
    for (i32 j = 0; j < cols.taps; ++j) {
        const i32 *index = cols.index + j * cols.padded, *weight = cols.weight + j * cols.padded;
        for (i32 x = 0; x < cols.pixels; ++x) {
            f64 by = factor<T>(weight[x]);
            total[x] = plus(total[x], by, value[LT_IN(index[x], cols.wanted)]);
            share[x] = plus(share[x], by, sure[index[x]]);
        }
    }
}

// Row y of means. ``held``: which wanted row each of KEPT_ROWS rows of sums holds, -1 for none.
enum { KEPT_ROWS = 8 };
struct Ring {
    f64 *value, *sure;    // [wanted columns]
    f64 *total, *share;   // [KEPT_ROWS + 1][row]: of wanted rows, and last of the row of pixels
    i64 row;
    i32 held[KEPT_ROWS];
};
template <class T> LT_FN void mean_row_cols_first(const Job& job, int y, Ring& ring) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    i32 index[MAX_TAPS], weight[MAX_TAPS], n = cells_of_pixel(rows, y, index, weight);
    f64 *total = ring.total + KEPT_ROWS * ring.row, *share = ring.share + KEPT_ROWS * ring.row;
    i64 padded = (cols.pixels + LANES - 1) / LANES * LANES;
    for (i64 x = 0; x < padded; ++x) total[x] = share[x] = 0.0;
    for (i32 i = 0; i < n; ++i) {
        // The cells of a pixel are neighbours, fewer than KEPT_ROWS.
        i32 place = index[i] % KEPT_ROWS;
        f64 *sums = ring.total + place * ring.row, *shares = ring.share + place * ring.row;
        if (ring.held[place] != index[i]) {
            sum_across<T>(job, index[i], ring.value, ring.sure, sums, shares);
            ring.held[place] = index[i];
        }
        f64 by = factor<T>(weight[i]);
        for (i32 x = 0; x < cols.pixels; ++x) {
            total[x] = plus(total[x], by, sums[x]);
            share[x] = plus(share[x], by, shares[x]);
        }
    }
    for (i32 x = 0; x < cols.pixels; x += LANES) {
        int left = cols.pixels - x;
        i64 at = y * job.stride + x;
        if (left >= LANES) {  // neighbours as lanes: ROWS of them one apart, COLS of those ROWS apart
            put_means<T>(total + x, share + x, *job.output, job.out, at, 1, ROWS, ROWS, COLS);
            continue;
        }
        for (int k = 0; k < left; ++k) put_mean<T>(job, at + k, total[x + k], share[x + k]);
    }
}

// ---- The most frequent value ----

// As most_frequent, of exactly N cells: in registers, where the processor has enough of them.
#define LT_UNROLLED _Pragma("GCC unroll 16")
template <int N> LT_COLD void most_frequent_of(const Cells& cells, Wide& found) {
    Wide none = {}, nan = all_lanes(not_a_number()), enough = all_lanes(8589934592.0);
    Wide own[N], weight[N], total[N], share = none, key = nan;
    Mask differs = {};
    LT_UNROLLED for (int a = N - 1; a >= 0; --a) {
        own[a] = cells.key[a];
        total[a] = weight[a] = cells.weight[a];
        Mask is = is_number(own[a]);
        share += weight[a];
        differs |= is & is_number(key) & opposite(is_equal(own[a], key));
        key = chosen(is, own[a], key);
    }
    if (any(differs)) {
        Wide most = none;
        LT_UNROLLED for (int a = 0; a < N; ++a) {
            LT_UNROLLED for (int b = a + 1; b < N; ++b) {
                Mask same = is_equal(own[a], own[b]);
                total[a] += chosen(same, weight[b], none);
                total[b] += chosen(same, weight[a], none);
            }
            Mask better = is_more(total[a], most);
            key = chosen(better, own[a], key);
            most = chosen(better, total[a], most);
        }
    }
    found = chosen(is_more(enough, share), nan, key);
}
LT_FN Wide most_frequent_cell(const Cells& cells) {
    Wide found;
    switch (cells.count) {  // what the pixels of most tiles have
        case 4: most_frequent_of<4>(cells, found); return found;
        case 6: most_frequent_of<6>(cells, found); return found;
        case 9: most_frequent_of<9>(cells, found); return found;
        default: return most_frequent(cells);
    }
}

// Row y of modes. ``held``: which wanted row each of KEPT_ROWS entries of ``key`` holds, -1 for none.
struct Keys {
    f64* wanted;  // [row]
    f64* key;     // [KEPT_ROWS][taps][row]: of the cells of each pixel across; NaN for those without weight
    i64 row;
    i32 held[KEPT_ROWS];
};
// The keys of cells of a line. IS_RANGE: integers of which a range is data, contiguous in the line.
template <class T, bool IS_RANGE>
LT_FN void keys_of_run(const Job& job, const T* codes, const i32* cell, i32 count, f64* key) {
    f64 nan = not_a_number();
    if constexpr (IS_RANGE) {
        i32 low = job.nodata->low, high = job.nodata->high;
        for (i32 c = 0; c < count; ++c) {
            i32 code = codes[c];
            key[c] = (code >= low) & (code <= high) ? (f64)code : nan;
        }
    } else
        for (i32 c = 0; c < count; ++c)
            key[c] = key_of<T>(codes[LT_IN(cell[c], job.chunk_cols)], *job.nodata, *job.output);
}
template <class T> LT_FN void find_keys(const Job& job, i32 wanted_row, f64* wanted, f64* key, i64 row) {
    const Axis& cols = *job.cols;
    for (i32 k = 0; k < cols.runs; ++k) {
        const Run& run = cols.run[k];
        const T* codes = line_of<T>(job, wanted_row, k);
        if (Code<T>::IS_EXACT && run.is_contiguous && !job.nodata->count)
            keys_of_run<T, Code<T>::IS_EXACT != 0>(job, codes + run.cell, (const i32*)0, run.count, wanted + run.first);
        else keys_of_run<T, false>(job, codes, cols.cell + run.first, run.count, wanted + run.first);
    }
    for (i32 j = 0; j < cols.taps; ++j) {
        const i32 *at = cols.index + j * cols.padded, *weight = cols.weight + j * cols.padded;
        for (i32 x = 0; x < cols.padded; ++x) {
            f64 found = wanted[LT_IN(at[x], cols.wanted)];
            key[j * row + x] = weight[x] > 0 ? found : not_a_number();
        }
    }
}
// Put out the keys of neighbours, n of them.
template <class T> LT_FN void put_keys(const Job& job, i64 at, Wide key, int n) {
    const Output& output = *job.output;
    if constexpr (Code<T>::IS_EXACT)
        if (output.kind == INDEX8 && n >= ROWS) {
            u8* to = (u8*)job.out + at;
            for (int k = 0; k < ROWS; ++k) {
                f64 one = lane_of(key, k);
                bool is = one == one;
                u16 index = output.exact[(typename Code<T>::Pattern)(i32)(is ? one : 0.0)];
                to[k] = is ? (u8)index : (u8)0;
            }
            return;
        }
    for (int k = 0; k < ROWS && k < n; ++k) put_key<T>(job, at + k, lane_of(key, k));
}
template <class T> LT_FN void mode_row(const Job& job, int y, Keys& keys) {
    const Axis &rows = *job.rows, &cols = *job.cols;
    i32 index[MAX_TAPS], weight[MAX_TAPS], n = cols.wanted ? cells_of_pixel(rows, y, index, weight) : 0;
    const f64* line[MAX_TAPS];
    for (i32 i = 0; i < n; ++i) {
        i32 place = index[i] % KEPT_ROWS;
        f64* key = keys.key + place * cols.taps * keys.row;
        line[i] = key;
        if (keys.held[place] == index[i]) continue;
        find_keys<T>(job, index[i], keys.wanted, key, keys.row);
        keys.held[place] = index[i];
    }
    for (int x = 0; x < cols.pixels; x += ROWS) {
        Cells cells;
        Wide none = {};
        cells.count = n * cols.taps;
        for (i32 j = 0; j < cols.taps; ++j) {
            const i32* by = cols.weight + j * cols.padded + x;
            Wide across;
            for (int k = 0; k < ROWS; ++k) lane_of(across, k) = (f64)by[k];
            for (i32 i = 0; i < n; ++i) {
                Wide key;
                __builtin_memcpy(&key, line[i] + j * keys.row + x, sizeof key);
                cells.key[i * cols.taps + j] = key;
                cells.weight[i * cols.taps + j] = chosen(is_number(key), across * (f64)weight[i], none);
            }
        }
        Wide best = most_frequent_cell(cells);
        put_keys<T>(job, y * job.stride + x, best, cols.pixels - x);
    }
}

// ---- A mesh ----

// The taps of one pixel that have a weight: columns with their chunks, rows as numbers.
struct PixelTaps {
    i32 col_count, row_count;
    i32 chunk[MAX_TAPS], place[MAX_TAPS], across[MAX_TAPS];  // of columns
    i32 row[MAX_TAPS], down[MAX_TAPS];
    i32 is_contiguous;  // whether the columns are neighbours in one chunk
};
LT_FN void taps_of_pixel(const Job& job, const Taps& down, const Taps& across, int lane, PixelTaps& taps) {
    const Mesh& mesh = *job.mesh;
    taps.col_count = taps.row_count = 0;
    for (int n = 0; n < MAX_TAPS; ++n) {
        i32 weight = down.weight[n][lane];
        if (!weight) continue;
        taps.row[taps.row_count] = down.first[lane] + n;
        taps.down[taps.row_count++] = weight;
    }
    i32 together = 1;
    for (int n = 0; n < MAX_TAPS; ++n) {
        i32 weight = across.weight[n][lane];
        if (!weight) continue;
        i32 col = across.first[lane] + n, m = taps.col_count++;
        if (mesh.wraps) col = wrapped(col, mesh.cols);
        taps.chunk[m] = quotient(col, job.chunk_cols);
        taps.place[m] = col - taps.chunk[m] * job.chunk_cols;
        taps.across[m] = weight;
        if (m) together &= (taps.chunk[m] == taps.chunk[0]) & (taps.place[m] == taps.place[0] + m);
    }
    taps.is_contiguous = together;
}

// Integers: sums are exact in any order.
template <bool HAS_LIST, class T>
LT_FN void sum_pixel(const Job& job, const PixelTaps& taps, i64& total, i64& share) {
    for (int i = 0; i < taps.row_count; ++i) {
        i64 sum = 0, sure = 0;
        if (taps.is_contiguous) {
            const T* cell = line_of_mesh<T>(job, taps.row[i], taps.chunk[0]) + taps.place[0];
            for (int j = 0; j < taps.col_count; ++j) {
                T code = cell[j];
                i64 weight = is_mixed<HAS_LIST>(code, *job.nodata) ? taps.across[j] : 0;
                sum += weight * (i64)code;
                sure += weight;
            }
        } else {
            for (int j = 0; j < taps.col_count; ++j) {
                T code = line_of_mesh<T>(job, taps.row[i], taps.chunk[j])[LT_IN(taps.place[j], job.chunk_cols)];
                i64 weight = is_mixed<HAS_LIST>(code, *job.nodata) ? taps.across[j] : 0;
                sum += weight * (i64)code;
                sure += weight;
            }
        }
        total += taps.down[i] * sum;
        share += taps.down[i] * sure;
    }
}
// Floats: cell by cell, row by row, as the NumPy kernel.
template <class T> LT_FN void sum_pixel_in_order(const Job& job, const PixelTaps& taps, f64& total, f64& share) {
    for (int i = 0; i < taps.row_count; ++i)
        for (int j = 0; j < taps.col_count; ++j) {
            T code = line_of_mesh<T>(job, taps.row[i], taps.chunk[j])[LT_IN(taps.place[j], job.chunk_cols)];
            f64 weight = factor<T>(taps.down[i]) * factor<T>(taps.across[j]);  // exact
            if (!is_mixed<true>(code, *job.nodata)) continue;
            total = plus(total, (f64)code, weight);
            share += weight;
        }
}

// n <= LANES pixels of a mesh from ``x`` on in row ``y``.
template <class T> LT_FN void mesh_pixels(const Job& job, int y, int x, int n) {
    const Mesh& mesh = *job.mesh;
    i64 pixel = (i64)y * mesh.width + x, at = y * job.stride + x;
    if (job.method == NEAREST) {
        if (job.output->kind == VALUE) put_mesh_nearest<T, VALUE>(job, pixel, at, n);
        else if (job.output->kind == INDEX16) put_mesh_nearest<T, INDEX16>(job, pixel, at, n);
        else put_mesh_nearest<T, INDEX8>(job, pixel, at, n);
        return;
    }
    f64 centre[2][LANES], covered[2][LANES];
    for (int k = 0; k < LANES; ++k) {
        bool is = k < n;
        f64 to_x = is ? mesh.x[pixel + k] : not_a_number(), to_y = is ? mesh.y[pixel + k] : not_a_number();
        bool shown = (to_x - to_x == 0.0) & (to_y - to_y == 0.0);
        centre[0][k] = shown ? to_y : not_a_number();
        centre[1][k] = shown ? to_x : not_a_number();
        covered[0][k] = is && mesh.high ? mesh.high[pixel + k] : 1.0;
        covered[1][k] = is && mesh.wide ? mesh.wide[pixel + k] : 1.0;
    }
    Taps down, across;
    find_taps(job.method, centre[0], covered[0], mesh.rows, false, down);
    find_taps(job.method, centre[1], covered[1], mesh.cols, mesh.wraps != 0, across);
    PixelTaps taps;
    if (job.method == MODE) {
        for (int first = 0; first < n; first += ROWS) {
            Cells cells;
            Wide none = {};
            cells.count = 0;
            for (int k = 0; k < ROWS && first + k < n; ++k) {
                taps_of_pixel(job, down, across, first + k, taps);
                i32 count = taps.row_count * taps.col_count;
                for (; cells.count < count; ++cells.count) set_cell(cells, cells.count, none, none);
                for (int i = 0; i < taps.row_count; ++i)
                    for (int j = 0; j < taps.col_count; ++j) {
                        T code = line_of_mesh<T>(job, taps.row[i], taps.chunk[j])[LT_IN(taps.place[j], job.chunk_cols)];
                        f64 key = key_of<T>(code, *job.nodata, *job.output);
                        int at = i * taps.col_count + j;
                        lane_of(cells.key[at], k) = key;
                        lane_of(cells.weight[at], k) = key == key ? (f64)taps.down[i] * (f64)taps.across[j] : 0.0;
                    }
            }
            Wide best = most_frequent_cell(cells);
            for (int k = 0; k < ROWS && first + k < n; ++k) put_key<T>(job, at + first + k, lane_of(best, k));
        }
        return;
    }
    Sum<T> totals[LANES], shares[LANES];
    for (int k = 0; k < LANES; ++k) {
        if constexpr (Code<T>::IS_EXACT) {
            i64 total = 0, share = 0;
            if (k < n) {
                taps_of_pixel(job, down, across, k, taps);
                if (job.nodata->count) sum_pixel<true, T>(job, taps, total, share);
                else sum_pixel<false, T>(job, taps, total, share);
            }
            totals[k] = (Sum<T>)total;
            shares[k] = (Sum<T>)share;
        } else {
            f64 total = 0.0, share = 0.0;
            if (k < n) {
                taps_of_pixel(job, down, across, k, taps);
                sum_pixel_in_order<T>(job, taps, total, share);
            }
            totals[k] = total;
            shares[k] = share;
        }
    }
    if (n == LANES) { put_means<T>(totals, shares, *job.output, job.out, at, 1, ROWS, ROWS, COLS); return; }
    for (int k = 0; k < n; ++k) put_mean<T>(job, at + k, totals[k], shares[k]);
}
#endif
