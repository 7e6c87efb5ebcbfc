/* Statements under way, on SQLite in memory, and a server that isn't there. */
#include "check.h"

#define DSN "sqlite::memory:"
#define NOBODY "postgres://nobody@127.0.0.1:1/none"

static int32_t begin(const char *dsn, const char *sql, uint64_t *id) {
    lyger_call call = CALL(dsn);
    int32_t status = lyger_async_run(&call, sql, strlen(sql), NULL, 0);
    *id = call.id;
    return status;
}

static int32_t begin_stream(uint64_t *id) {
    lyger_call call = CALL(DSN);
    int32_t status = lyger_async_open(&call, "SELECT 1", 8, NULL, 0);
    *id = call.id;
    return status;
}

static int32_t fetch(uint64_t id, uint32_t form, char *buf, size_t cap, size_t *needed, uint64_t *result) {
    lyger_call call = {.size = sizeof call, .form = form, .buf = buf, .cap = cap, .needed = 7, .id = 7};
    int32_t status = lyger_async_fetch(&call, id);
    *needed = call.needed;
    *result = call.id;
    return status;
}

void misuse_operations(void) {
    uint64_t id = 7, other = 7, ids[4];
    size_t count = 7;
    misuse_call(lyger_async_run);
    misuse_call(lyger_async_open);
    GIVES(LYGER_STATUS_INVALID_DSN, begin("oracle://x", "SELECT 1", &id));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_next(1, NULL));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_next(1, &id));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_wait(0, NULL, 4, &count));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_wait(0, ids, 0, &count));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_wait(0, ids, 4, NULL));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_async_wait(0, ids, SIZE_MAX, &count));
    GIVES(LYGER_STATUS_OK, lyger_async_wait(0, ids, 4, &count));
    CHECK(count == 0);
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_result(1, NULL));
    GIVES(LYGER_STATUS_OK, lyger_strand_enter(UINT64_MAX));
    GIVES(LYGER_STATUS_OK, lyger_db_end());
    GIVES(LYGER_STATUS_OK, lyger_strand_enter(0));

    /* What the statement fails with is its operation's. */
    GIVES(LYGER_STATUS_OK, begin(DSN, "SELEC 1", &id));
    GIVES(LYGER_STATUS_OK, lyger_async_wait(0, ids, 4, &count));
    CHECK(count == 1 && ids[0] == id);
    GIVES(LYGER_STATUS_QUERY_FAILED, lyger_async_result(id, &other));
    CHECK(other == 0);
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_result(id, &other));

    GIVES(LYGER_STATUS_OK, begin(DSN, "SELECT 1", &id));
    for (int bit = 0; bit < 64; bit++) {
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_result(id ^ (1ull << bit), &other));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_cancel(id ^ (1ull << bit)));
    }
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_free(id));
    GIVES(LYGER_STATUS_OK, lyger_async_result(id, &other));
    GIVES(LYGER_STATUS_OK, lyger_result_free(other));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_cancel(id));
    GIVES(LYGER_STATUS_OK, lyger_async_wait(0, ids, 4, &count));
    CHECK(count == 0);

    /* The rows at once. */
    char buf[64];
    size_t needed;
    lyger_call other_size = {.size = sizeof other_size - 8, .id = 7};
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_fetch(NULL, 1));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_fetch(&other_size, 1));
    CHECK(other_size.id == 7);
    GIVES(LYGER_STATUS_NULL_POINTER, fetch(1, 0, NULL, sizeof buf, &needed, &other));
    CHECK(needed == 0 && other == 0);
    GIVES(LYGER_STATUS_OK, begin(DSN, "SELECT 1 AS n", &id));
    GIVES(LYGER_STATUS_TOO_LONG, fetch(id, 0, buf, SIZE_MAX, &needed, &other));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, fetch(id, 4, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, fetch(id, UINT32_MAX, buf, sizeof buf, &needed, &other));
    for (int bit = 0; bit < 64; bit++) {
        GIVES(LYGER_STATUS_INVALID_HANDLE, fetch(id ^ (1ull << bit), 0, buf, sizeof buf, &needed, &other));
    }
    GIVES(LYGER_STATUS_OK, fetch(id, 0, buf, sizeof buf, &needed, &other));
    WROTE(buf, needed, "a:1:{i:0;a:1:{s:1:\"n\";i:1;}}");
    CHECK(other == 0);
    GIVES(LYGER_STATUS_INVALID_HANDLE, fetch(id, 0, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_OK, begin(DSN, "SELECT 1 AS n", &id));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, fetch(id, 3, NULL, 0, &needed, &other));
    CHECK(needed == strlen("[{\"n\":1}]"));
    GIVES(LYGER_STATUS_OK, lyger_result_free(other));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_cancel(id));
    GIVES(LYGER_STATUS_OK, begin(DSN, "SELEC 1", &id));
    GIVES(LYGER_STATUS_QUERY_FAILED, fetch(id, 0, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_OK, begin_stream(&id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, fetch(id, 0, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_OK, lyger_async_cancel(id));

    /* Under way, and stopped. */
    GIVES(LYGER_STATUS_OK, begin(NOBODY, "SELECT 1", &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_result(id, &other));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, fetch(id, 0, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_OK, lyger_async_cancel(id));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_cancel(id));
    /* More than there is room for. */
    for (int at = 0; at < 6; at++) GIVES(LYGER_STATUS_OK, begin(NOBODY, "SELECT 1", &id));
    size_t told = 0;
    for (int turn = 0; turn < 100 && told < 6; turn++) {
        GIVES(LYGER_STATUS_OK, lyger_async_wait(1000, ids, 4, &count));
        CHECK(count <= 4);
        for (size_t at = 0; at < count; at++) GIVES(LYGER_STATUS_CONNECTION_FAILED, lyger_async_result(ids[at], &other));
        told += count;
    }
    CHECK(told == 6);

    /* Chunk by chunk. */
    GIVES(LYGER_STATUS_OK, begin_stream(&id));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_next(id, &other));
    GIVES(LYGER_STATUS_OK, lyger_async_result(id, &id));
    for (int chunk = 0; chunk < 2; chunk++) {
        GIVES(LYGER_STATUS_OK, lyger_async_next(id, &other));
        GIVES(LYGER_STATUS_OK, lyger_async_result(other, &other));
        CHECK((other != 0) == (chunk == 0));
        if (other) GIVES(LYGER_STATUS_OK, lyger_result_free(other));
    }
    GIVES(LYGER_STATUS_OK, lyger_stream_close(id));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_next(id, &other));
    GIVES(LYGER_STATUS_OK, lyger_async_wait(0, ids, 4, &count));

    /* A strand's transaction is its own, and a call enters its strand even where its statement is refused. */
    uint8_t keeps = 9;
    lyger_call call = CALL(DSN);
    call.strand = 1;
    GIVES(LYGER_STATUS_OK, lyger_db_run(&call, "BEGIN", 5, NULL, 0));
    GIVES(LYGER_STATUS_OK, lyger_result_free(call.id));
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 1);
    GIVES(LYGER_STATUS_OK, lyger_strand_enter(0));
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 0);
    GIVES(LYGER_STATUS_INVALID_UTF8, lyger_db_run(&call, "\xff", 1, NULL, 0));
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 1);
    GIVES(LYGER_STATUS_OK, lyger_db_end());
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 0);
    GIVES(LYGER_STATUS_OK, lyger_strand_enter(0));
}
