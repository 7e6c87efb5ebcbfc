/* A store of one value, in C and straight on the header: `plain THREADS`. It counts what the server calls, and says so under the
 * key "counts". It ends when its standard input does. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lyger_resp.h"

static size_t threads;
static atomic_size_t begun;
static atomic_size_t given;
static atomic_size_t taken_back;
static atomic_size_t early;
static _Thread_local int has_begun;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint8_t kept[64];
static size_t kept_len;

void cpp_worker_thread_init(size_t thread_id) {
    if (thread_id >= threads || has_begun) abort();
    /* It runs, for this thread, but it has not started: nobody is told a port, and nobody may start or end it. */
    if (rust_port() != 0 || rust_init(1)) abort();
    rust_stop();
    has_begun = 1;
    atomic_fetch_add(&begun, 1);
}

static bool is(const uint8_t *key, size_t len, const char *word) { return len == strlen(word) && memcmp(key, word, len) == 0; }

static bool give(const void *bytes, size_t len, uint8_t **out_ptr, size_t *out_len) {
    /* One more, so that also an empty one has a pointer of its own. */
    *out_ptr = malloc(len + 1);
    if (*out_ptr == NULL) return false;
    memcpy(*out_ptr, bytes, len);
    *out_len = len;
    atomic_fetch_add(&given, 1);
    return true;
}

bool cpp_execute_request_sync(uint32_t op, const uint8_t *key_ptr, size_t key_len, const uint8_t *val_ptr, size_t val_len,
                              uint8_t **out_ptr, size_t *out_len) {
    if (!has_begun || atomic_load(&begun) != threads) atomic_fetch_add(&early, 1);
    if (op == LYGER_RESP_SET) {
        if (val_len > sizeof kept) return false;
        pthread_mutex_lock(&mutex);
        memcpy(kept, val_ptr, val_len);
        kept_len = val_len;
        pthread_mutex_unlock(&mutex);
        return true;
    }
    if (op != LYGER_RESP_GET) abort();
    if (is(key_ptr, key_len, "missing")) return true;
    if (is(key_ptr, key_len, "empty")) return give("", 0, out_ptr, out_len);
    if (is(key_ptr, key_len, "fails")) {
        /* Nobody is to look at these. */
        *out_ptr = (uint8_t *)1;
        *out_len = 7;
        return false;
    }
    if (is(key_ptr, key_len, "recovers")) {
        rust_fail("of another request", 18);
        return true;
    }
    if (is(key_ptr, key_len, "explains")) {
        rust_fail("it is too late", 14);
        return false;
    }
    if (is(key_ptr, key_len, "counts")) {
        char text[128];
        int len = snprintf(text, sizeof text, "begun %zu early %zu given %zu taken back %zu", atomic_load(&begun),
                           atomic_load(&early), atomic_load(&given), atomic_load(&taken_back));
        return give(text, (size_t)len, out_ptr, out_len);
    }
    pthread_mutex_lock(&mutex);
    bool done = give(kept, kept_len, out_ptr, out_len);
    pthread_mutex_unlock(&mutex);
    return done;
}

void cpp_free_buf(uint8_t *ptr, size_t len) {
    (void)len;
    free(ptr);
    atomic_fetch_add(&taken_back, 1);
}

int main(int count, char **arguments) {
    threads = count > 1 ? strtoul(arguments[1], NULL, 10) : 1;
    if (!rust_init(threads)) return 1;
    if (rust_init(threads)) return 2;
    printf("plain: 127.0.0.1:%u is ready\n", (unsigned)rust_port());
    fflush(stdout);
    while (getchar() != EOF) {
    }
    rust_stop();
    if (rust_port() != 0) return 3;
    return atomic_load(&given) == atomic_load(&taken_back) ? 0 : 4;
}
