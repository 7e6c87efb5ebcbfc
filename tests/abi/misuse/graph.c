/* The kernels of graphs and memories, on arrays that aren't what they should be. */
#include <math.h>

#include "check.h"

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
}
