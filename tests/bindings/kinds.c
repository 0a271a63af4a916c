/* Kinds of events and the first screen: kinds MODEL PLAIN prints the names of the kinds.
 * MODEL has three kinds or more and a start vector, PLAIN has neither. */
#include <string.h>

#include "check.h"

/* The last message has the names of all kinds. */
static void lists_kinds(int line, recgrela_model model, uint8_t num_kinds) {
    char name[256];
    size_t size;
    for (uint8_t kind = 0; kind < num_kinds; kind++) {
        OK(recgrela_model_kind_name(model, kind, name, sizeof name, &size, NULL));
        if (!strstr(error.message, name)) fail(__FILE__, line, "the message does not list the kinds");
    }
}

static uint8_t names(recgrela_model model) {
    uint8_t num_kinds, kind;
    char name[256];
    size_t size, required;

    OK(recgrela_model_num_kinds(model, &num_kinds, &error));
    TRUE(num_kinds >= 3);
    for (uint8_t i = 0; i < num_kinds; i++) {
        OK(recgrela_model_kind_name(model, i, name, sizeof name, &size, &error));
        TRUE(size == strlen(name) + 1);
        EXPECT(RECGRELA_STATUS_BUFFER_TOO_SMALL,
               recgrela_model_kind_name(model, i, name, size - 1, &required, &error));
        TRUE(required == size);
        OK(recgrela_model_kind(model, name, &kind, &error));
        TRUE(kind == i);
        puts(name);
    }
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_model_kind_name(model, num_kinds, name, sizeof name, &size, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_kind(model, NULL, &kind, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_kind(model, "no such", &kind, &error));
    lists_kinds(__LINE__, model, num_kinds);
    return num_kinds;
}

/* An event without its kind, or of an unknown one, is refused and changes nothing. */
static void refused(recgrela_model model, uint8_t num_kinds) {
    recgrela_session session;
    recgrela_scored best[5];
    const uint32_t items[] = {1, 2};
    const uint8_t unknown[] = {0, num_kinds};
    uint64_t events;
    size_t count;

    OK(recgrela_session_new(model, &session, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_append(session, 1, NULL, NULL, &error));
    lists_kinds(__LINE__, model, num_kinds);
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_append(session, 1, &num_kinds, NULL, &error));
    lists_kinds(__LINE__, model, num_kinds);
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_extend(session, items, NULL, NULL, 2, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_extend(session, items, unknown, NULL, 2, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_peek(session, items, NULL, NULL, 2, NULL, best, 5, &count, &error));
    OK(recgrela_session_events(session, &events, &error));
    TRUE(events == 0);
    OK(recgrela_session_free(session, &error));
}

/* One at a time, several at once, in a peek and in steps, events of kinds give the same list. */
static void events(recgrela_model model) {
    recgrela_session one, many, other, steps;
    recgrela_scored best[4][5];
    const uint32_t items[] = {1, 2};
    const uint8_t kinds[] = {2, 0};
    size_t count;

    OK(recgrela_session_new(model, &one, &error));
    OK(recgrela_session_new(model, &many, &error));
    OK(recgrela_session_new(model, &other, &error));
    OK(recgrela_session_new(model, &steps, &error));
    OK(recgrela_session_peek(many, items, kinds, NULL, 2, NULL, best[2], 5, &count, &error));
    for (int i = 0; i < 2; i++) OK(recgrela_session_append(one, items[i], &kinds[i], NULL, &error));
    OK(recgrela_session_extend(many, items, kinds, NULL, 2, &error));
    OK(recgrela_session_top_k(one, NULL, best[0], 5, &count, &error));
    TRUE(count == 5);
    OK(recgrela_session_top_k(many, NULL, best[1], 5, &count, &error));
    TRUE(!memcmp(best[0], best[1], sizeof best[0]));
    TRUE(!memcmp(best[0], best[2], sizeof best[0]));
    for (int i = 0; i < 2; i++) {
        OK(recgrela_session_step(steps, items[i], &kinds[i], NULL, NULL, best[3], 5, &count,
                                 &error));
    }
    TRUE(count == 5 && !memcmp(best[0], best[3], sizeof best[0]));

    for (int i = 0; i < 2; i++) {
        OK(recgrela_session_append(other, items[i], &(uint8_t){1}, NULL, &error));
    }
    OK(recgrela_session_top_k(other, NULL, best[1], 5, &count, &error));
    TRUE(memcmp(best[0], best[1], sizeof best[0]));
    OK(recgrela_session_free(one, &error));
    OK(recgrela_session_free(many, &error));
    OK(recgrela_session_free(other, &error));
    OK(recgrela_session_free(steps, &error));
}

/* A session answers before its first event; filters apply. */
static void first_screen(recgrela_model model) {
    recgrela_session session;
    recgrela_scored best[2];
    bool has_start;
    float score;
    size_t count;

    OK(recgrela_model_has_start(model, &has_start, &error));
    TRUE(has_start);
    OK(recgrela_session_new(model, &session, &error));
    OK(recgrela_session_top_k(session, NULL, best, 2, &count, &error));
    TRUE(count == 2);
    const uint32_t first = best[0].item, second = best[1].item;
    OK(recgrela_session_score(session, &first, 1, &score, &error));
    TRUE(score == best[0].score);
    const recgrela_filter filter = {.deny = &first, .deny_count = 1};
    OK(recgrela_session_top_k(session, &filter, best, 1, &count, &error));
    TRUE(count == 1 && best[0].item == second);
    OK(recgrela_session_free(session, &error));
}

static void plain(recgrela_model model) {
    recgrela_session session;
    const uint32_t item = 1;
    uint8_t kind = 0, num_kinds;
    bool has_start;

    OK(recgrela_model_num_kinds(model, &num_kinds, &error));
    OK(recgrela_model_has_start(model, &has_start, &error));
    TRUE(num_kinds == 0 && !has_start);
    OK(recgrela_session_new(model, &session, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT, recgrela_model_kind(model, "view", &kind, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_append(session, item, &kind, NULL, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_extend(session, &item, &kind, NULL, 1, &error));
    OK(recgrela_session_extend(session, &item, NULL, NULL, 1, &error));
    OK(recgrela_session_free(session, &error));
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    recgrela_model model;
    OK(recgrela_model_open(argv[1], &model, &error));
    const uint8_t num_kinds = names(model);
    refused(model, num_kinds);
    events(model);
    first_screen(model);
    OK(recgrela_model_free(model, &error));
    OK(recgrela_model_open(argv[2], &model, &error));
    plain(model);
    OK(recgrela_model_free(model, &error));
    return 0;
}
