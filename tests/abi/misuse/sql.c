/* Queries and results, on SQLite in memory. */
#include <stdlib.h>

#include "check.h"

#define DSN "sqlite::memory:"

static int32_t execute(const char *dsn, const char *sql, const char *params, size_t params_len, uint64_t *id) {
    return lyger_db_execute(dsn, strlen(dsn), sql, strlen(sql), (const uint8_t *)params, params_len, id);
}

void misuse_sql(void) {
    uint64_t id = 7;
    char *dsn = malloc(4098);
    memset(dsn, 'd', 4097);
    dsn[4097] = 0;

    LEAVES(LYGER_STATUS_NULL_POINTER, lyger_db_query(NULL, "SELECT 1") == 0);
    LEAVES(LYGER_STATUS_NULL_POINTER, lyger_db_query(DSN, NULL) == 0);
    LEAVES(LYGER_STATUS_TOO_LONG, lyger_db_query(dsn, "SELECT 1") == 0);
    LEAVES(LYGER_STATUS_INVALID_UTF8, lyger_db_query("sqlite:\xff", "SELECT 1") == 0);
    LEAVES(LYGER_STATUS_INVALID_UTF8, lyger_db_query(DSN, "SELECT '\xff'") == 0);
    LEAVES(LYGER_STATUS_INVALID_DSN, lyger_db_query("", "SELECT 1") == 0);
    LEAVES(LYGER_STATUS_QUERY_FAILED, lyger_db_query(DSN, "SELEC 1") == 0);
    LEAVES(LYGER_STATUS_QUERY_FAILED, lyger_db_query(DSN, "SELECT * FROM nowhere") == 0);

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_db_execute(DSN, 15, "SELECT 1", 8, NULL, 0, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_db_execute(NULL, 1, "SELECT 1", 8, NULL, 0, &id));
    CHECK(id == 0);
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_db_execute(DSN, 15, NULL, 8, NULL, 0, &id));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_db_execute(DSN, 15, "SELECT 1", 8, NULL, 1, &id));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_db_execute(NOWHERE, 4097, "SELECT 1", 8, NULL, 0, &id));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_db_execute(DSN, 15, NOWHERE, (16 << 20) + 1, NULL, 0, &id));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_db_execute(DSN, 15, "SELECT 1", 8, (const uint8_t *)NOWHERE, (64 << 20) + 1, &id));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_db_execute(NOWHERE, SIZE_MAX, NOWHERE, SIZE_MAX, NULL, SIZE_MAX, &id));
    GIVES(LYGER_STATUS_INVALID_DSN, lyger_db_execute(NULL, 0, "SELECT 1", 8, NULL, 0, &id));
    GIVES(LYGER_STATUS_INVALID_DSN, execute("mysql://[::1", "SELECT 1", NULL, 0, &id));
    GIVES(LYGER_STATUS_INVALID_DSN, lyger_db_execute("sqlite:a\0b", 10, "SELECT 1", 8, NULL, 0, &id));
    GIVES(LYGER_STATUS_INVALID_UTF8, execute("\xc3\x28", "SELECT 1", NULL, 0, &id));
    GIVES(LYGER_STATUS_INVALID_UTF8, execute(DSN, "SELECT '\xff'", NULL, 0, &id));
    GIVES(LYGER_STATUS_CONNECTION_FAILED, execute("postgres://nobody@127.0.0.1:1/none", "SELECT 1", NULL, 0, &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_db_execute(DSN, 15, "SELECT 1\0; garbage", 18, NULL, 0, &id));
    GIVES(LYGER_STATUS_QUERY_FAILED, lyger_db_execute(DSN, 15, NULL, 0, NULL, 0, &id));

    /* Packed parameters that lie. */
    static const struct { const char *bytes; size_t len; } lies[] = {
        {"\1", 1}, {"\1\0\0\0", 4}, {"\xff\xff\xff\xff", 4}, {"\xff\xff\xff\xff\0\0\0\0", 8}, {"\1\0\0\0\x09", 5},
        {"\1\0\0\0\3\0\0", 7}, {"\1\0\0\0\5\xff\xff\xff\xff", 9}, {"\1\0\0\0\5\1\0\0\0\xff", 10},
        {"\1\0\0\0\6\2\0\0\0a", 10}, {"\1\0\0\0\0trailing", 13}, {"\2\0\0\0\0\0", 6}, {"\0\0\0\0", 4},
    };
    for (size_t at = 0; at < sizeof lies / sizeof *lies; at++) {
        GIVES(LYGER_STATUS_INVALID_PARAMS, execute(DSN, "SELECT ?", lies[at].bytes, lies[at].len, &id));
        CHECK(id == 0);
    }
    free(dsn);
}

