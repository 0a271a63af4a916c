/* Recommends items after some events:
 *
 *     cc recommend.c $(pkg-config --cflags --libs recgrela) -o recommend
 *     ./recommend model.safetensors 50 172 181
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <recgrela.h>

static recgrela_error error;

/* Exits with the message of a failed call. */
static void check(recgrela_status status) {
    if (status != RECGRELA_STATUS_OK) {
        fprintf(stderr, "recommend: %s\n", error.message);
        exit(1);
    }
}

static uint32_t find(recgrela_model model, const char *id) {
    bool text;
    uint32_t item;
    check(recgrela_model_has_text_ids(model, &text, &error));
    if (text) {
        check(recgrela_model_index_of_text(model, id, &item, &error));
    } else {
        check(recgrela_model_index_of_int(model, strtoll(id, NULL, 10), &item, &error));
    }
    return item;
}

static void print(recgrela_model model, recgrela_scored best) {
    bool text;
    check(recgrela_model_has_text_ids(model, &text, &error));
    if (text) {
        char id[256];
        size_t size;
        check(recgrela_model_text_id(model, best.item, id, sizeof id, &size, &error));
        printf("%s  %f\n", id, best.score);
    } else {
        int64_t id;
        check(recgrela_model_int_id(model, best.item, &id, &error));
        printf("%" PRId64 "  %f\n", id, best.score);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s MODEL ITEM...\n", argv[0]);
        return 2;
    }
    recgrela_model model;
    recgrela_session session;
    check(recgrela_model_open(argv[1], &model, &error));
    check(recgrela_session_new(model, &session, &error));
    for (int i = 2; i < argc; i++) {
        check(recgrela_session_append(session, find(model, argv[i]), NULL, NULL, &error));
    }

    recgrela_scored best[10];
    size_t count;
    /* seen items are excluded */
    check(recgrela_session_top_k(session, NULL, best, 10, &count, &error));
    for (size_t i = 0; i < count; i++) {
        print(model, best[i]);
    }

    check(recgrela_session_free(session, &error));
    check(recgrela_model_free(model, &error));
    return 0;
}
