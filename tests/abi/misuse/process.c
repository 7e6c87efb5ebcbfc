/* Threads at once, and forked children. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* A child that hangs is ended by its alarm, and so counts as failed. */
#define HANG_SECONDS 20

static void *query_and_free(void *errors) {
    for (int round = 0; round < 200; round++) {
        uint64_t id = lyger_db_query("sqlite::memory:", "SELECT 'x' AS t");
        char *json = lyger_jsonify_result(id);
        int good = json && !strcmp(json, "[{\"t\":\"x\"}]");
        lyger_free_string(json);
        good &= lyger_result_free(id) == LYGER_STATUS_OK && lyger_result_free(id) == LYGER_STATUS_INVALID_HANDLE;
        lyger_cache_set("shared", "value");
        lyger_free_string(lyger_cache_get("shared"));
        if (round % 50 == 0) lyger_cache_clear();
        if (!good) ++*(int *)errors;
    }
    return NULL;
}

void misuse_threads(void) {
    pthread_t threads[4];
    int errors[4] = {0};
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_cache_remove("nobody", 6));
    for (int at = 0; at < 4; at++) pthread_create(&threads[at], NULL, query_and_free, &errors[at]);
    for (int at = 0; at < 4; at++) {
        pthread_join(threads[at], NULL);
        CHECK(errors[at] == 0);
    }
    /* What other threads did isn't this one's last error. */
    CHECK(last_status() == LYGER_STATUS_NOT_FOUND);
}

static void in_forked_child(uint64_t id, char *string) {
    size_t needed;
    uint64_t out;
    char buf[1024];
    char *own;
    lyger_result_info info;
    lyger_call call = CALL("sqlite::memory:");

    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_db_execute("sqlite::memory:", 15, "SELECT 1", 8, NULL, 0, &out));
    CHECK(out == 0);
    LEAVES(LYGER_STATUS_WRONG_PROCESS, lyger_db_query("sqlite::memory:", "SELECT 1") == 0);
    uint8_t keeps;
    int32_t state;
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_db_state("sqlite::memory:", 15, &state));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_db_run(&call, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_db_fetch(&call, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_result_column(id, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_db_keeps("sqlite::memory:", 15, &keeps));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_db_end());
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_stream_open(&call, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_stream_next(id, &out));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_stream_close(id));
    size_t count;
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_async_run(&call, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_async_open(&call, "SELECT 1", 8, NULL, 0));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_async_next(id, &out));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_async_wait(0, &out, 1, &count));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_async_result(id, &out));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_async_fetch(&call, id));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_async_cancel(id));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_vector_new(2, &out));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_vector_open("x", 1, &out));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_vector_search(id, NULL, 0, 0, 0, NULL, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_vector_free(id));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_strand_enter(1));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_result_describe(id, &info));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_result_json(id, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_result_rows(id, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_result_shaped(id, NULL, 0, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_result_slice(id, 0, 1, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_result_free(id));
    LEAVES(LYGER_STATUS_WRONG_PROCESS, lyger_jsonify_result(id) == NULL);
    lyger_free_result(id);
    CHECK(last_status() == LYGER_STATUS_WRONG_PROCESS);
    lyger_cache_set("k", "v");
    CHECK(last_status() == LYGER_STATUS_WRONG_PROCESS);
    LEAVES(LYGER_STATUS_WRONG_PROCESS, lyger_cache_get("k") == NULL);
    lyger_cache_delete("k");
    CHECK(last_status() == LYGER_STATUS_WRONG_PROCESS);
    lyger_cache_clear();
    CHECK(last_status() == LYGER_STATUS_WRONG_PROCESS);
    LEAVES(LYGER_STATUS_WRONG_PROCESS, lyger_cache_size() == 0);
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_cache_store("k", 1, "v", 1));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_cache_fetch("k", 1, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_cache_remove("k", 1));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_cache_purge());
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_cache_count(&out));
    lyger_reader reader = {.size = sizeof reader, .store = 0, .buf = buf, .cap = sizeof buf};
    CHECK(lyger_store_find(&reader, "k", 1) == -LYGER_STATUS_WRONG_PROCESS);
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_store_put(0, "k", 1, "v", 1, 0));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_store_clear(0));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_lock_take(0, "k", 1, 1, &out));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_flight_abandon(0, "k", 1, 1));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_session_open(0, "k", 1, 1, &out));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_engine_configure("{}", 2));
    GIVES(LYGER_STATUS_WRONG_PROCESS, lyger_engine_release());
    lyger_free_engine(NULL);
    CHECK(last_status() == LYGER_STATUS_WRONG_PROCESS);

    /* What keeps no state works. */
    CHECK(lyger_abi_version() == LYGER_ABI_VERSION);
    GIVES(LYGER_STATUS_OK, lyger_engine_check());
    GIVES(LYGER_STATUS_OK, lyger_engine_info(buf, sizeof buf, &needed));
    LEAVES(LYGER_STATUS_OK, lyger_heavy_computation(2) > 0.8);
    float strength = 1, age = 1;
    GIVES(LYGER_STATUS_OK, engram_apply_decay(&strength, &age, 1, 1));
    CHECK(strength == 0.5f);
    uint32_t offsets[2] = {0, 0}, scratch[2];
    GIVES(LYGER_STATUS_OK, engram_spread_activation(offsets, NULL, NULL, 1, 0, &age, 1, 0.5f, 1, 0, 0, 0, scratch, 2));
    CHECK(age == 0.5f);
    LEAVES(LYGER_STATUS_OK, (own = lyger_hello_world()) != NULL);
    lyger_free_string(own);
    CHECK(last_status() == LYGER_STATUS_OK);
    LEAVES(LYGER_STATUS_OK, (own = lyger_system_info()) != NULL);
    lyger_free_string(own);
    lyger_free_string(string);
    CHECK(last_status() == LYGER_STATUS_INVALID_ARGUMENT);
}

static void fork_and(void (*body)(uint64_t, char *), uint64_t id, char *string) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        alarm(HANG_SECONDS);
        failures = 0;
        body(id, string);
        _exit(failures ? 1 : 0);
    }
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void in_child_of_a_released_engine(uint64_t id, char *string) {
    uint64_t own = lyger_db_query("sqlite::memory:", "SELECT 1");
    (void)string;
    CHECK(own != 0);
    GIVES(LYGER_STATUS_OK, lyger_result_free(own));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_free(id));
    GIVES(LYGER_STATUS_OK, lyger_cache_store("k", 1, "v", 1));
}

void misuse_fork(void) {
    uint64_t id = lyger_db_query("sqlite::memory:", "SELECT 1");
    char *string = lyger_hello_world();
    fork_and(in_forked_child, id, string);
    /* The parent goes on. */
    GIVES(LYGER_STATUS_OK, lyger_result_free(id));
    lyger_free_string(string);
    CHECK(last_status() == LYGER_STATUS_OK);
    GIVES(LYGER_STATUS_OK, lyger_engine_release());
    fork_and(in_child_of_a_released_engine, id, NULL);
}
