/* The kernels of vectors. */
#include <math.h>
#include <stdlib.h>

#include "check.h"

#define FLOATS_NOWHERE ((float *)16)

/* An error leaves the scores alone. */
#define REFUSES(status, query, candidates, scores, len, count)                       \
    do {                                                                             \
        engram_vector_similarity(query, candidates, scores, len, count);             \
        LEAVES(status, out[0] == 7 && out[1] == 7 && out[2] == 7);                   \
    } while (0)

void misuse_vectors(void) {
    float query[2] = {3, 4};
    float candidates[6] = {6, 8, 0, 0, -3, -4};
    float out[4] = {7, 7, 7, 7};
    const size_t floats_max = UINT32_MAX;

    REFUSES(LYGER_STATUS_NULL_POINTER, NULL, candidates, out, 2, 3);
    REFUSES(LYGER_STATUS_NULL_POINTER, query, NULL, out, 2, 3);
    REFUSES(LYGER_STATUS_NULL_POINTER, query, candidates, NULL, 2, 3);
    REFUSES(LYGER_STATUS_NULL_POINTER, query, candidates, NULL, 0, 3);
    REFUSES(LYGER_STATUS_TOO_LONG, FLOATS_NOWHERE, FLOATS_NOWHERE, FLOATS_NOWHERE, floats_max + 1, 1);
    REFUSES(LYGER_STATUS_TOO_LONG, FLOATS_NOWHERE, FLOATS_NOWHERE, FLOATS_NOWHERE, SIZE_MAX, SIZE_MAX);
    REFUSES(LYGER_STATUS_TOO_LONG, FLOATS_NOWHERE, FLOATS_NOWHERE, FLOATS_NOWHERE, 1, SIZE_MAX);
    /* Times 4 this would be 0 again. */
    REFUSES(LYGER_STATUS_TOO_LONG, FLOATS_NOWHERE, FLOATS_NOWHERE, FLOATS_NOWHERE, 2, SIZE_MAX / 8 + 1);
    REFUSES(LYGER_STATUS_TOO_LONG, query, FLOATS_NOWHERE, FLOATS_NOWHERE, 2, floats_max / 2 + 1);
    REFUSES(LYGER_STATUS_TOO_LONG, NULL, NULL, FLOATS_NOWHERE, 0, floats_max + 1);
    REFUSES(LYGER_STATUS_INVALID_ARGUMENT, (float *)((char *)query + 1), candidates, out, 1, 3);
    REFUSES(LYGER_STATUS_INVALID_ARGUMENT, query, (float *)((char *)candidates + 2), out, 2, 2);
    REFUSES(LYGER_STATUS_INVALID_ARGUMENT, query, candidates, (float *)((char *)out + 3), 2, 1);
    /* Scores in the place of what is read. */
    REFUSES(LYGER_STATUS_INVALID_ARGUMENT, query, candidates, candidates + 5, 2, 3);
    REFUSES(LYGER_STATUS_INVALID_ARGUMENT, query, candidates, query + 1, 2, 1);
    CHECK(candidates[5] == -4 && query[1] == 4);

    /* Also without candidates. */
    REFUSES(LYGER_STATUS_TOO_LONG, FLOATS_NOWHERE, NULL, NULL, floats_max + 1, 0);

    /* Nothing is asked for, or of nothing. */
    engram_vector_similarity(NULL, NULL, NULL, 0, 0);
    LEAVES(LYGER_STATUS_OK, out[0] == 7);
    engram_vector_similarity(query, NULL, NULL, 2, 0);
    LEAVES(LYGER_STATUS_OK, out[0] == 7);
    engram_vector_similarity(NULL, NULL, out, 0, 2);
    LEAVES(LYGER_STATUS_OK, out[0] == 0 && out[1] == 0 && out[2] == 7);

    engram_vector_similarity(query, candidates, out, 2, 3);
    LEAVES(LYGER_STATUS_OK, out[0] == 1 && out[1] == 0 && out[2] == -1 && out[3] == 7);
    query[0] = NAN;
    engram_vector_similarity(query, candidates, out, 2, 1);
    LEAVES(LYGER_STATUS_OK, isnan(out[0]) && out[1] == 0);

    /* The limits of squares. */
    float one[2] = {1, 1}, far[6] = {1e20f, 1e20f, 3e-23f, 1e-23f, 0x1p-75f, 0x1p-75f};
    engram_vector_similarity(one, far, out, 2, 3);
    LEAVES(LYGER_STATUS_OK, out[0] == 0 && fabsf(out[1] - 0.75558f) < 1e-5f && out[2] == 0);

    /* Memory that ends with the last candidate, of lengths beside those of registers: AddressSanitizer looks. */
    for (size_t len = 1; len < 70; len++) {
        float *q = malloc(len * sizeof(float)), *c = malloc(3 * len * sizeof(float)), *s = malloc(3 * sizeof(float));
        for (size_t i = 0; i < len; i++) q[i] = c[i] = c[len + i] = c[2 * len + i] = 1;
        engram_vector_similarity(q, c, s, len, 3);
        LEAVES(LYGER_STATUS_OK, fabsf(s[0] - 1) < 1e-6f && s[1] == s[0] && s[2] == s[0]);
        free(q);
        free(c);
        free(s);
    }
}
