// Palette indices to a PNG of 8 bits a pixel: row filter, deflate, checksums. One call for a picture.
//
// Made for what tiles are. After the filter Up a smooth field is mostly zeros, and a pixel that differs from the one
// above often differs as its left neighbour does. Such rows are runs of one byte with single bytes between them, so the
// only distance of a match is 1: there is no search and no hash table, and as the code of the distance takes one bit
// where other matches take five to twelve, the result is smaller than with a search by zlib's or ISA-L's fast levels.
//
//   rows    filtered, a block of some rows at a time
//   runs    a bit for each byte that equals the one before it; words of such bits tell where long runs begin and end
//   tokens  a literal byte, or the length of a run (deflate.h)
//
// The bytes depend on the pixels only: neither on the instruction set nor on the platform.
#include "deflate.h"
#ifndef LT_SUFFIX
#define LT_SUFFIX(name) name
#endif
#define LT_EXPORT extern "C" __attribute__((visibility("default")))

enum {
    BLOCK_BYTES = 66048,  // of filtered rows: 256 rows of 256 pixels, and 128 of 512
    ROOM = 64,            // bytes that loops may touch before and behind what they fill
    FILTER_UP = 2,
    PALETTE_COLOURS = 3   // colour type
};

struct Block {
    u8* row;             // [-ROOM, bytes + ROOM): filtered
    u64 *same, *zero;    // [-1, bytes / 64 + 2): bits of bytes that equal the one before, and of zeros
    u64* found;          // [bytes / 64 + 1]: bits of bytes where runs begin, and that follow their ends
    u32* edge;           // [bytes / 2 + ROOM]: their places, beginnings and ends by turns
    u16* token;          // [bytes + ROOM]
};
static i64 padded(i64 count) { return (count + ROOM - 1) / ROOM * ROOM; }
static i64 block_rows(i64 height, i64 width) {
    i64 rows = BLOCK_BYTES / (width + 1);
    return rows < 1 ? 1 : rows < height ? rows : height;
}
static i64 scratch_bytes(i64 bytes) {
    return padded(bytes) + 2 * ROOM + 3 * padded((bytes / 64 + 3) * 8) + padded((bytes / 2 + ROOM) * 4) +
           padded((bytes + ROOM) * 2);
}
static Block block_in(u8* scratch, i64 bytes) {
    i64 words = padded((bytes / 64 + 3) * 8);
    Block block = {};
    block.row = scratch + ROOM;
    scratch += padded(bytes) + 2 * ROOM;
    block.same = (u64*)scratch + 1;
    block.zero = (u64*)(scratch + words) + 1;
    block.found = (u64*)(scratch + 2 * words);
    block.edge = (u32*)(scratch + 3 * words);
    block.token = (u16*)(scratch + 3 * words + padded((bytes / 2 + ROOM) * 4));
    return block;
}

// Bits of the bytes in which 64 bytes of ``a`` and ``b`` are equal.
#if defined(__AVX2__)
typedef char Bytes32 __attribute__((vector_size(32)));
LT_FN u64 equal_bytes(const u8* a, const u8* b) {
    u64 bits = 0;
    for (int i = 0; i < 2; ++i) {
        Bytes32 x, y;
        __builtin_memcpy(&x, a + 32 * i, 32);
        __builtin_memcpy(&y, b + 32 * i, 32);
        bits |= (u64)(u32)__builtin_ia32_pmovmskb256((Bytes32)(x == y)) << (32 * i);
    }
    return bits;
}
#elif defined(__SSE2__)
typedef char Bytes16 __attribute__((vector_size(16)));
LT_FN u64 equal_bytes(const u8* a, const u8* b) {
    u64 bits = 0;
    for (int i = 0; i < 4; ++i) {
        Bytes16 x, y;
        __builtin_memcpy(&x, a + 16 * i, 16);
        __builtin_memcpy(&y, b + 16 * i, 16);
        bits |= (u64)(u32)__builtin_ia32_pmovmskb128((Bytes16)(x == y)) << (16 * i);
    }
    return bits;
}
#else
LT_FN u64 equal_bytes(const u8* a, const u8* b) {
    const u64 low7 = 0x7f7f7f7f7f7f7f7fULL;
    u64 bits = 0;
    for (int i = 0; i < 8; ++i) {
        u64 x = load64(a + 8 * i) ^ load64(b + 8 * i);
        u64 is_zero = ~(((x & low7) + low7) | x | low7) >> 7;  // in the lowest bit of each byte
        bits |= (is_zero * 0x0102040810204080ULL >> 56) << (8 * i);
    }
    return bits;
}
#endif

