/* Vector indexes: wrong ids, lengths, numbers, files and statements, and two threads at one index. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

#define BYTES(array) ((const char *)(array)), sizeof(array)

static uint64_t two(void) {
    uint64_t index = 7;
    int64_t ids[3] = {1, -2, INT64_MAX};
    float vectors[6] = {3, 4, 0, 0, -3, -4};
    GIVES(LYGER_STATUS_OK, lyger_vector_new(2, &index));
    GIVES(LYGER_STATUS_OK, lyger_vector_add(index, BYTES(ids), BYTES(vectors)));
    return index;
}

static uint64_t count(uint64_t index) {
    lyger_vector_info info = {7, 7, 7};
    GIVES(LYGER_STATUS_OK, lyger_vector_stat(index, &info));
    CHECK(info.dimension == 2 && (info.count == 0 || info.memory_bytes >= 8 * info.count));
    return info.count;
}

static void misuse_ids(void) {
    uint64_t index = two(), n = 7, result = lyger_db_query("sqlite::memory:", "SELECT 1, '[1,2]'");
    uint64_t wrong[] = {0, 1, index + 1, index - 1, ~index, UINT64_MAX, result};
    char buf[64];
    float query[2] = {1, 0};
    lyger_vector_info info;
    lyger_call call = CALL("sqlite::memory:");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t needed = 7;
        n = 7;
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_free(wrong[i]));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_add(wrong[i], NULL, 0, NULL, 0));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_remove(wrong[i], NULL, 0, &n));
        CHECK(n == 0);
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_get(wrong[i], 1, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_search(wrong[i], BYTES(query), 0, 1, NULL, 0, buf, sizeof buf, &needed));
        CHECK(needed == 0);
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_load(wrong[i], &call, "SELECT 1", 8, NULL, 0, &n));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_save(wrong[i], "x", 1));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_stat(wrong[i], &info));
    }
    lyger_result_free(result);
    GIVES(LYGER_STATUS_OK, lyger_vector_free(index));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_free(index));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_stat(index, &info));
}

static void misuse_new(void) {
    uint64_t index = 7;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_new(2, NULL));
    size_t wrong[] = {0, 65537, SIZE_MAX, SIZE_MAX / 4 + 1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        index = 7;
        GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_vector_new(wrong[i], &index));
        CHECK(index == 0);
    }
    GIVES(LYGER_STATUS_OK, lyger_vector_new(65536, &index));
    GIVES(LYGER_STATUS_OK, lyger_vector_free(index));
}

static void misuse_changes(void) {
    uint64_t index = two(), removed = 7;
    int64_t ids[2] = {8, 9};
    float vectors[4] = {1, 2, 3, 4}, wrong[] = {NAN, INFINITY, -INFINITY};
    const size_t len_max = (size_t)UINT32_MAX * 8;

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_add(index, NULL, 8, BYTES(vectors)));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_add(index, BYTES(ids), NULL, 8));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_vector_add(index, NOWHERE, len_max + 1, BYTES(vectors)));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_vector_add(index, BYTES(ids), NOWHERE, SIZE_MAX));
    GIVES(LYGER_STATUS_INVALID_VECTOR, lyger_vector_add(index, (char *)ids, 15, BYTES(vectors)));
    GIVES(LYGER_STATUS_INVALID_VECTOR, lyger_vector_add(index, BYTES(ids), (char *)vectors, 15));
    GIVES(LYGER_STATUS_INVALID_VECTOR, lyger_vector_add(index, BYTES(ids), (char *)vectors, 12));
    GIVES(LYGER_STATUS_INVALID_VECTOR, lyger_vector_add(index, BYTES(ids), NULL, 0));
    GIVES(LYGER_STATUS_INVALID_VECTOR, lyger_vector_add(index, NULL, 0, BYTES(vectors)));
    GIVES(LYGER_STATUS_OK, lyger_vector_add(index, NULL, 0, NULL, 0));
    for (size_t i = 0; i < 3; i++) {
        vectors[3] = wrong[i];
        GIVES(LYGER_STATUS_INVALID_VECTOR, lyger_vector_add(index, BYTES(ids), BYTES(vectors)));
        CHECK(strstr(last_error(), "\"value\":9") && strstr(last_error(), "element 1"));
    }
    CHECK(count(index) == 3);
    /* Of any alignment. */
    char odd[9 + 16];
    memcpy(odd + 1, ids, 8);
    memcpy(odd + 9, vectors, 8);
    GIVES(LYGER_STATUS_OK, lyger_vector_add(index, odd + 1, 8, odd + 9, 8));
    CHECK(count(index) == 4);

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_remove(index, BYTES(ids), NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_remove(index, NULL, 8, &removed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_vector_remove(index, NOWHERE, SIZE_MAX, &removed));
    GIVES(LYGER_STATUS_INVALID_VECTOR, lyger_vector_remove(index, (char *)ids, 9, &removed));
    CHECK(removed == 0 && count(index) == 4);
    GIVES(LYGER_STATUS_OK, lyger_vector_remove(index, BYTES(ids), &removed));
    CHECK(removed == 1 && count(index) == 3);
    GIVES(LYGER_STATUS_OK, lyger_vector_remove(index, BYTES(ids), &removed));
    CHECK(removed == 0);
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_stat(index, NULL));
    GIVES(LYGER_STATUS_OK, lyger_vector_free(index));
}

