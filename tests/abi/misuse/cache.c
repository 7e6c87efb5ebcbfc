/* The cache; bytes_max is 1,000 by now. */
#include <stdlib.h>

#include "check.h"

void misuse_cache(void) {
    size_t needed = 7;
    char buf[8] = {0};
    uint64_t count = 7;
    char *value;
    char *key = malloc(65538);
    memset(key, 'k', 65537);
    key[65537] = 0;

    lyger_cache_set(NULL, "v");
    CHECK(last_status() == LYGER_STATUS_NULL_POINTER);
    lyger_cache_set("k", NULL);
    CHECK(last_status() == LYGER_STATUS_NULL_POINTER);
    lyger_cache_set(key, "v");
    CHECK(last_status() == LYGER_STATUS_TOO_LONG);
    lyger_cache_set("k", key);
    CHECK(last_status() == LYGER_STATUS_CACHE_VALUE_TOO_LARGE);
    lyger_cache_set("not utf-8: \xff", "\xfe");
    CHECK(last_status() == LYGER_STATUS_OK);
    LEAVES(LYGER_STATUS_NULL_POINTER, lyger_cache_get(NULL) == NULL);
    LEAVES(LYGER_STATUS_TOO_LONG, lyger_cache_get(key) == NULL);
    LEAVES(LYGER_STATUS_NOT_FOUND, (value = lyger_cache_get("missing")) && !*value);
    lyger_free_string(value);
    LEAVES(LYGER_STATUS_OK, (value = lyger_cache_get("not utf-8: \xff")) && !strcmp(value, "\xfe"));
    lyger_free_string(value);
    lyger_cache_delete(NULL);
    CHECK(last_status() == LYGER_STATUS_NULL_POINTER);
    lyger_cache_delete(key);
    CHECK(last_status() == LYGER_STATUS_TOO_LONG);
    lyger_cache_delete("missing");
    CHECK(last_status() == LYGER_STATUS_OK);
    LEAVES(LYGER_STATUS_OK, lyger_cache_size() == 1);
    lyger_cache_clear();
    LEAVES(LYGER_STATUS_OK, lyger_cache_size() == 0);

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_cache_store(NULL, 1, "v", 1));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_cache_store("k", 1, NULL, 1));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_cache_store(NOWHERE, 65537, "v", 1));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_cache_store("k", 1, NOWHERE, SIZE_MAX));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_cache_store("k", 1, NOWHERE, (1u << 30) + 1));
    GIVES(LYGER_STATUS_CACHE_VALUE_TOO_LARGE, lyger_cache_store("k", 1, key, 2000));
    GIVES(LYGER_STATUS_OK, lyger_cache_store(NULL, 0, NULL, 0));
    GIVES(LYGER_STATUS_OK, lyger_cache_store("a\0b", 3, "c\0d", 3));
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_cache_fetch("a", 1, buf, sizeof buf, &needed));
    CHECK(needed == 0);
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_cache_fetch("a\0b", 3, buf, 2, &needed));
    CHECK(needed == 3 && buf[0] == 0);
    GIVES(LYGER_STATUS_OK, lyger_cache_fetch("a\0b", 3, buf, sizeof buf, &needed));
    WROTE(buf, needed, "c\0d");
    GIVES(LYGER_STATUS_OK, lyger_cache_fetch(NULL, 0, NULL, 0, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_cache_fetch("k", 1, buf, sizeof buf, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_cache_fetch("k", 1, NULL, 1, &needed));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_cache_fetch(NULL, 1, buf, sizeof buf, &needed));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_cache_fetch(NOWHERE, SIZE_MAX, buf, sizeof buf, &needed));

    /* A key whose value has a NUL can't be a C string. */
    GIVES(LYGER_STATUS_OK, lyger_cache_store("nul", 3, "c\0d", 3));
    LEAVES(LYGER_STATUS_INVALID_ARGUMENT, lyger_cache_get("nul") == NULL);

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_cache_remove(NULL, 1));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_cache_remove(NOWHERE, 65537));
    GIVES(LYGER_STATUS_OK, lyger_cache_remove("nul", 3));
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_cache_remove("nul", 3));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_cache_count(NULL));
    GIVES(LYGER_STATUS_OK, lyger_cache_count(&count));
    CHECK(count == 2);
    GIVES(LYGER_STATUS_OK, lyger_cache_purge());
    free(key);
}
