/* A cache by its id; bytes_max is 1,000 by now. */
#include "check.h"

static uint8_t flag;
static uint64_t number, other;
static int64_t sum;
static double real;
static size_t length, needed;
static char buf[64], large[2000];

/* What every function says to a cache that isn't there: ids of other things, and of nothing. */
static void misuse_ids(void) {
    uint64_t ids[] = {1, 42, UINT64_MAX, (uint64_t)1 << 49, ((uint64_t)6 << 49) + 1};
    for (size_t at = 0; at < sizeof ids / sizeof *ids; at++) {
        uint64_t id = ids[at];
        lyger_reader reader = {.size = sizeof reader, .store = id, .buf = buf, .cap = sizeof buf};
        CHECK(lyger_store_find(&reader, "k", 1) == -LYGER_STATUS_INVALID_HANDLE);
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_get(id, "k", 1, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_put(id, "k", 1, "v", 1, 0));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_set(id, "k", 1, "v", 1, 0, 0, 0, &flag, NULL, 0, NULL));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_compare_and_set(id, "k", 1, "v", 1, "w", 1, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_delete(id, "k", 1, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_ttl(id, "k", 1, &sum));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_exists(id, "k", 1, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_expire(id, "k", 1, 0, 0, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_increment(id, "k", 1, 1, &sum));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_increment_float(id, "k", 1, 1, &real));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_append(id, "k", 1, "v", 1, &length));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_get_range(id, "k", 1, 0, -1, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_set_range(id, "k", 1, 0, "v", 1, &length));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_take(id, "k", 1, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_touch(id, "k", 1, 0, 0, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_get_many(id, NULL, 0, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_set_many(id, NULL, 0, 0, 0, 0, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_delete_many(id, NULL, 0, &number));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_scan(id, 0, 1, &number, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_size(id, &number));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_clear(id));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_stats(id, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_lock_take(id, "k", 1, 1000, &number));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_lock_release(id, "k", 1, 1, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_lock_extend(id, "k", 1, 1, 1000, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_lock_holder(id, "k", 1, &number));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_rate_count(id, "k", 1, 1000, &number, &other));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_rate_read(id, "k", 1, &number, &other));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_rate_reset(id, "k", 1));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_flight_take_off(id, "k", 1, 1000, &number, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_flight_land(id, "k", 1, 1, "v", 1, 0, 0, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_flight_abandon(id, "k", 1, 1));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_session_open(id, "k", 1, 1000, &number));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_session_close(id, "k", 1, 1, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_session_read(id, "k", 1, buf, sizeof buf, &needed));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_session_write(id, "k", 1, 0, "v", 1, 1000, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_session_touch(id, "k", 1, 1000, &flag));
        GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_session_destroy(id, "k", 1, &flag));
    }
}

