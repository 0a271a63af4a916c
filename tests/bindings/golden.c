/* Writes the bytes that tests/golden hashes for a model: golden MODEL < sequences, one per line. */
#include <stdio.h>
#include <stdlib.h>

#include <recgrela.h>

static recgrela_error error;

static void check(recgrela_status status) {
    if (status != RECGRELA_STATUS_OK) {
        fprintf(stderr, "golden: %s\n", error.message);
        exit(1);
    }
}

/* Assumes a little-endian machine. */
static void put(const void *from, size_t size, size_t count) {
    if (fwrite(from, size, count, stdout) != count) {
        exit(1);
    }
}

static void put_list(recgrela_session session, const recgrela_filter *filter, size_t capacity) {
    recgrela_scored *best = calloc(capacity, sizeof *best);
    size_t count;
    check(recgrela_session_top_k(session, filter, best, capacity, &count, &error));
    uint32_t length = (uint32_t)count;
    put(&length, sizeof length, 1);
    put(best, sizeof *best, count);
    free(best);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    recgrela_model model;
    recgrela_session session;
    uint32_t num_items;
    check(recgrela_model_open(argv[1], &model, &error));
    check(recgrela_model_num_items(model, &num_items, &error));
    check(recgrela_session_new(model, &session, &error));
    uint32_t *items = calloc(num_items, sizeof *items);
    float *scores = calloc(num_items, sizeof *scores);
    for (uint32_t item = 0; item < num_items; item++) {
        items[item] = item;
    }

    const recgrela_filter every = {.exclude_seen = false};
    uint32_t event;
    char after;
    while (scanf("%u%c", &event, &after) == 2) {
        check(recgrela_session_append(session, event, &error));
        check(recgrela_session_score(session, items, num_items, scores, &error));
        put(scores, sizeof *scores, num_items);
        put_list(session, NULL, 10);
        put_list(session, &every, num_items);
        if (after == '\n') {
            check(recgrela_session_reset(session, &error));
        }
    }

    free(scores);
    free(items);
    check(recgrela_session_free(session, &error));
    check(recgrela_model_free(model, &error));
    return 0;
}