static int32_t run(const char *dsn, const char *sql, uint32_t flags, uint64_t *id) {
    lyger_call call = CALL(dsn);
    call.flags = flags;
    int32_t status = lyger_db_run(&call, sql, strlen(sql), NULL, 0);
    *id = call.id;
    return status;
}

static int32_t fetch(const char *sql, uint32_t form, char *buf, size_t cap, size_t *needed, uint64_t *id) {
    lyger_call call = CALL(DSN);
    call.form = form;
    call.buf = buf;
    call.cap = cap;
    int32_t status = lyger_db_fetch(&call, sql, strlen(sql), NULL, 0);
    *needed = call.needed;
    *id = call.id;
    return status;
}

void misuse_call(statement function) {
    GIVES(LYGER_STATUS_NULL_POINTER, function(NULL, "SELECT 1", 8, NULL, 0));
    lyger_call call = CALL(DSN);
    /* Another size: nothing else of it is touched. */
    static const uint32_t sizes[] = {0, 1, sizeof(lyger_call) - 1, sizeof(lyger_call) + 1, UINT32_MAX};
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        uint32_t *size = malloc(sizeof *size);
        *size = sizes[at];
        GIVES(LYGER_STATUS_INVALID_ARGUMENT, function((lyger_call *)size, "SELECT 1", 8, NULL, 0));
        free(size);
    }
    GIVES(LYGER_STATUS_NULL_POINTER, function(&call, NULL, 1, NULL, 0));
    CHECK(call.id == 0);
    GIVES(LYGER_STATUS_NULL_POINTER, function(&call, "SELECT 1", 8, NULL, 1));
    GIVES(LYGER_STATUS_TOO_LONG, function(&call, NOWHERE, SIZE_MAX, NULL, 0));
    GIVES(LYGER_STATUS_TOO_LONG, function(&call, "SELECT 1", 8, NOWHERE, SIZE_MAX));
    call.flags = 8;
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, function(&call, "SELECT 1", 8, NULL, 0));
    call.flags = UINT32_MAX;
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, function(&call, "SELECT 1", 8, NULL, 0));
    call = CALL("oracle://x");
    GIVES(LYGER_STATUS_INVALID_DSN, function(&call, "SELECT 1", 8, NULL, 0));
    call.dsn = NULL;
    GIVES(LYGER_STATUS_NULL_POINTER, function(&call, "SELECT 1", 8, NULL, 0));
    call.dsn = NOWHERE;
    call.dsn_len = SIZE_MAX;
    GIVES(LYGER_STATUS_TOO_LONG, function(&call, "SELECT 1", 8, NULL, 0));
    CHECK(call.id == 0);

    /* It may lie anywhere, and what it points to may be another between two calls. */
    char *bytes = malloc(sizeof(lyger_call) + 1), dsn[] = DSN;
    call = CALL(dsn);
    memcpy(bytes + 1, &call, sizeof call);
    GIVES(LYGER_STATUS_NULL_POINTER, function((lyger_call *)(bytes + 1), NULL, 1, NULL, 0));
    GIVES(LYGER_STATUS_QUERY_FAILED, lyger_db_run((lyger_call *)(bytes + 1), "SELEC 1", 7, NULL, 0));
    free(bytes);
    memcpy(dsn, "oracle://x.y.z/", strlen(DSN));
    GIVES(LYGER_STATUS_INVALID_DSN, function(&call, "SELECT 1", 8, NULL, 0));
}

