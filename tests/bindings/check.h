/* Checks of the test programs: the first one that fails ends the program with its line. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include <recgrela.h>

static recgrela_error error;

static void fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: %s: status %d, %s\n", file, line, what, (int)error.status, error.message);
    exit(1);
}

#define EXPECT(expected, call) \
    if ((call) != (expected)) fail(__FILE__, __LINE__, #call)
#define OK(call) EXPECT(RECGRELA_STATUS_OK, call)
#define TRUE(what) \
    if (!(what)) fail(__FILE__, __LINE__, #what)