static void misuse_get(void) {
    uint64_t index = two();
    float vector[2] = {7, 7};
    size_t needed = 7;
    char *buf = (char *)vector;
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_get(index, 1, buf, 8, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_get(index, 1, NULL, 8, &needed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_vector_get(index, 1, buf, SIZE_MAX, &needed));
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_vector_get(index, 2, buf, 8, &needed));
    CHECK(needed == 0);
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_vector_get(index, 1, buf, 7, &needed));
    CHECK(needed == 8 && vector[0] == 7 && vector[1] == 7);
    GIVES(LYGER_STATUS_OK, lyger_vector_get(index, INT64_MAX, buf, 8, &needed));
    CHECK(needed == 8 && vector[0] == -3 && vector[1] == -4);
    GIVES(LYGER_STATUS_OK, lyger_vector_free(index));
}

static void misuse_search(void) {
    uint64_t index = two(), empty;
    float query[2] = {6, 8}, nan[2] = {0, NAN}, scores[3];
    int64_t ids[3], among[2] = {-2, 4};
    char buf[36];
    size_t needed = 7;
#define SEARCH(status, query_, query_len, metric, k, among_, among_len, buf_, cap, needed_) \
    GIVES(status, lyger_vector_search(index, (const char *)(query_), query_len, metric, k, (const char *)(among_), among_len, buf_, cap, needed_))
    memset(buf, 7, sizeof buf);
    SEARCH(LYGER_STATUS_NULL_POINTER, query, 8, 0, 3, NULL, 0, buf, 36, NULL);
    SEARCH(LYGER_STATUS_NULL_POINTER, query, 8, 0, 3, NULL, 0, NULL, 36, &needed);
    SEARCH(LYGER_STATUS_NULL_POINTER, NULL, 8, 0, 3, NULL, 0, buf, 36, &needed);
    SEARCH(LYGER_STATUS_NULL_POINTER, query, 8, 0, 3, NULL, 8, buf, 36, &needed);
    SEARCH(LYGER_STATUS_TOO_LONG, NOWHERE, SIZE_MAX, 0, 3, NULL, 0, buf, 36, &needed);
    SEARCH(LYGER_STATUS_TOO_LONG, query, 8, 0, 3, NOWHERE, SIZE_MAX, buf, 36, &needed);
    SEARCH(LYGER_STATUS_INVALID_VECTOR, query, 0, 0, 3, NULL, 0, buf, 36, &needed);
    SEARCH(LYGER_STATUS_INVALID_VECTOR, query, 4, 0, 3, NULL, 0, buf, 36, &needed);
    SEARCH(LYGER_STATUS_INVALID_VECTOR, query, 7, 0, 3, NULL, 0, buf, 36, &needed);
    SEARCH(LYGER_STATUS_INVALID_VECTOR, nan, 8, 0, 3, NULL, 0, buf, 36, &needed);
    SEARCH(LYGER_STATUS_INVALID_VECTOR, query, 8, 0, 3, among, 9, buf, 36, &needed);
    SEARCH(LYGER_STATUS_INVALID_ARGUMENT, query, 8, 3, 3, NULL, 0, buf, 36, &needed);
    SEARCH(LYGER_STATUS_INVALID_ARGUMENT, query, 8, UINT32_MAX, 3, NULL, 0, buf, 36, &needed);
    CHECK(needed == 0);
    SEARCH(LYGER_STATUS_BUFFER_TOO_SMALL, query, 8, 0, 3, NULL, 0, buf, 35, &needed);
    CHECK(needed == 36 && buf[0] == 7 && buf[34] == 7);
    SEARCH(LYGER_STATUS_OK, query, 8, 0, 0, NULL, 0, NULL, 0, &needed);
    CHECK(needed == 0);
    SEARCH(LYGER_STATUS_OK, query, 8, 0, SIZE_MAX, "", 0, buf, 36, &needed);
    CHECK(needed == 0);
    SEARCH(LYGER_STATUS_OK, query, 8, 1, SIZE_MAX, NULL, 0, buf, 36, &needed);
    memcpy(ids, buf, 24);
    memcpy(scores, buf + 24, 12);
    CHECK(needed == 36 && ids[0] == 1 && ids[1] == -2 && ids[2] == INT64_MAX);
    CHECK(scores[0] == 1 && scores[1] == 0 && scores[2] == -1);
    SEARCH(LYGER_STATUS_OK, query, 8, 2, 3, among, 16, buf, 36, &needed);
    memcpy(ids, buf, 8);
    memcpy(scores, buf + 8, 4);
    CHECK(needed == 12 && ids[0] == -2 && scores[0] == 10);
    GIVES(LYGER_STATUS_OK, lyger_vector_free(index));

    GIVES(LYGER_STATUS_OK, lyger_vector_new(2, &empty));
    GIVES(LYGER_STATUS_OK, lyger_vector_search(empty, BYTES(query), 1, 5, NULL, 0, NULL, 0, &needed));
    CHECK(needed == 0 && count(empty) == 0);
    GIVES(LYGER_STATUS_OK, lyger_vector_free(empty));
}