static void misuse_fetch(void) {
    uint64_t id = 7;
    size_t needed;
    char buf[64];
    misuse_call(lyger_db_fetch);
    GIVES(LYGER_STATUS_NULL_POINTER, fetch("SELECT 1", 0, NULL, sizeof buf, &needed, &id));
    CHECK(id == 0 && needed == 0);
    GIVES(LYGER_STATUS_TOO_LONG, fetch("SELECT 1", 0, buf, SIZE_MAX, &needed, &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, fetch("SELECT 1", 4, buf, sizeof buf, &needed, &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, fetch("SELECT 1", UINT32_MAX, buf, sizeof buf, &needed, &id));
    GIVES(LYGER_STATUS_QUERY_FAILED, fetch("SELEC 1", 0, buf, sizeof buf, &needed, &id));
    CHECK(id == 0 && needed == 0);
    const char *wanted[] = {"a:1:{i:0;a:1:{s:1:\"n\";i:1;}}", "a:1:{i:0;a:1:{s:1:\"n\";i:1;}}", "a:1:{i:0;i:1;}", "[{\"n\":1}]"};
    for (uint32_t form = 0; form < 4; form++) {
        GIVES(LYGER_STATUS_OK, fetch("SELECT 1 AS n", form, buf, sizeof buf, &needed, &id));
        CHECK(id == 0 && needed == strlen(wanted[form]) && !memcmp(buf, wanted[form], needed));
        GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, fetch("SELECT 1 AS n", form, buf, 3, &needed, &id));
        CHECK(id != 0 && needed == strlen(wanted[form]));
        GIVES(LYGER_STATUS_OK, lyger_result_free(id));
    }
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, fetch("SELECT 1 AS n", 0, NULL, 0, &needed, &id));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_result_column(id, 1, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_result_column(id, UINT64_MAX, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_result_column(id, 0, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_result_column(id, 0, buf, 3, &needed));
    GIVES(LYGER_STATUS_OK, lyger_result_column(id, 0, buf, sizeof buf, &needed));
    WROTE(buf, needed, "a:1:{i:0;i:1;}");
    GIVES(LYGER_STATUS_OK, lyger_result_free(id));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_column(id, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, fetch("CREATE TEMP TABLE fetched (n)", 2, buf, sizeof buf, &needed, &id));
    WROTE(buf, needed, "a:0:{}");
    GIVES(LYGER_STATUS_OK, lyger_db_end());
}

/* What statements leave, rows in one call, and rows chunk by chunk. */
void misuse_clients(void) {
    uint64_t id = 7, other;
    misuse_fetch();
    uint8_t keeps = 9;
    misuse_call(lyger_db_run);
    GIVES(LYGER_STATUS_QUERY_FAILED, run(DSN, "SELEC 1", 3, &id));

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_db_keeps(DSN, 15, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_db_keeps(NULL, 1, &keeps));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_db_keeps(NOWHERE, SIZE_MAX, &keeps));
    GIVES(LYGER_STATUS_INVALID_DSN, lyger_db_keeps("oracle://x", 10, &keeps));
    CHECK(keeps == 9);
    GIVES(LYGER_STATUS_OK, run(DSN, "BEGIN", 0, &id));
    GIVES(LYGER_STATUS_OK, lyger_result_free(id));
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 1);
    GIVES(LYGER_STATUS_OK, lyger_db_end());
    GIVES(LYGER_STATUS_OK, lyger_db_end());
    GIVES(LYGER_STATUS_OK, lyger_db_keeps(DSN, 15, &keeps));
    CHECK(keeps == 0);

    int32_t state = 9;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_db_state(DSN, 15, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_db_state(NULL, 1, &state));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_db_state(NOWHERE, SIZE_MAX, &state));
    GIVES(LYGER_STATUS_INVALID_DSN, lyger_db_state("oracle://x", 10, &state));
    CHECK(state == 9);
    GIVES(LYGER_STATUS_OK, lyger_db_state(DSN, 15, &state));
    CHECK(state == 0);
    GIVES(LYGER_STATUS_OK, run(DSN, "BEGIN", 0, &id));
    GIVES(LYGER_STATUS_OK, lyger_result_free(id));
    GIVES(LYGER_STATUS_OK, lyger_db_state(DSN, 15, &state));
    CHECK(state == 1);
    GIVES(LYGER_STATUS_OK, lyger_db_end());

    lyger_call call = CALL(DSN);
    misuse_call(lyger_stream_open);
    GIVES(LYGER_STATUS_QUERY_FAILED, lyger_stream_open(&call, "SELEC 1", 7, NULL, 0));
    CHECK(call.id == 0);
    GIVES(LYGER_STATUS_OK, lyger_stream_open(&call, "SELECT 1", 8, NULL, 0));
    id = call.id;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_stream_next(id, NULL));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_free(id));
    GIVES(LYGER_STATUS_OK, lyger_stream_next(id, &other));
    GIVES(LYGER_STATUS_OK, lyger_result_free(other));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_stream_next(other, &other));
    CHECK(other == 0);
    for (int again = 0; again < 2; again++) {
        GIVES(LYGER_STATUS_OK, lyger_stream_next(id, &other));
        CHECK(other == 0);
    }
    GIVES(LYGER_STATUS_OK, lyger_stream_close(id));
    for (int bit = 0; bit < 64; bit++) {
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_stream_close(id ^ (1ull << bit)));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_stream_next(id ^ (1ull << bit), &other));
    }
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_stream_close(id));
}

