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

/* With a LYGER_KERNELS that can't be: everything that needs kernels says so, and nothing else minds. */
static void misuse_kernels(void) {
    size_t needed;
    char buf[64];
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_engine_check());
    CHECK(strstr(last_error(), "LYGER_KERNELS") && strstr(last_error(), "abacus"));
    double sum = lyger_heavy_computation(10);
    LEAVES(LYGER_STATUS_INVALID_CONFIG, sum != sum);
    float strength = 1, age = 1;
    GIVES(LYGER_STATUS_INVALID_CONFIG, engram_apply_decay(&strength, &age, 1, 1));
    CHECK(strength == 1);
    uint32_t offsets[2] = {0, 0}, scratch[2];
    GIVES(LYGER_STATUS_INVALID_CONFIG, engram_spread_activation(offsets, NULL, NULL, 1, 0, &age, 1, 0, 1, 0, 0, 0, scratch, 2));
    CHECK(age == 1);
    float one = 1, score = 7;
    engram_vector_similarity(&one, &one, &score, 1, 1);
    LEAVES(LYGER_STATUS_INVALID_CONFIG, score == 7);
    LEAVES(LYGER_STATUS_INVALID_CONFIG, lyger_system_info() == NULL);
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_engine_info(buf, sizeof buf, &needed));
    uint64_t id = lyger_db_query("sqlite::memory:", "SELECT 1 AS n");
    LEAVES(LYGER_STATUS_OK, id != 0);
    LEAVES(LYGER_STATUS_INVALID_CONFIG, lyger_jsonify_result(id) == NULL);
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_result_json(id, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_result_shaped(id, NULL, 0, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, lyger_result_rows(id, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, lyger_result_free(id));
    uint16_t port;
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_server_start("{\"port\":0}", 10, &port));
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "kernels")) {
        misuse_kernels();
        printf("%d checks, %d failed\n", checks, failures);
        return failures ? 1 : 0;
    }
    CHECK(lyger_abi_version() == LYGER_ABI_VERSION);
    misuse_fleet();
    misuse_last_error();
    misuse_engine();
    misuse_vectors();
    misuse_strings();
    misuse_cache();
    misuse_store();
    misuse_sql();
    misuse_clients();
    misuse_operations();
    misuse_results();
    misuse_threads();
    misuse_server();
    misuse_resp();
    misuse_graph();
    misuse_index();
    misuse_fork();
    printf("%d checks, %d failed\n", checks, failures);
    return failures ? 1 : 0;
}