static void misuse_load(void) {
    uint64_t index = two(), loaded = 7;
    lyger_call call = CALL("sqlite::memory:");
#define LOAD(status, sql) do { loaded = 7; GIVES(status, lyger_vector_load(index, &call, sql, strlen(sql), NULL, 0, &loaded)); } while (0)
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_load(index, &call, "SELECT 1", 8, NULL, 0, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_load(index, NULL, "SELECT 1", 8, NULL, 0, &loaded));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_load(index, &call, NULL, 8, NULL, 0, &loaded));
    LOAD(LYGER_STATUS_QUERY_FAILED, "SELECT nothing");
    LOAD(LYGER_STATUS_UNSUPPORTED_TYPE, "SELECT 1");
    LOAD(LYGER_STATUS_UNSUPPORTED_TYPE, "SELECT 1, '[1,2]', 3");
    LOAD(LYGER_STATUS_INVALID_VECTOR, "SELECT 5, '[1]'");
    CHECK(strstr(last_error(), "\"value\":5"));
    LOAD(LYGER_STATUS_INVALID_VECTOR, "SELECT 5, NULL");
    LOAD(LYGER_STATUS_INVALID_VECTOR, "SELECT NULL, '[1,2]'");
    LOAD(LYGER_STATUS_INVALID_VECTOR, "SELECT 5, '[1,2'");
    LOAD(LYGER_STATUS_INVALID_VECTOR, "SELECT 5, x'0000803f000080'");
    LOAD(LYGER_STATUS_INVALID_VECTOR, "SELECT 5, '[1,2]' UNION ALL SELECT 6, '[1e39,1]'");
    CHECK(loaded == 0 && count(index) == 3);
    LOAD(LYGER_STATUS_OK, "SELECT 5, '[1,2]' UNION ALL SELECT 1, x'0000803f00000040'");
    CHECK(loaded == 2 && count(index) == 4);
    GIVES(LYGER_STATUS_OK, lyger_vector_free(index));
}