void misuse_results(void) {
    uint64_t id, other;
    size_t needed = 7;
    char buf[64];
    char *json;
    lyger_result_info info = {0};
    GIVES(LYGER_STATUS_OK, execute(DSN, "SELECT ? AS n", "\1\0\0\0\6\3\0\0\0a\0b", 12, &id));
    CHECK(id > 0 && id < (1ull << 53));

    GIVES(LYGER_STATUS_OK, lyger_result_describe(id, &info));
    CHECK(info.rows == 1 && info.columns == 1 && !info.reserved);
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_result_describe(id, NULL));
    GIVES(LYGER_STATUS_OK, lyger_result_json(id, buf, sizeof buf, &needed));
    WROTE(buf, needed, "[{\"n\":\"YQBi\"}]");
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_result_json(id, buf, needed - 1, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_result_json(id, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_result_json(id, NULL, 1, &needed));
    GIVES(LYGER_STATUS_OK, lyger_result_rows(id, buf, sizeof buf, &needed));
    WROTE(buf, needed, "a:1:{i:0;a:1:{s:1:\"n\";s:3:\"a\0b\";}}");
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_result_rows(id, NULL, 0, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_result_rows(id, buf, sizeof buf, NULL));
#define SHAPED(options) lyger_result_shaped(id, options, strlen(options), 9, buf, sizeof buf, &needed)
    GIVES(LYGER_STATUS_OK, SHAPED("{\"shape\":\"single\"}"));
    WROTE(buf, needed, "{\"n\":\"YQBi\"}");
    GIVES(LYGER_STATUS_OK, lyger_result_shaped(id, NULL, 0, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_result_shaped(id, NULL, 0, 0, NULL, 0, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_result_shaped(id, NULL, 0, 0, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_result_shaped(id, NULL, 1, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_result_shaped(id, NOWHERE, SIZE_MAX, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, SHAPED("{"));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, SHAPED("{\"shape\":\"keyed\",\"key\":\"x\"}"));
    GIVES(LYGER_STATUS_OK, lyger_result_slice(id, 0, UINT64_MAX, buf, sizeof buf, &needed));
    WROTE(buf, needed, "a:1:{i:0;a:1:{s:1:\"n\";s:3:\"a\0b\";}}");
    GIVES(LYGER_STATUS_OK, lyger_result_slice(id, UINT64_MAX, UINT64_MAX, buf, sizeof buf, &needed));
    WROTE(buf, needed, "a:0:{}");
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_result_slice(id, 0, 1, NULL, 0, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_result_slice(id, 0, 1, buf, sizeof buf, NULL));
    LEAVES(LYGER_STATUS_OK, (json = lyger_jsonify_result(id)) && !strcmp(json, "[{\"n\":\"YQBi\"}]"));
    lyger_free_string(json);

    /* Rows by columns: one, with 7 in its column. */
    const char seven[] = "c\1\0\0\0\1\0\0\0n\1\0\0\0i\0\0\0\0\10\0\0\0\7\0\0\0\0\0\0";
    GIVES(LYGER_STATUS_OK, lyger_rows_json(seven, sizeof seven, buf, sizeof buf, &needed));
    WROTE(buf, needed, "[{\"n\":7}]");
    for (size_t cut = 0; cut < sizeof seven; cut++)
        GIVES(LYGER_STATUS_NOT_FOUND, lyger_rows_json(seven, cut, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_rows_json(seven, sizeof seven, NULL, 0, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_rows_json(seven, sizeof seven, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_rows_json(NULL, 1, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_rows_json(NOWHERE, SIZE_MAX, buf, sizeof buf, &needed));

    /* Every bit of an id matters. */
    uint64_t forged[70] = {0, 1, UINT64_MAX, 1ull << 63, id + 1, id - 1};
    for (int bit = 0; bit < 64; bit++) forged[6 + bit] = id ^ (1ull << bit);
    for (int at = 0; at < 70; at++) {
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_describe(forged[at], &info));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_json(forged[at], buf, sizeof buf, &needed));
        CHECK(needed == 0);
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_rows(forged[at], buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_shaped(forged[at], NULL, 0, 0, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_slice(forged[at], 0, 1, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_free(forged[at]));
        LEAVES(LYGER_STATUS_INVALID_HANDLE, lyger_jsonify_result(forged[at]) == NULL);
        lyger_free_result(forged[at]);
        CHECK(last_status() == LYGER_STATUS_INVALID_HANDLE);
    }

    /* Freed twice, and its slot in use again. */
    GIVES(LYGER_STATUS_OK, lyger_result_free(id));
    CHECK((other = lyger_db_query(DSN, "SELECT 2 AS n")) != 0 && other != id);
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_result_free(id));
    lyger_free_result(id);
    CHECK(last_status() == LYGER_STATUS_INVALID_HANDLE);
    LEAVES(LYGER_STATUS_OK, (json = lyger_jsonify_result(other)) && !strcmp(json, "[{\"n\":2}]"));
    lyger_free_string(json);

    /* A release makes ids stale. */
    GIVES(LYGER_STATUS_OK, lyger_engine_release());
    LEAVES(LYGER_STATUS_INVALID_HANDLE, lyger_jsonify_result(other) == NULL);
}
