/* The kernels of graphs and memories, on arrays that aren't what they should be. */
#include <math.h>

#include "check.h"

static float activations[3];
static uint32_t scratch[6];
static const uint32_t offsets[4] = {0, 1, 3, 3}, targets[3] = {1, 0, 2};
static const float weights[3] = {0.5f, 1, 0.25f};

static int32_t spread(const uint32_t *graph, float retention, float transmission, float threshold, uint32_t normalization) {
    return engram_spread_activation(graph, targets, weights, 3, 3, activations, 1, retention, transmission, threshold, 1,
                                    normalization, scratch, 6);
}

static void misuse_spread(void) {
    float *nowhere = (float *)NOWHERE;
    uint32_t *no_words = (uint32_t *)NOWHERE;
    const uint32_t alone[1] = {0}, falling[4] = {0, 2, 1, 3}, short_of[4] = {0, 1, 2, 2}, above[4] = {1, 1, 3, 3};
    const uint32_t astray[3] = {1, 3, 2};

    activations[0] = 1;
    GIVES(LYGER_STATUS_OK, engram_spread_activation(alone, NULL, NULL, 0, 0, NULL, 9, 0, 0, 0, 0, 0, NULL, 0));
    GIVES(LYGER_STATUS_NULL_POINTER, engram_spread_activation(NULL, NULL, NULL, 0, 0, NULL, 9, 0, 0, 0, 0, 0, NULL, 0));
    GIVES(LYGER_STATUS_NULL_POINTER, engram_spread_activation(NULL, targets, weights, 3, 3, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_NULL_POINTER, engram_spread_activation(offsets, NULL, weights, 3, 3, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_NULL_POINTER, engram_spread_activation(offsets, targets, NULL, 3, 3, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_NULL_POINTER, engram_spread_activation(offsets, targets, weights, 3, 3, NULL, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_NULL_POINTER, engram_spread_activation(offsets, targets, weights, 3, 3, activations, 1, 1, 1, 0, 0, 0, NULL, 6));
    GIVES(LYGER_STATUS_TOO_LONG, engram_spread_activation(offsets, targets, weights, SIZE_MAX, 3, nowhere, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_TOO_LONG, engram_spread_activation(offsets, targets, nowhere, 3, SIZE_MAX, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_TOO_LONG, engram_spread_activation(offsets, targets, weights, 3, 3, activations, 1, 1, 1, 0, 0, 0, no_words, SIZE_MAX));
    /* As many nodes as a length may be have one offset more. */
    GIVES(LYGER_STATUS_TOO_LONG, engram_spread_activation(no_words, targets, weights, UINT32_MAX, 3, (float *)((char *)nowhere + ((size_t)1 << 40)), 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_spread_activation(offsets, targets, weights, 3, 3, activations, 1, 1, 1, 0, 0, 0, scratch, 5));
    CHECK(strstr(last_error(), "scratch"));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_spread_activation(offsets, astray, weights, 3, 3, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    CHECK(strstr(last_error(), "target"));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_spread_activation(offsets, targets, weights, 3, 2, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_spread_activation(offsets, targets, activations, 3, 3, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_spread_activation(offsets, targets, weights, 3, 3, (float *)scratch + 3, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_spread_activation(scratch + 2, targets, weights, 3, 3, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_spread_activation(offsets, (const uint32_t *)((const char *)targets + 1), weights, 3, 3, activations, 1, 1, 1, 0, 0, 0, scratch, 6));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, spread(falling, 1, 1, 0, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, spread(short_of, 1, 1, 0, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, spread(above, 1, 1, 0, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, spread(offsets, 1.5f, 1, 0, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, spread(offsets, 1, NAN, 0, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, spread(offsets, 1, 1, -1, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, spread(offsets, 1, 1, 0, 3));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, spread(offsets, 1, 1, 0, UINT32_MAX));
    CHECK(activations[0] == 1 && activations[1] == 0 && activations[2] == 0);

    GIVES(LYGER_STATUS_OK, spread(offsets, 0.5f, 1, 0, 0));
    CHECK(activations[0] == 0.5f && activations[1] == 0.5f && activations[2] == 0);
}

void misuse_graph(void) {
    float strengths[5] = {1, 1, 1, 1, 1};
    const float ages[4] = {0, 1, 2, INFINITY};
    float *nowhere = (float *)NOWHERE;

    GIVES(LYGER_STATUS_OK, engram_apply_decay(NULL, NULL, 0, 1));
    GIVES(LYGER_STATUS_OK, engram_apply_decay(nowhere, nowhere, 0, 1));
    GIVES(LYGER_STATUS_NULL_POINTER, engram_apply_decay(NULL, ages, 4, 1));
    GIVES(LYGER_STATUS_NULL_POINTER, engram_apply_decay(strengths, NULL, 4, 1));
    CHECK(strstr(last_error(), "ages_seconds"));
    GIVES(LYGER_STATUS_TOO_LONG, engram_apply_decay(nowhere, ages, SIZE_MAX, 1));
    GIVES(LYGER_STATUS_TOO_LONG, engram_apply_decay(strengths, nowhere, (size_t)UINT32_MAX + 1, 1));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_apply_decay((float *)((char *)strengths + 1), ages, 4, 1));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_apply_decay(strengths, (const float *)((const char *)ages + 2), 1, 1));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_apply_decay(strengths, strengths, 4, 1));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_apply_decay(strengths, strengths + 3, 4, 1));
    CHECK(strstr(last_error(), "overlaps"));
    const float half_lives[] = {0, -1, INFINITY, NAN};
    for (size_t i = 0; i < sizeof half_lives / sizeof *half_lives; i++) {
        GIVES(LYGER_STATUS_INVALID_ARGUMENT, engram_apply_decay(strengths, ages, 4, half_lives[i]));
        CHECK(strstr(last_error(), "half-life"));
    }
    for (int i = 0; i < 5; i++) CHECK(strengths[i] == 1);

    GIVES(LYGER_STATUS_OK, engram_apply_decay(strengths, ages, 4, 1));
    CHECK(strengths[0] == 1 && strengths[1] == 0.5f && strengths[2] == 0.25f && strengths[3] == 0 && strengths[4] == 1);
    misuse_spread();
}
