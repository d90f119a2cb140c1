// Deflate (RFC 1951) of tokens: Huffman codes that fit their counts, written to bits.
//
// A token is a literal byte, or the length of a match; all matches have the distance 1.
#ifndef LT_DEFLATE_H
#define LT_DEFLATE_H
#include "checksums.h"

enum {
    SHORTEST = 3, LONGEST = 258,   // matches
    END = 256,                     // token of the end of a block; 256 + n is a match of n bytes
    TOKENS = END + LONGEST + 1,
    LITERALS = 286,                // symbols of literals, the end and lengths
    LITERAL_BITS = 13,             // of a code at most: three tokens of 13 + 5 + 1 bits, and 7 bits, fill a word
    LENGTHS = 19, LENGTH_BITS = 7  // symbols of the lengths of codes, and bits of a code at most
};
enum { STORED = 0, FIXED = 1, DYNAMIC = 2 };  // kinds of blocks

// ---- Bits, the first in the lowest place ----

struct BitWriter {
    u8* at;
    u64 held;
    u32 count;  // of bits held
};
LT_FN void put(BitWriter& to, u64 bits, u32 count) {
    to.held |= bits << to.count;
    to.count += count;
}
// Leaves at most 7 bits; touches 8 bytes.
LT_FN void flush(BitWriter& to) {
    store64(to.at, to.held);
    to.at += to.count >> 3;
    to.held = to.count & 64 ? 0 : to.held >> (to.count & 56);
    to.count &= 7;
}
LT_FN void align(BitWriter& to) {
    to.count = (to.count + 7) & ~7u;
    flush(to);
}

// ---- Symbols of lengths ----

struct LengthSymbol { u16 symbol; u8 extra_bits, extra; };
struct LengthSymbols { LengthSymbol of[LONGEST + 1]; };
static constexpr LengthSymbols make_length_symbols() {
    LengthSymbols made = {};
    int length = SHORTEST;
    for (int i = 0; i < 28; ++i) {
        int bits = i < 8 ? 0 : (i - 4) / 4;
        for (int extra = 0; extra < 1 << bits && length < LONGEST; ++extra, ++length)
            made.of[length] = {(u16)(257 + i), (u8)bits, (u8)extra};
    }
    made.of[LONGEST] = {285, 0, 0};
    return made;
}
static constexpr LengthSymbols LENGTH = make_length_symbols();

// ---- Huffman codes ----

struct Huffman {
    u8 length[LITERALS];
    u16 code[LITERALS];  // the first bit in the lowest place
};

// Sort keys by the 18 bits above their lowest nine. ``spare`` is as long.
static void sort_keys(u32* keys, u32* spare, int count) {
    for (int shift = 9; shift < 27; shift += 9) {
        u16 place[513] = {};
        for (int i = 0; i < count; ++i) ++place[(keys[i] >> shift & 511) + 1];
        for (int i = 0; i < 511; ++i) place[i + 1] = (u16)(place[i + 1] + place[i]);
        for (int i = 0; i < count; ++i) spare[place[keys[i] >> shift & 511]++] = keys[i];
        u32* swapped = keys;
        keys = spare;
        spare = swapped;
    }
}
// Replace ascending counts by the lengths of their codes (Moffat and Katajainen, In-place calculation of minimum-
// redundancy codes, 1995). ``n`` is 2 or more.
static void count_bits(u32* a, int n) {
    a[0] += a[1];
    for (int root = 0, leaf = 2, next = 1; next < n - 1; ++next) {
        if (leaf >= n || a[root] < a[leaf]) {
            a[next] = a[root];
            a[root++] = (u32)next;
        } else a[next] = a[leaf++];
        if (leaf >= n || (root < next && a[root] < a[leaf])) {
            a[next] += a[root];
            a[root++] = (u32)next;
        } else a[next] += a[leaf++];
    }
    a[n - 2] = 0;
    for (int next = n - 3; next >= 0; --next) a[next] = a[a[next]] + 1;
    int available = 1, used = 0, root = n - 2, next = n - 1;
    for (u32 depth = 0; available > 0; ++depth) {
        for (; root >= 0 && a[root] == depth; --root) ++used;
        for (; available > used; --available) a[next--] = depth;
        available = 2 * used;
        used = 0;
    }
}
// Codes of at most ``limit`` bits for symbols that occur ``count`` times, each less than 2^18 times, two of them or more.
static void make_codes(const u32* count, int symbols, int limit, Huffman& made) {
    u32 keys[LITERALS], spare[LITERALS], depth[LITERALS], of_length[LITERALS] = {};
    int n = 0;
    for (int s = 0; s < symbols; ++s) {
        made.length[s] = 0;
        made.code[s] = 0;
        keys[n] = count[s] << 9 | (u32)s;
        n += count[s] != 0;
    }
    sort_keys(keys, spare, n);
    for (int i = 0; i < n; ++i) depth[i] = keys[i] >> 9;
    count_bits(depth, n);
    for (int i = 0; i < n; ++i) ++of_length[depth[i] < (u32)limit ? depth[i] : (u32)limit];
    // Shortened codes take too much of the space of codes: lengthen others, the longest first.
    u32 space = 0;
    for (int bits = 1; bits <= limit; ++bits) space += of_length[bits] << (limit - bits);
    for (; space > 1u << limit; --space) {
        --of_length[limit];
        int bits = limit - 1;
        while (!of_length[bits]) --bits;
        --of_length[bits];
        of_length[bits + 1] += 2;
    }
    for (int bits = limit, i = 0; bits; --bits)
        for (u32 k = 0; k < of_length[bits]; ++k) made.length[keys[i++] & 511] = (u8)bits;
    u32 next[17] = {};
    for (int bits = 1; bits < limit; ++bits) next[bits + 1] = (next[bits] + of_length[bits]) << 1;
    for (int s = 0; s < symbols; ++s) {
        if (!made.length[s]) continue;
        u32 code = next[made.length[s]]++, reversed = 0;
        for (int k = 0; k < made.length[s]; ++k) reversed |= (code >> k & 1) << (made.length[s] - 1 - k);
        made.code[s] = (u16)reversed;
    }
}
// The codes that need no description (RFC 1951, 3.2.6).
static void make_fixed_codes(Huffman& made) {
    u32 next[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0x30, 0x190};
    for (int s = 0; s < LITERALS; ++s) {
        int bits = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8;
        u32 code = s < 280 ? next[bits]++ : 0xc0u + (u32)(s - 280), reversed = 0;
        for (int k = 0; k < bits; ++k) reversed |= (code >> k & 1) << (bits - 1 - k);
        made.length[s] = (u8)bits;
        made.code[s] = (u16)reversed;
    }
}

