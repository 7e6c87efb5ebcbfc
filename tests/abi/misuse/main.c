/* Drives every function of lyger.h with what must not be: each call is a status or a documented value, never a crash. */
#include <stdlib.h>

#include "check.h"

int checks, failures;

const char *last_error(void) {
    static char text[4096];
    size_t needed;
    text[0] = 0;
    if (lyger_last_error(text, sizeof text - 1, &needed) == LYGER_STATUS_OK) text[needed] = 0;
    return text;
}

int32_t last_status(void) {
    return atoi(last_error() + strlen("{\"status\":"));
}

static void misuse_last_error(void) {
    size_t needed = 7;
    char small[4] = {1, 2, 3, 4};
    lyger_cache_set(NULL, NULL);
    CHECK(lyger_last_error(small, sizeof small, NULL) == LYGER_STATUS_NULL_POINTER);
    CHECK(lyger_last_error(NULL, 4, &needed) == LYGER_STATUS_NULL_POINTER && needed == 0);
    CHECK(lyger_last_error(small, sizeof small, &needed) == LYGER_STATUS_BUFFER_TOO_SMALL && needed > 4 && small[0] == 1);
    CHECK(lyger_last_error(NULL, 0, &needed) == LYGER_STATUS_BUFFER_TOO_SMALL && needed > 4);
    /* None of these changed it. */
    CHECK(last_status() == LYGER_STATUS_NULL_POINTER);
    GIVES(LYGER_STATUS_OK, lyger_cache_purge());
}

int main(void) {
    CHECK(lyger_abi_version() == LYGER_ABI_VERSION);
    misuse_last_error();
    misuse_engine();
    misuse_strings();
    misuse_cache();
    misuse_sql();
    misuse_results();
    misuse_threads();
    misuse_server();
    misuse_fork();
    printf("%d checks, %d failed\n", checks, failures);
    return failures ? 1 : 0;
}
