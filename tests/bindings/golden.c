/* Writes the bytes that tests/golden hashes for a model: golden MODEL < sequences, one per line.
 * An event is ITEM, with :KIND in a model with kinds, and with @TIME in one that uses times. */
#include <inttypes.h>
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

static void put_answers(recgrela_session session, const uint32_t *items, uint32_t num_items) {
    const recgrela_filter every = {.exclude_seen = false};
    float *scores = calloc(num_items, sizeof *scores);
    check(recgrela_session_score(session, items, num_items, scores, &error));
    put(scores, sizeof *scores, num_items);
    put_list(session, NULL, 10);
    put_list(session, &every, num_items);
    free(scores);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    recgrela_model model;
    recgrela_session session;
    uint32_t num_items;
    bool has_start;
    check(recgrela_model_open(argv[1], &model, &error));
    check(recgrela_model_num_items(model, &num_items, &error));
    check(recgrela_model_has_start(model, &has_start, &error));
    check(recgrela_session_new(model, &session, &error));
    uint32_t *items = calloc(num_items, sizeof *items);
    for (uint32_t item = 0; item < num_items; item++) {
        items[item] = item;
    }

    uint32_t item;
    uint8_t kind;
    int64_t time;
    char after, before = '\n';
    while (scanf("%" SCNu32 "%c", &item, &after) == 2) {
        if (has_start && before == '\n') {
            put_answers(session, items, num_items);
        }
        const bool has_kind = after == ':';
        if (has_kind && scanf("%" SCNu8 "%c", &kind, &after) != 2) return 2;
        const bool has_time = after == '@';
        if (has_time && scanf("%" SCNd64 "%c", &time, &after) != 2) return 2;
        check(recgrela_session_append(session, item, has_kind ? &kind : NULL,
                                      has_time ? &time : NULL, &error));
        put_answers(session, items, num_items);
        if (after == '\n') {
            check(recgrela_session_reset(session, &error));
        }
        before = after;
    }

    free(items);
    check(recgrela_session_free(session, &error));
    check(recgrela_model_free(model, &error));
    return 0;
}