/* Keys that aren't there in memory, or too long; outputs that are null. */
static void misuse_pointers(void) {
    lyger_reader reader = {.size = sizeof reader, .store = 0, .buf = buf, .cap = sizeof buf};
    CHECK(lyger_store_find(NULL, "k", 1) == -LYGER_STATUS_NULL_POINTER);
    CHECK(lyger_store_find(&reader, NULL, 1) == -LYGER_STATUS_NULL_POINTER);
    CHECK(lyger_store_find(&reader, NOWHERE, SIZE_MAX) == -LYGER_STATUS_TOO_LONG);
    reader.buf = NULL;
    CHECK(lyger_store_find(&reader, "k", 1) == -LYGER_STATUS_NULL_POINTER);
    reader = (lyger_reader){.size = sizeof reader - 1, .store = 0, .buf = buf, .cap = sizeof buf};
    CHECK(lyger_store_find(&reader, "k", 1) == -LYGER_STATUS_INVALID_ARGUMENT);
    reader = (lyger_reader){.size = sizeof reader, .store = 0, .buf = buf, .cap = SIZE_MAX};
    CHECK(lyger_store_find(&reader, "k", 1) == -LYGER_STATUS_TOO_LONG);

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_get(0, NULL, 1, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_get(0, "k", 1, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_get(0, "k", 1, NULL, 1, &needed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_store_get(0, NOWHERE, 65537, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_put(0, "k", 1, NULL, 1, 0));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_store_put(0, "k", 1, NOWHERE, SIZE_MAX, 0));
    GIVES(LYGER_STATUS_CACHE_VALUE_TOO_LARGE, lyger_store_put(0, "k", 1, large, sizeof large, 0));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_set(0, "k", 1, "v", 1, 0, 0, 0, NULL, NULL, 0, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_set(0, "k", 1, "v", 1, 0, 0, 0, &flag, NULL, 1, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_set(0, "k", 1, "v", 1, 3, 0, 0, &flag, NULL, 0, NULL));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_set(0, "k", 1, "v", 1, 0, 4, 0, &flag, NULL, 0, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_compare_and_set(0, "k", 1, NULL, 1, "w", 1, &flag));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_compare_and_set(0, "k", 1, "v", 1, "w", 1, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_delete(0, "k", 1, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_ttl(0, "k", 1, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_exists(0, "k", 1, NULL));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_expire(0, "k", 1, UINT32_MAX, 0, &flag));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_expire(0, "k", 1, 0, 0, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_increment(0, "k", 1, 1, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_increment_float(0, "k", 1, 1, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_append(0, "k", 1, NULL, 1, &length));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_get_range(0, "k", 1, 0, 1, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_CACHE_VALUE_TOO_LARGE, lyger_store_set_range(0, "k", 1, SIZE_MAX, "v", 1, &length));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_store_take(0, NOWHERE, 65537, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_touch(0, "k", 1, 4, 0, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_get_many(0, "\1\0\0", 3, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_get_many(0, "\2\0\0\0k", 5, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_get_many(0, "\377\377\377\377k", 5, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_store_get_many(0, NOWHERE, ((size_t)1 << 30) + 1, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_set_many(0, "\1\0\0\0k", 5, 0, 0, 0, &flag));
    GIVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_store_set_many(0, NULL, 0, 9, 9, 0, &flag));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_delete_many(0, NULL, 1, &number));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_scan(0, 0, 1, NULL, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_size(0, NULL));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_store_stats(0, NULL, 0, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_lock_take(0, "k", 1, 1, NULL));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_lock_take(0, NOWHERE, 65537, 1, &number));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_lock_release(0, NULL, 1, 1, &flag));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_lock_extend(0, "k", 1, 1, 1, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_lock_holder(0, "k", 1, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_rate_count(0, "k", 1, 1, NULL, &other));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_rate_read(0, "k", 1, &number, NULL));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_rate_reset(0, NOWHERE, SIZE_MAX));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_flight_take_off(0, "k", 1, 1, NULL, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_flight_land(0, "k", 1, 1, NULL, 1, 0, 0, &flag));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_flight_abandon(0, NULL, 1, 1));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_session_open(0, "k", 1, 1, NULL));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_session_open(0, NOWHERE, 65537, 1, &number));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_session_close(0, NULL, 1, 1, &flag));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_session_read(0, "k", 1, NULL, 1, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_session_read(0, "k", 1, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_session_write(0, "k", 1, 0, NULL, 1, 1, &flag));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_session_write(0, "k", 1, 0, "v", 1, 1, NULL));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_session_write(0, "k", 1, 0, NOWHERE, SIZE_MAX, 1, &flag));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_session_touch(0, "k", 1, 1, NULL));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_session_destroy(0, NOWHERE, SIZE_MAX, &flag));
}

/* What only the one who has a session open may do, and what nobody can. */
static void misuse_sessions(void) {
    static char too_long[61441];
    uint64_t token;

    GIVES(LYGER_STATUS_OK, lyger_session_open(0, "s\0", 2, UINT64_MAX, &token));
    GIVES(LYGER_STATUS_OK, lyger_session_open(0, "s\0", 2, 1, &number));
    CHECK(token > 0 && number == 0);
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_session_read(0, "s\0", 2, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, lyger_session_write(0, "s\0", 2, token + 1, "other", 5, 60000, &flag));
    CHECK(flag == 0);
    GIVES(LYGER_STATUS_OK, lyger_session_write(0, "s\0", 2, token, "data", 4, UINT64_MAX, &flag));
    CHECK(flag == 1);
    GIVES(LYGER_STATUS_CACHE_VALUE_TOO_LARGE,
          lyger_session_write(0, "s\0", 2, token, too_long, sizeof too_long, 60000, &flag));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_session_read(0, "s\0", 2, buf, 3, &needed));
    CHECK(needed == 4);
    GIVES(LYGER_STATUS_OK, lyger_store_clear(0));
    GIVES(LYGER_STATUS_OK, lyger_session_read(0, "s\0", 2, buf, 4, &needed));
    WROTE(buf, needed, "data");
    GIVES(LYGER_STATUS_OK, lyger_session_close(0, "s\0", 2, token + 1, &flag));
    CHECK(flag == 0);
    GIVES(LYGER_STATUS_OK, lyger_session_close(0, "s\0", 2, token, &flag));
    CHECK(flag == 1);
    GIVES(LYGER_STATUS_OK, lyger_session_write(0, "s\0", 2, token, "late", 4, 60000, &flag));
    CHECK(flag == 0);
    GIVES(LYGER_STATUS_OK, lyger_session_touch(0, "s\0", 2, 0, &flag));
    GIVES(LYGER_STATUS_OK, lyger_session_destroy(0, "s\0", 2, &flag));
    CHECK(flag == 0);
    GIVES(LYGER_STATUS_OK, lyger_session_write(0, NULL, 0, 0, NULL, 0, 60000, &flag));
    GIVES(LYGER_STATUS_OK, lyger_session_destroy(0, NULL, 0, &flag));
    CHECK(flag == 1);
}