// Filter rows: each pixel less the one above it (PNG specification, 9.2). ``above`` is null for the first row.
static void filter_rows(const u8* pixels, i64 stride, i64 width, i64 rows, bool has_above, u8* to) {
    for (i64 y = 0; y < rows; ++y, pixels += stride, to += width + 1) {
        to[0] = FILTER_UP;
        if (y || has_above) {
            const u8* above = pixels - stride;
            for (i64 x = 0; x < width; ++x) to[1 + x] = (u8)(pixels[x] - above[x]);
        } else __builtin_memcpy(to + 1, pixels, (u64)width);
    }
}
// Find where runs begin and end; return how many there are. Counted are bytes that equal the one before them: 3 or more,
// and of zeros, whose literals have one or two bits, 6 or more.
static i64 find_runs(const Block& block, i64 bytes, bool is_first) {
    static const u8 ZEROS[64] = {};
    i64 words = bytes / 64 + 1;
    u64 *same = block.same, *zero = block.zero;
    for (i64 i = 0; i < words; ++i) {
        same[i] = equal_bytes(block.row + 64 * i, block.row + 64 * i - 1);
        zero[i] = equal_bytes(block.row + 64 * i, ZEROS);
    }
    if (is_first) same[0] &= ~1ULL;
    same[words - 1] &= (1ULL << (bytes & 63)) - 1;  // a run ends where the block does
    same[-1] = zero[-1] = same[words] = 0;
    for (i64 i = 0; i < words; ++i) {
        u64 before = same[i - 1], here = same[i], after = same[i + 1];
#define LEFT(N) (here << N | before >> (64 - N))
#define RIGHT(N) (here >> N | after << (64 - N))
        u64 begins = here & ~LEFT(1) & RIGHT(1) & RIGHT(2) & (~zero[i] | (RIGHT(3) & RIGHT(4) & RIGHT(5)));
        u64 was_zero = zero[i] << 1 | zero[i - 1] >> 63;
        u64 ends = ~here & LEFT(1) & LEFT(2) & LEFT(3) & (~was_zero | (LEFT(4) & LEFT(5) & LEFT(6)));
#undef LEFT
#undef RIGHT
        block.found[i] = begins | ends;
    }
    u32* edge = block.edge;
    for (i64 i = 0; i < words; ++i)
        for (u64 bits = block.found[i]; bits; bits &= bits - 1) *edge++ = (u32)(64 * i + __builtin_ctzll(bits));
    return (edge - block.edge) / 2;
}
// Write the tokens of a block; return how many there are.
static i64 make_tokens(const Block& block, i64 bytes, i64 runs) {
    u16* to = block.token;
    i64 at = 0;
    for (i64 i = 0; i <= runs; ++i) {
        i64 begin = i < runs ? block.edge[2 * i] : bytes;
        for (i64 n = at; n < begin; n += 16)
            for (int k = 0; k < 16; ++k) to[n - at + k] = block.row[n + k];
        to += begin - at;
        if (i == runs) break;
        at = block.edge[2 * i + 1];
        i64 length = at - begin;
        for (; length >= LONGEST + SHORTEST; length -= LONGEST) *to++ = END + LONGEST;
        if (length > LONGEST) {
            *to++ = (u16)(END + length - SHORTEST);
            length = SHORTEST;
        }
        *to++ = (u16)(END + length);
    }
    return to - block.token;
}

LT_FN u8* put_chunk(u8* to, const char* kind, i64 bytes) {  // whose ``bytes`` are there already
    store_big32(to, (u32)bytes);
    __builtin_memcpy(to + 4, kind, 4);
    store_big32(to + 8 + bytes, crc32_of(to + 4, bytes + 4));
    return to + 12 + bytes;
}

// ---- Exports ----

// room[0]: bytes of scratch memory, aligned to 8; room[1]: of the file at most, besides the chunks of the palette.
LT_EXPORT void LT_SUFFIX(lt_png_room)(i64 height, i64 width, i64* room) {
    i64 rows = block_rows(height, width), bytes = rows * (width + 1), blocks = (height + rows - 1) / rows;
    room[0] = scratch_bytes(bytes);
    // A block that is stored takes 5 bytes more for each 65535, and one for the bits before it.
    room[1] = height * (width + 1) + blocks * (6 + 5 * (bytes / 65535)) + 6 + 8 + 25 + 24 + ROOM;
}
// Encode a picture; return the bytes of the file. ``stride`` is in bytes; ``chunks`` are those of the palette.
LT_EXPORT i64 LT_SUFFIX(lt_png)(const u8* pixels, i64 stride, i64 height, i64 width, const u8* chunks, i64 chunk_bytes,
                                u8* scratch, u8* out) {
    static const u8 SIGNATURE[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, DEPTH[5] = {8, PALETTE_COLOURS, 0, 0, 0};
    u8* at = out + 8;
    __builtin_memcpy(out, SIGNATURE, 8);
    store_big32(at + 8, (u32)width);
    store_big32(at + 12, (u32)height);
    __builtin_memcpy(at + 16, DEPTH, 5);
    at = put_chunk(at, "IHDR", 13);
    __builtin_memcpy(at, chunks, (u64)chunk_bytes);
    at += chunk_bytes;
    u8* data = at + 8;
    data[0] = 0x78;  // zlib (RFC 1950): deflate, a window of 32 KiB
    data[1] = 0x01;
    BitWriter to = {data + 2, 0, 0};
    i64 most_rows = block_rows(height, width);
    Block block = block_in(scratch, most_rows * (width + 1));
    u32 adler = 1;
    u8 last = 0;
    for (i64 y = 0, rows; y < height; y += rows) {
        rows = height - y < most_rows ? height - y : most_rows;
        i64 bytes = rows * (width + 1);
        block.row[-1] = last;
        filter_rows(pixels + y * stride, stride, width, rows, y > 0, block.row);
        __builtin_memset(block.row + bytes, 0, ROOM);
        last = block.row[bytes - 1];
        adler = adler32_of(adler, block.row, bytes);
        i64 tokens = make_tokens(block, bytes, find_runs(block, bytes, y == 0));
        put_block(to, block.token, tokens, block.row, bytes, y + rows == height);
    }
    align(to);
    store_big32(to.at, adler);
    at = put_chunk(at, "IDAT", to.at + 4 - data);
    return put_chunk(at, "IEND", 0) - out;
}
