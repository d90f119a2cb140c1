// Words of bytes in any order of the processor, and the checksums of a PNG.
#ifndef LT_CHECKSUMS_H
#define LT_CHECKSUMS_H
#include "pixels.h"

LT_FN u64 load64(const u8* from) {
    u64 word;
    __builtin_memcpy(&word, from, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}
LT_FN void store64(u8* to, u64 word) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    __builtin_memcpy(to, &word, 8);
}
LT_FN void store_big32(u8* to, u32 number) {
    for (int i = 0; i < 4; ++i) to[i] = (u8)(number >> (24 - 8 * i));
}

struct CrcTables { u32 of[16][256]; };
static constexpr CrcTables make_crc_tables() {
    CrcTables tables = {};
    for (u32 i = 0; i < 256; ++i) {
        u32 crc = i;
        for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0u);
        tables.of[0][i] = crc;
    }
    for (int t = 1; t < 16; ++t)
        for (u32 i = 0; i < 256; ++i)
            tables.of[t][i] = (tables.of[t - 1][i] >> 8) ^ tables.of[0][tables.of[t - 1][i] & 255];
    return tables;
}
static constexpr CrcTables CRC = make_crc_tables();

// CRC-32 (PNG specification, annex D), 16 bytes a step.
static u32 crc32_of(const u8* bytes, i64 count) {
    u32 crc = ~0u;
    for (; count >= 16; bytes += 16, count -= 16) {
        u64 low = load64(bytes) ^ crc, high = load64(bytes + 8);
        crc = 0;
        for (int i = 0; i < 8; ++i)
            crc ^= CRC.of[15 - i][low >> (8 * i) & 255] ^ CRC.of[7 - i][high >> (8 * i) & 255];
    }
    for (; count; ++bytes, --count) crc = (crc >> 8) ^ CRC.of[0][(crc ^ *bytes) & 255];
    return ~crc;
}

enum { ADLER_STEP = 1024, ADLER_BASE = 65521 };
struct AdlerWeights { i16 of[ADLER_STEP]; };
static constexpr AdlerWeights make_adler_weights() {
    AdlerWeights weights = {};
    for (int i = 0; i < ADLER_STEP; ++i) weights.of[i] = (i16)i;
    return weights;
}
static constexpr AdlerWeights ADLER = make_adler_weights();

// Adler-32 (RFC 1950) of more bytes: a sum, and one weighted by position.
static u32 adler32_of(u32 adler, const u8* bytes, i64 count) {
    u64 a = adler & 0xffff, b = adler >> 16;
    while (count > 0) {
        i32 n = count < ADLER_STEP ? (i32)count : (i32)ADLER_STEP, sum = 0, weighted = 0;
        for (i32 i = 0; i < n; ++i) {
            sum += bytes[i];
            weighted += (i16)bytes[i] * ADLER.of[i];
        }
        b = (b + (u64)n * (a + (u64)sum) - (u64)weighted) % ADLER_BASE;
        a = (a + (u64)sum) % ADLER_BASE;
        bytes += n;
        count -= n;
    }
    return (u32)(b << 16 | a);
}
#endif