void misuse_store(void) {
    lyger_reader reader = {.size = sizeof reader, .store = 0, .buf = buf, .cap = 4};
    uint64_t token;

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_open(NULL, 1, &number));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_store_open("redis://h", 9, NULL));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_store_open(NOWHERE, 4097, &number));
    GIVES(LYGER_STATUS_INVALID_UTF8, lyger_store_open("\xff", 1, &number));
    GIVES(LYGER_STATUS_INVALID_DSN, lyger_store_open(NULL, 0, &number));
    GIVES(LYGER_STATUS_INVALID_DSN, lyger_store_open("oracle://h", 10, &number));
    CHECK(number == 0);
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_close(0));
    /* Port 1 has nobody. */
    GIVES(LYGER_STATUS_OK, lyger_store_open("redis://127.0.0.1:1", 19, &number));
    GIVES(LYGER_STATUS_CONNECTION_FAILED, lyger_store_put(number, "k", 1, "v", 1, 0));
    GIVES(LYGER_STATUS_OK, lyger_store_close(number));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_put(number, "k", 1, "v", 1, 0));
    GIVES(LYGER_STATUS_INVALID_HANDLE, lyger_store_close(number));

    misuse_ids();
    misuse_pointers();
    misuse_sessions();

    /* A buffer that is too small, and what waits then. */
    GIVES(LYGER_STATUS_OK, lyger_store_put(0, "a\0b", 3, "value", 5, 0));
    CHECK(lyger_store_find(&reader, "a\0b", 3) == 5);
    CHECK(reader.sequence == NULL && reader.version == 0);
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_store_output(buf, 4, &needed));
    GIVES(LYGER_STATUS_OK, lyger_store_output(buf, 5, &needed));
    WROTE(buf, needed, "value");
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_store_output(buf, 5, &needed));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_store_take(0, "a\0b", 3, buf, 4, &needed));
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_store_take(0, "a\0b", 3, buf, 4, &needed));
    GIVES(LYGER_STATUS_OK, lyger_store_output(buf, sizeof buf, &needed));
    WROTE(buf, needed, "value");
    CHECK(lyger_store_find(&reader, "a\0b", 3) == -LYGER_STATUS_NOT_FOUND);

    /* A buffer that is the key's memory. */
    GIVES(LYGER_STATUS_OK, lyger_store_put(0, "same", 4, "other bytes", 11, 0));
    memcpy(buf, "same", 4);
    reader.cap = sizeof buf;
    CHECK(lyger_store_find(&reader, buf, 4) == 11 && !memcmp(buf, "other bytes", 11));
    CHECK(reader.version != 0 && *reader.sequence == reader.version && reader.expires_at == 0);
    GIVES(LYGER_STATUS_OK, lyger_store_put(0, "same", 4, "other bytes", 11, 0));
    CHECK(*reader.sequence != reader.version);

    GIVES(LYGER_STATUS_OK, lyger_store_set(0, "same", 4, "2", 1, 1, 0, 0, &flag, buf, sizeof buf, &needed));
    CHECK(flag == 0 && needed == 11);
    GIVES(LYGER_STATUS_OK, lyger_store_set(0, "none", 4, "2", 1, 2, 0, 0, &flag, buf, sizeof buf, &needed));
    CHECK(flag == 0 && needed == SIZE_MAX);
    GIVES(LYGER_STATUS_OK, lyger_store_compare_and_set(0, "same", 4, "other bytes", 11, "1", 1, &flag));
    CHECK(flag == 1);
    GIVES(LYGER_STATUS_OK, lyger_store_increment(0, "same", 4, 41, &sum));
    CHECK(sum == 42);
    GIVES(LYGER_STATUS_NOT_A_NUMBER, lyger_store_increment(0, "same", 4, INT64_MAX, &sum));
    GIVES(LYGER_STATUS_OK, lyger_store_append(0, "same", 4, ".5", 2, &length));
    GIVES(LYGER_STATUS_NOT_A_NUMBER, lyger_store_increment(0, "same", 4, 1, &sum));
    GIVES(LYGER_STATUS_OK, lyger_store_increment_float(0, "same", 4, 0.25, &real));
    CHECK(real == 42.75);
    GIVES(LYGER_STATUS_NOT_A_NUMBER, lyger_store_increment_float(0, "same", 4, 1.0 / 0.0, &real));
    GIVES(LYGER_STATUS_OK, lyger_store_get_range(0, "same", 4, -2, -1, buf, sizeof buf, &needed));
    WROTE(buf, needed, "75");
    GIVES(LYGER_STATUS_OK, lyger_store_set_range(0, "same", 4, 6, "x", 1, &length));
    CHECK(length == 7);
    GIVES(LYGER_STATUS_OK, lyger_store_expire(0, "same", 4, 1, 60000, &flag));
    GIVES(LYGER_STATUS_OK, lyger_store_ttl(0, "same", 4, &sum));
    CHECK(flag == 1 && sum > 0 && sum <= 60000);
    GIVES(LYGER_STATUS_OK, lyger_store_touch(0, "same", 4, 2, 1, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, lyger_store_exists(0, "same", 4, &flag));
    CHECK(flag == 0);
    CHECK(lyger_store_find(&reader, "same", 4) == -LYGER_STATUS_NOT_FOUND);

    GIVES(LYGER_STATUS_OK, lyger_store_set_many(0, "\1\0\0\0a\1\0\0\0" "1\0\0\0\0\0\0\0\0", 18, 1, 0, 0, &flag));
    CHECK(flag == 1);
    GIVES(LYGER_STATUS_OK, lyger_store_get_many(0, "\1\0\0\0b\1\0\0\0a", 10, buf, sizeof buf, &needed));
    WROTE(buf, needed, "\377\377\377\377\1\0\0\0" "1");
    GIVES(LYGER_STATUS_OK, lyger_store_size(0, &number));
    CHECK(number >= 2);
    GIVES(LYGER_STATUS_OK, lyger_store_scan(0, 0, UINT64_MAX, &number, buf, sizeof buf, &needed));
    CHECK(number == 0 && needed >= 9);
    GIVES(LYGER_STATUS_OK, lyger_store_scan(0, UINT64_MAX, 0, &number, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_OK, lyger_store_delete_many(0, "\1\0\0\0a\1\0\0\0a", 10, &number));
    CHECK(number == 1);
    GIVES(LYGER_STATUS_OK, lyger_store_clear(0));
    GIVES(LYGER_STATUS_OK, lyger_store_delete(0, "a", 1, &flag));
    CHECK(flag == 0);

    /* Another's token, and a token that is over. */
    GIVES(LYGER_STATUS_OK, lyger_lock_take(0, "job", 3, 60000, &token));
    GIVES(LYGER_STATUS_OK, lyger_lock_take(0, "job", 3, 60000, &number));
    CHECK(token > 0 && number == 0);
    GIVES(LYGER_STATUS_OK, lyger_lock_release(0, "job", 3, token + 1, &flag));
    CHECK(flag == 0);
    GIVES(LYGER_STATUS_OK, lyger_lock_extend(0, "job", 3, token, UINT64_MAX, &flag));
    GIVES(LYGER_STATUS_OK, lyger_lock_holder(0, "job", 3, &number));
    CHECK(flag == 1 && number == token);
    GIVES(LYGER_STATUS_OK, lyger_lock_release(0, "job", 3, token, &flag));
    CHECK(flag == 1);
    GIVES(LYGER_STATUS_OK, lyger_lock_extend(0, "job", 3, token, 1, &flag));
    CHECK(flag == 0);
    GIVES(LYGER_STATUS_OK, lyger_rate_count(0, "r", 1, UINT64_MAX, &number, &other));
    GIVES(LYGER_STATUS_OK, lyger_rate_reset(0, "r", 1));
    GIVES(LYGER_STATUS_OK, lyger_rate_read(0, "r", 1, &number, &other));
    CHECK(number == 0 && other == 0);
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_flight_take_off(0, "f", 1, 60000, &token, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_flight_take_off(0, "f", 1, 60000, &number, buf, sizeof buf, &needed));
    CHECK(token > 0 && number == 0);
    GIVES(LYGER_STATUS_OK, lyger_flight_land(0, "f", 1, token + 1, "v", 1, 0, 0, &flag));
    CHECK(flag == 0);
    GIVES(LYGER_STATUS_OK, lyger_flight_abandon(0, "f", 1, token));
    GIVES(LYGER_STATUS_OK, lyger_flight_land(0, "f", 1, token, "v", 1, 0, 0, &flag));
    CHECK(flag == 0);
    GIVES(LYGER_STATUS_OK, lyger_store_clear(0));
}
