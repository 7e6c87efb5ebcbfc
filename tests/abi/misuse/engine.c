/* The engine as a whole: settings, information, release; and the strings that the seeds' functions issue. */
#include <math.h>
#include <stdlib.h>

#include "check.h"

static int32_t configure(const char *json) {
    return lyger_engine_configure(json, strlen(json));
}

void misuse_engine(void) {
    size_t needed = 7;
    char info[4096];

    GIVES(LYGER_STATUS_OK, lyger_engine_check());
    setenv("LYGER_DB_CONNECTIONS_MAX", "many", 1);
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_engine_check());
    CHECK(strstr(last_error(), "LYGER_DB_CONNECTIONS_MAX") && strstr(last_error(), "many"));
    unsetenv("LYGER_DB_CONNECTIONS_MAX");

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_engine_configure(NULL, 1));
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_engine_configure(NULL, 0));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_engine_configure(NOWHERE, (1 << 20) + 1));
    GIVES(LYGER_STATUS_TOO_LONG, lyger_engine_configure(NOWHERE, SIZE_MAX));
    GIVES(LYGER_STATUS_INVALID_CONFIG, configure("\xff\xfe"));
    GIVES(LYGER_STATUS_INVALID_CONFIG, lyger_engine_configure("{}\0{}", 5));
    GIVES(LYGER_STATUS_INVALID_CONFIG, configure("{\"db\":{\"conections_max\":1}}"));
    CHECK(strstr(last_error(), "db.conections_max"));
    GIVES(LYGER_STATUS_OK, configure("{}"));

    CHECK(isnan(lyger_heavy_computation(UINT64_MAX)));
    LEAVES(LYGER_STATUS_OK, lyger_heavy_computation(0) == 0.0);

    GIVES(LYGER_STATUS_NULL_POINTER, lyger_engine_info(info, sizeof info, NULL));
    GIVES(LYGER_STATUS_NULL_POINTER, lyger_engine_info(NULL, sizeof info, &needed));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_engine_info(NULL, 0, &needed));
    GIVES(LYGER_STATUS_BUFFER_TOO_SMALL, lyger_engine_info(info, needed - 1, &needed));
    GIVES(LYGER_STATUS_OK, lyger_engine_info(info, needed, &needed));
    CHECK(info[0] == '{' && info[needed - 1] == '}');

    lyger_free_engine(NOWHERE);
    CHECK(last_status() == LYGER_STATUS_INVALID_ARGUMENT);
    lyger_free_engine(NULL);
    lyger_free_engine(NULL);
    CHECK(last_status() == LYGER_STATUS_OK);
    GIVES(LYGER_STATUS_OK, lyger_engine_release());

    /* What is in use can't be changed without a release. */
    GIVES(LYGER_STATUS_OK, lyger_cache_store("k", 1, "v", 1));
    GIVES(LYGER_STATUS_INVALID_CONFIG, configure("{\"cache\":{\"bytes_max\":1000}}"));
    CHECK(strstr(last_error(), "cache.bytes_max"));
    GIVES(LYGER_STATUS_OK, lyger_engine_release());
    GIVES(LYGER_STATUS_OK, configure("{\"cache\":{\"bytes_max\":1000}}"));
    GIVES(LYGER_STATUS_NOT_FOUND, lyger_cache_remove("k", 1));
}

void misuse_strings(void) {
    char local[] = "mine";
    char *hello = lyger_hello_world();
    char *info = lyger_system_info();
    CHECK(strcmp(hello, "Hello from Rust! \xf0\x9f\xa6\x80") == 0);
    CHECK(strstr(info, "\"framework\":\"Lyger v0.1\""));

    lyger_free_string(hello + 1);
    CHECK(last_status() == LYGER_STATUS_INVALID_ARGUMENT);
    lyger_free_string(local);
    CHECK(last_status() == LYGER_STATUS_INVALID_ARGUMENT);
    lyger_free_string(NOWHERE);
    CHECK(last_status() == LYGER_STATUS_INVALID_ARGUMENT);
    lyger_free_string(NULL);
    CHECK(last_status() == LYGER_STATUS_OK);
    lyger_free_string(hello);
    CHECK(last_status() == LYGER_STATUS_OK);
    lyger_free_string(hello);
    CHECK(last_status() == LYGER_STATUS_INVALID_ARGUMENT);

    /* A release takes no string away. */
    GIVES(LYGER_STATUS_OK, lyger_engine_release());
    CHECK(strstr(info, "\"abi\":1"));
    lyger_free_string(info);
    CHECK(last_status() == LYGER_STATUS_OK);
}
