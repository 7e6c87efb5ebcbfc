/* The Zig kernels' C interface, private to Lyger: rust/kernels/zig.rs is the only caller.
 *
 * Nothing here is checked. The caller has made sure that every column holds `rows` values and bits, that offsets
 * ascend, that LK_PADDING readable bytes follow every key and every string buffer, and that the CPU has what the
 * variant needs: nothing for `baseline`, the level x86-64-v2 for `v2` and so on, NEON for `neon`. A library has the
 * variants of its architecture. `checked` is the baseline with Zig's safety checks, and only in builds for tests. */
#ifndef LYGER_KERNELS_H
#define LYGER_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that a kernel may read behind a string buffer or key, and write behind what it reports as written. */
#define LK_PADDING 64

/* How many sines lk_heavy_sines writes. */
#define LK_LANES 32

/* What a column holds. */
#define LK_INT64 0
#define LK_UINT64 1
#define LK_FLOAT64 2
#define LK_FLOAT32 3
#define LK_BOOL 4
#define LK_TEXT 5
#define LK_ASCII 6
#define LK_JSON 7
#define LK_BYTES 8

typedef struct lk_column {
    /* The member's name with the punctuation before it: `,{"id":` for the first column, `,"name":` for others; in
     * arrays the punctuation alone, in lines without the first comma. */
    const uint8_t *key;
    size_t key_len;
    /* Numbers: one value per row. Strings: the bytes of all cells. */
    const void *values;
    /* Strings: rows + 1 offsets. Else null. */
    const uint32_t *offsets;
    /* A set bit per row that has a value, least significant first; null when all have one. */
    const uint8_t *validity;
    /* One of the kinds above. */
    uint32_t kind;
} lk_column;

typedef struct lk_table {
    const lk_column *columns;
    size_t column_count;
    size_t rows;
    /* What precedes a row without columns, and what follows each row; how much of them counts. */
    uint8_t open[2];
    uint8_t open_len;
    uint8_t close[2];
    uint8_t close_len;
    /* 1 where brackets surround the rows: the first replaces the first byte of row 0. */
    uint8_t is_list;
} lk_table;

typedef struct lk_progress {
    /* Rows and bytes written by this call. */
    size_t rows;
    size_t bytes;
    /* 0 when the last row is written, else a capacity that surely suffices for the rest. */
    size_t needed;
} lk_progress;

/* Writes the rows from `first_row` on as JSON, as many whole ones as surely fit `capacity` bytes at `out`. */
void lk_json_encode_table_baseline(const lk_table *table, size_t first_row, uint8_t *out, size_t capacity, lk_progress *progress);
void lk_json_encode_table_checked(const lk_table *table, size_t first_row, uint8_t *out, size_t capacity, lk_progress *progress);
void lk_json_encode_table_v2(const lk_table *table, size_t first_row, uint8_t *out, size_t capacity, lk_progress *progress);
void lk_json_encode_table_v3(const lk_table *table, size_t first_row, uint8_t *out, size_t capacity, lk_progress *progress);
void lk_json_encode_table_v4(const lk_table *table, size_t first_row, uint8_t *out, size_t capacity, lk_progress *progress);
void lk_json_encode_table_neon(const lk_table *table, size_t first_row, uint8_t *out, size_t capacity, lk_progress *progress);

/* The sum of sqrt(i) * sin(i) over i in 0..iterations, at most 2^53. */
double lk_heavy_computation_baseline(uint64_t iterations);
double lk_heavy_computation_checked(uint64_t iterations);
double lk_heavy_computation_v2(uint64_t iterations);
double lk_heavy_computation_v3(uint64_t iterations);
double lk_heavy_computation_v4(uint64_t iterations);
double lk_heavy_computation_neon(uint64_t iterations);

/* The sines of the LK_LANES integers from `first` on, a multiple of LK_LANES, as the sum uses them. */
void lk_heavy_sines_baseline(uint64_t first, double *sines);
void lk_heavy_sines_checked(uint64_t first, double *sines);
void lk_heavy_sines_v2(uint64_t first, double *sines);
void lk_heavy_sines_v3(uint64_t first, double *sines);
void lk_heavy_sines_v4(uint64_t first, double *sines);
void lk_heavy_sines_neon(uint64_t first, double *sines);

/* A half-life: rust/kernels/graph/decay.rs has the meaning of each field. */
typedef struct lk_decay_rate {
    float age_max;
    float lift;
    float age_end;
    float rate;
    float scale;
    float high;
    float low;
    float linear;
    float powers[5];
} lk_decay_rate;

/* Multiplies `count` strengths by 2^(-age / half-life), ages below 0 counting as 0. */
void lk_apply_decay_baseline(float *strengths, const float *ages, size_t count, const lk_decay_rate *rate);
void lk_apply_decay_checked(float *strengths, const float *ages, size_t count, const lk_decay_rate *rate);
void lk_apply_decay_v2(float *strengths, const float *ages, size_t count, const lk_decay_rate *rate);
void lk_apply_decay_v3(float *strengths, const float *ages, size_t count, const lk_decay_rate *rate);
void lk_apply_decay_v4(float *strengths, const float *ages, size_t count, const lk_decay_rate *rate);
void lk_apply_decay_neon(float *strengths, const float *ages, size_t count, const lk_decay_rate *rate);