static void misuse_files(void) {
    uint64_t index = two(), opened = 7;
    char path[64], long_path[4097];
    memset(long_path, 'x', sizeof long_path);
    snprintf(path, sizeof path, "/tmp/lyger-misuse-%d.index", (int)getpid());
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_save(index, NULL, 1));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_vector_save(index, NULL, 0));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_vector_save(index, "a\0b", 3));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_vector_save(index, long_path, sizeof long_path));
    GIVES(LYGER_STATUS_INDEX_FILE_FAILED, lyger_vector_save(index, "/nowhere/at/all", 15));
    GIVES(LYGER_STATUS_INDEX_FILE_FAILED, lyger_vector_save(index, "/", 1));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_open(path, strlen(path), NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_vector_open(NULL, 1, &opened));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_vector_open(NULL, 0, &opened));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_vector_open(NOWHERE, SIZE_MAX, &opened));
    GIVES(LYGER_STATUS_INDEX_FILE_FAILED, lyger_vector_open(path, strlen(path), &opened));
    GIVES(LYGER_STATUS_INDEX_DAMAGED, lyger_vector_open("/tmp", 4, &opened));
    GIVES(LYGER_STATUS_INDEX_DAMAGED, lyger_vector_open("/dev/zero", 9, &opened));
    CHECK(opened == 0);
    GIVES(LYGER_STATUS_OK, lyger_vector_save(index, path, strlen(path)));
    GIVES(LYGER_STATUS_OK, lyger_vector_open(path, strlen(path), &opened));
    CHECK(opened != index && count(opened) == 3);
    GIVES(LYGER_STATUS_OK, lyger_vector_free(opened));
    CHECK(truncate(path, 40) == 0);
    GIVES(LYGER_STATUS_INDEX_DAMAGED, lyger_vector_open(path, strlen(path), &opened));
    CHECK(opened == 0);
    unlink(path);
    GIVES(LYGER_STATUS_OK, lyger_vector_free(index));
}

/* Whatever another thread does meanwhile, a search finds whole vectors or none: {1, 0} or {2, 0}. */
static void *change(void *of) {
    uint64_t index = *(uint64_t *)of, removed;
    for (int64_t i = 0; i < 400; i++) {
        int64_t id = i % 5;
        float vector[2] = {(float)(1 + i % 2), 0};
        lyger_vector_add(index, (char *)&id, 8, BYTES(vector));
        if (i % 7 == 0) lyger_vector_remove(index, (char *)&id, 8, &removed);
    }
    return NULL;
}

static void *search(void *of) {
    uint64_t index = *(uint64_t *)of;
    float query[2] = {1, 0};
    for (int i = 0; i < 400; i++) {
        char buf[12 * 5];
        size_t needed;
        if (lyger_vector_search(index, BYTES(query), 0, 5, NULL, 0, buf, sizeof buf, &needed)) return "a status";
        size_t n = needed / 12;
        for (size_t at = 0; at < n; at++) {
            float score;
            memcpy(&score, buf + 8 * n + 4 * at, 4);
            if (score != 1 && score != 2) return "a score";
        }
    }
    return NULL;
}

static void misuse_by_two_threads(void) {
    uint64_t index;
    pthread_t threads[4];
    GIVES(LYGER_STATUS_OK, lyger_vector_new(2, &index));
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, i % 2 ? search : change, &index);
    for (int i = 0; i < 4; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        CHECK(wrong == NULL);
    }
    GIVES(LYGER_STATUS_OK, lyger_vector_free(index));
    /* Freed while others search: they end, or are told. */
    index = two();
    pthread_create(&threads[0], NULL, search, &index);
    pthread_create(&threads[1], NULL, change, &index);
    lyger_vector_free(index);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    lyger_vector_info info;
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_stat(index, &info));
}

void misuse_index(void) {
    misuse_new();
    misuse_ids();
    misuse_changes();
    misuse_get();
    misuse_search();
    misuse_load();
    misuse_files();
    misuse_by_two_threads();
    uint64_t index = two();
    lyger_vector_info info;
    GIVES(LYGER_STATUS_OK, lyger_engine_release());
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_vector_stat(index, &info));
}