// ---- The description of codes (RFC 1951, 3.2.7) ----

struct Description {
    Huffman lengths;
    u8 symbol[LITERALS + 1], extra[LITERALS + 1];
    int items, literals, shown;  // items of the list, codes of literals, and lengths of codes of lengths
    i64 bits;
};
static const u8 LENGTH_ORDER[LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
LT_FN u32 extra_bits_of(int symbol) { return symbol == 16 ? 2 : symbol == 17 ? 3 : symbol == 18 ? 7 : 0; }

static void describe(const Huffman& literals, Description& made) {
    u8 length[LITERALS + 1];
    int count = LITERALS;
    while (count > END + 1 && !literals.length[count - 1]) --count;
    __builtin_memcpy(length, literals.length, (u64)count);
    length[count] = 1;  // the code of the distance
    made.literals = count;
    u32 counts[LENGTHS] = {};
    int items = 0;
    for (int i = 0, same; i <= count; i += same) {
        int extra = 0, symbol = length[i];
        for (same = 1; i + same <= count && length[i + same] == length[i]; ++same) {}
        if (!length[i] && same >= 11) same = same < 138 ? same : 138, symbol = 18, extra = same - 11;
        else if (!length[i] && same >= 3) symbol = 17, extra = same - 3;
        else if (i && length[i] == length[i - 1] && same >= 3) same = same < 6 ? same : 6, symbol = 16, extra = same - 3;
        else same = 1;
        made.symbol[items] = (u8)symbol;
        made.extra[items++] = (u8)extra;
        ++counts[symbol];
    }
    made.items = items;
    make_codes(counts, LENGTHS, LENGTH_BITS, made.lengths);
    made.shown = LENGTHS;
    while (made.shown > 4 && !made.lengths.length[LENGTH_ORDER[made.shown - 1]]) --made.shown;
    made.bits = 14 + 3 * made.shown;
    for (int i = 0; i < items; ++i) made.bits += made.lengths.length[made.symbol[i]] + extra_bits_of(made.symbol[i]);
}
static void put_description(BitWriter& to, const Description& description) {
    put(to, (u64)(description.literals - 257), 5);
    put(to, 0, 5);  // one code of a distance
    put(to, (u64)(description.shown - 4), 4);
    flush(to);
    for (int i = 0; i < description.shown; ++i) {
        put(to, description.lengths.length[LENGTH_ORDER[i]], 3);
        flush(to);
    }
    for (int i = 0; i < description.items; ++i) {
        int symbol = description.symbol[i];
        put(to, description.lengths.code[symbol], description.lengths.length[symbol]);
        put(to, description.extra[i], extra_bits_of(symbol));
        flush(to);
    }
}

// ---- Blocks ----

struct TokenCode { u32 bits, count; };

static i64 bits_of(const Huffman& codes, const u32* count, u32 distance_bits) {
    i64 bits = 0;
    for (int s = 0; s <= END; ++s) bits += (i64)count[s] * codes.length[s];
    for (int length = SHORTEST; length <= LONGEST; ++length) {
        const LengthSymbol& of = LENGTH.of[length];
        bits += (i64)count[END + length] * (codes.length[of.symbol] + of.extra_bits + distance_bits);
    }
    return bits;
}
static void put_tokens(BitWriter& to, const u16* tokens, i64 count, const Huffman& codes, u32 distance_bits) {
    TokenCode code[TOKENS] = {};
    for (int s = 0; s <= END; ++s) code[s] = {codes.code[s], codes.length[s]};
    for (int length = SHORTEST; length <= LONGEST; ++length) {
        const LengthSymbol& of = LENGTH.of[length];  // the distance 1 is symbol 0, whose bits are 0
        u32 bits = codes.length[of.symbol];
        code[END + length] = {codes.code[of.symbol] | (u32)of.extra << bits, bits + of.extra_bits + distance_bits};
    }
    i64 i = 0;
    BitWriter local = to;
    for (; i + 3 <= count; i += 3) {
        TokenCode a = code[LT_IN(tokens[i], TOKENS)], b = code[LT_IN(tokens[i + 1], TOKENS)],
                  c = code[LT_IN(tokens[i + 2], TOKENS)];
        put(local, a.bits | (u64)b.bits << a.count | (u64)c.bits << (a.count + b.count), a.count + b.count + c.count);
        flush(local);
    }
    for (; i < count; ++i) {
        TokenCode a = code[LT_IN(tokens[i], TOKENS)];
        put(local, a.bits, a.count);
        flush(local);
    }
    put(local, code[END].bits, code[END].count);
    flush(local);
    to = local;
}
static void put_stored(BitWriter& to, const u8* bytes, i64 count, bool is_last) {
    while (count) {
        i64 n = count < 65535 ? count : 65535;
        put(to, is_last && n == count, 3);
        align(to);
        put(to, (u64)n | (u64)(n ^ 65535) << 16, 32);
        flush(to);
        __builtin_memcpy(to.at, bytes, (u64)n);
        to.at += n;
        bytes += n;
        count -= n;
    }
}
// A block of tokens, in whatever kind is the smallest. ``bytes`` are what the tokens stand for.
static void put_block(BitWriter& to, const u16* tokens, i64 count, const u8* bytes, i64 size, bool is_last) {
    u32 part[4][TOKENS] = {}, token_counts[TOKENS], symbol_counts[LITERALS] = {};
    i64 i = 0;
    for (; i + 4 <= count; i += 4)  // neighbours are often equal: each counts in a table of its own
        for (int k = 0; k < 4; ++k) ++part[k][LT_IN(tokens[i + k], TOKENS)];
    for (; i < count; ++i) ++part[0][LT_IN(tokens[i], TOKENS)];
    for (int t = 0; t < TOKENS; ++t) token_counts[t] = part[0][t] + part[1][t] + part[2][t] + part[3][t];
    token_counts[END] = 1;
    for (int s = 0; s <= END; ++s) symbol_counts[s] = token_counts[s];
    for (int n = SHORTEST; n <= LONGEST; ++n) symbol_counts[LENGTH.of[n].symbol] += token_counts[END + n];
    Huffman dynamic, fixed;
    Description description;
    make_codes(symbol_counts, LITERALS, LITERAL_BITS, dynamic);
    describe(dynamic, description);
    i64 bits = 3 + description.bits + bits_of(dynamic, token_counts, 1);
    i64 stored_bits = 8 * (size + 5 * ((size + 65534) / 65535)) + 7;
    if (bits < 8 * 1024) {  // a description of codes can only matter to a small block
        make_fixed_codes(fixed);
        i64 fixed_bits = 3 + bits_of(fixed, token_counts, 5);
        if (fixed_bits <= bits && fixed_bits < stored_bits) {
            put(to, (u64)is_last | FIXED << 1, 3);
            put_tokens(to, tokens, count, fixed, 5);
            return;
        }
    }
    if (bits >= stored_bits) {
        put_stored(to, bytes, size, is_last);
        return;
    }
    put(to, (u64)is_last | DYNAMIC << 1, 3);
    put_description(to, description);
    put_tokens(to, tokens, count, dynamic, 1);
}
#endif