/* A graph in compressed sparse rows, what is active in it, and how it spreads: rust/kernels/graph/spread.rs has the
 * meaning of each field and what is promised of it. */
typedef struct lk_spread_job {
    const uint32_t *offsets;
    const uint32_t *targets;
    const float *weights;
    size_t nodes;
    float *activations;
    /* 2 * nodes words. */
    uint32_t *scratch;
    uint32_t steps;
    uint32_t refractory_steps;
    float retention;
    float transmission;
    float threshold;
    /* 0 or 1. */
    uint8_t divides;
    uint8_t levels;
} lk_spread_job;

/* Takes the job's steps; its activations are the result. */
void lk_spread_baseline(const lk_spread_job *job);
void lk_spread_checked(const lk_spread_job *job);
void lk_spread_v2(const lk_spread_job *job);
void lk_spread_v3(const lk_spread_job *job);
void lk_spread_v4(const lk_spread_job *job);
void lk_spread_neon(const lk_spread_job *job);

/* What candidates are scored by. */
#define LK_DOT 0
#define LK_COSINE 1
#define LK_L2 2
/* The norm of each candidate; the query isn't read. */
#define LK_NORM 3

/* One query and `count` candidates of `dim` elements each, `stride` elements apart. Only what the rows hold is read. */
typedef struct lk_vectors {
    const void *query;
    const void *rows;
    /* Null, or what LK_NORM gives for each candidate. */
    const float *norms;
    size_t dim;
    size_t stride;
    size_t count;
    /* What LK_NORM gives for the query, where the metric is LK_COSINE. */
    float query_norm;
    /* One of the above. */
    uint32_t metric;
} lk_vectors;

/* Writes a score for each candidate. */
void lk_vectors_f32_baseline(const lk_vectors *vectors, float *scores);
void lk_vectors_f32_checked(const lk_vectors *vectors, float *scores);
void lk_vectors_f32_v2(const lk_vectors *vectors, float *scores);
void lk_vectors_f32_v3(const lk_vectors *vectors, float *scores);
void lk_vectors_f32_v4(const lk_vectors *vectors, float *scores);
void lk_vectors_f32_neon(const lk_vectors *vectors, float *scores);

/* The same for floats of 16 bits, IEEE 754's and the upper half of a float, and for int8_t, which has no use for norms. */
void lk_vectors_f16_baseline(const lk_vectors *vectors, float *scores);
void lk_vectors_f16_checked(const lk_vectors *vectors, float *scores);
void lk_vectors_f16_v2(const lk_vectors *vectors, float *scores);
void lk_vectors_f16_v3(const lk_vectors *vectors, float *scores);
void lk_vectors_f16_v4(const lk_vectors *vectors, float *scores);
void lk_vectors_f16_neon(const lk_vectors *vectors, float *scores);
void lk_vectors_bf16_baseline(const lk_vectors *vectors, float *scores);
void lk_vectors_bf16_checked(const lk_vectors *vectors, float *scores);
void lk_vectors_bf16_v2(const lk_vectors *vectors, float *scores);
void lk_vectors_bf16_v3(const lk_vectors *vectors, float *scores);
void lk_vectors_bf16_v4(const lk_vectors *vectors, float *scores);
void lk_vectors_bf16_neon(const lk_vectors *vectors, float *scores);
void lk_vectors_i8_baseline(const lk_vectors *vectors, float *scores);
void lk_vectors_i8_checked(const lk_vectors *vectors, float *scores);
void lk_vectors_i8_v2(const lk_vectors *vectors, float *scores);
void lk_vectors_i8_v3(const lk_vectors *vectors, float *scores);
void lk_vectors_i8_v4(const lk_vectors *vectors, float *scores);
void lk_vectors_i8_neon(const lk_vectors *vectors, float *scores);

/* Writes in how many bits each candidate, `dim` bytes below 2^29, differs from the query. */
void lk_vectors_hamming_baseline(const lk_vectors *vectors, uint32_t *distances);
void lk_vectors_hamming_checked(const lk_vectors *vectors, uint32_t *distances);
void lk_vectors_hamming_v2(const lk_vectors *vectors, uint32_t *distances);
void lk_vectors_hamming_v3(const lk_vectors *vectors, uint32_t *distances);
void lk_vectors_hamming_v4(const lk_vectors *vectors, uint32_t *distances);
void lk_vectors_hamming_neon(const lk_vectors *vectors, uint32_t *distances);

/* Divides `dim` elements by their norm, unless it is 0. */
void lk_vectors_normalize_baseline(float *vector, size_t dim);
void lk_vectors_normalize_checked(float *vector, size_t dim);
void lk_vectors_normalize_v2(float *vector, size_t dim);
void lk_vectors_normalize_v3(float *vector, size_t dim);
void lk_vectors_normalize_v4(float *vector, size_t dim);
void lk_vectors_normalize_neon(float *vector, size_t dim);

#endif
