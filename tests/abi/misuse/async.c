/* Statements under way, on SQLite in memory, and a server that isn't there. */
#include "check.h"

#define DSN "sqlite::memory:"
#define NOBODY "postgres://nobody@127.0.0.1:1/none"

static int32_t begin(const char *dsn, const char *sql, uint64_t *id) {
    return lyger_async_run(dsn, strlen(dsn), sql, strlen(sql), NULL, 0, 0, 0, id);
}

void misuse_operations(void) {
    uint64_t id = 7, other = 7, ids[4];
    size_t count = 7;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_run(DSN, 15, "SELECT 1", 8, NULL, 0, 0, 0, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_run(NULL, 1, "SELECT 1", 8, NULL, 0, 0, 0, &id));
    CHECK(id == 0);
    GIVES(LYGER_STATUS_TOO_LONG, lyger_async_run(NOWHERE, SIZE_MAX, NOWHERE, SIZE_MAX, NULL, SIZE_MAX, 0, 0, &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_run(DSN, 15, "SELECT 1", 8, NULL, 0, 8, 0, &id));
    GIVES(LYGER_STATUS_INVALID_DSN, begin("oracle://x", "SELECT 1", &id));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_open(DSN, 15, "SELECT 1", 8, NULL, 0, 0, 0, NULL));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_async_open(NOWHERE, SIZE_MAX, NOWHERE, SIZE_MAX, NULL, SIZE_MAX, 0, 0, &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_open(DSN, 15, "SELECT 1", 8, NULL, 0, 8, 0, &id));
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
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_fetch(1, 0, buf, sizeof buf, &needed, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_fetch(1, 0, buf, sizeof buf, NULL, &other));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_async_fetch(1, 0, NULL, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_OK, begin(DSN, "SELECT 1 AS n", &id));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_async_fetch(id, 0, buf, SIZE_MAX, &needed, &other));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_fetch(id, 4, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_fetch(id, UINT32_MAX, buf, sizeof buf, &needed, &other));
    for (int bit = 0; bit < 64; bit++) {
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_fetch(id ^ (1ull << bit), 0, buf, sizeof buf, &needed, &other));
    }
    GIVES(LYGER_STATUS_OK, lyger_async_fetch(id, 0, buf, sizeof buf, &needed, &other));
    WROTE(buf, needed, "a:1:{i:0;a:1:{s:1:\"n\";i:1;}}");
    CHECK(other == 0);
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_fetch(id, 0, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_OK, begin(DSN, "SELECT 1 AS n", &id));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_async_fetch(id, 3, NULL, 0, &needed, &other));
    CHECK(needed == strlen("[{\"n\":1}]"));
    GIVES(LYGER_STATUS_OK, lyger_result_free(other));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_async_cancel(id));
    GIVES(LYGER_STATUS_OK, begin(DSN, "SELEC 1", &id));
    GIVES(LYGER_STATUS_QUERY_FAILED, lyger_async_fetch(id, 0, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_OK, lyger_async_open(DSN, 15, "SELECT 1", 8, NULL, 0, 0, 0, &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_fetch(id, 0, buf, sizeof buf, &needed, &other));
    GIVES(LYGER_STATUS_OK, lyger_async_cancel(id));

    /* Under way, and stopped. */
    GIVES(LYGER_STATUS_OK, begin(NOBODY, "SELECT 1", &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_result(id, &other));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_async_fetch(id, 0, buf, sizeof buf, &needed, &other));
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
    GIVES(LYGER_STATUS_OK, lyger_async_open(DSN, 15, "SELECT 1", 8, NULL, 0, 0, 0, &id));
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

    /* A strand's transaction is its own. */
    uint8_t keeps = 9;
    GIVES(LYGER_STATUS_OK, lyger_strand_enter(1));
    GIVES(LYGER_STATUS_OK, lyger_db_run(DSN, 15, "BEGIN", 5, NULL, 0, 0, 0, &id));
    GIVES(LYGER_STATUS_OK, lyger_result_free(id));
    GIVES(LYGER_STATUS_OK, lyger_strand_enter(0));
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 0);
    GIVES(LYGER_STATUS_OK, lyger_strand_enter(1));
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 1);
    GIVES(LYGER_STATUS_OK, lyger_db_end());
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 0);
    GIVES(LYGER_STATUS_OK, lyger_strand_enter(0));
}
