/* What the parts of the program share: a check that counts, and the last error. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lyger.h"

extern int checks, failures;

#define CHECK(condition)                                                             \
    do {                                                                             \
        checks++;                                                                    \
        if (!(condition)) {                                                          \
            failures++;                                                              \
            fprintf(stderr, "%s:%d: %s\n    last error: %s\n", __FILE__, __LINE__, #condition, last_error()); \
        }                                                                            \
    } while (0)

/* The call's status, and the same in the last error. */
#define GIVES(status, call) CHECK((call) == (status) && last_status() == (status))

/* For a seed's function, which returns no status: `call` is a condition on what it returns. */
#define LEAVES(status, call) CHECK((call) && last_status() == (status))

/* What an output function wrote, bytes and length. */
#define WROTE(buf, needed, literal) CHECK((needed) == sizeof(literal) - 1 && !memcmp(buf, literal, sizeof(literal) - 1))

/* An address that is no memory: whoever follows it crashes. */
#define NOWHERE ((char *)16)

/* A call on this database that wants no rows written. */
#define CALL(dsn_) ((lyger_call){.size = sizeof(lyger_call), .dsn = (dsn_), .dsn_len = strlen(dsn_), .needed = 7, .id = 7})

/* The functions that take a call and a statement. */
typedef int32_t (*statement)(lyger_call *, const char *, size_t, const char *, size_t);

/* What each of them says to what is no call, or none of theirs. */
void misuse_call(statement function);

const char *last_error(void);
int32_t last_status(void);

void misuse_fleet(void);
void misuse_engine(void);
void misuse_vectors(void);
void misuse_strings(void);
void misuse_cache(void);
void misuse_store(void);
void misuse_sql(void);
void misuse_clients(void);
void misuse_operations(void);
void misuse_results(void);
void misuse_threads(void);
void misuse_server(void);
void misuse_resp(void);
void misuse_graph(void);
void misuse_index(void);
void misuse_fork(void);

#endif
