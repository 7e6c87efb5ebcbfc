/* A clock that differs from this machine's by LYGER_CLOCK_SECONDS, for a server that is started with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t difference(void) {
    const char *seconds = getenv("LYGER_CLOCK_SECONDS");
    return seconds == NULL ? 0 : strtol(seconds, NULL, 10);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int (*machine)(struct timeval *, void *) = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int code = machine(now, zone);
    if (code == 0) now->tv_sec += difference();
    return code;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*machine)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int code = machine(clock, now);
    if (code == 0 && clock == CLOCK_REALTIME) now->tv_sec += difference();
    return code;
}

time_t time(time_t *place) {
    struct timeval now;
    gettimeofday(&now, NULL);
    if (place != NULL) *place = now.tv_sec;
    return now.tv_sec;
}
