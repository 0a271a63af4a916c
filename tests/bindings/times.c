/* Times of events: times MODEL PLAIN, where MODEL uses times and has kinds, and PLAIN has neither. */
#include <string.h>

#include "check.h"

#define EVENTS 3

static const uint32_t items[EVENTS] = {1, 2, 1};
static const uint8_t kinds[EVENTS] = {0, 1, 0};
static const int64_t times[EVENTS] = {1764500000, 1764500060, 1764500010}; /* the last one is late */

static recgrela_session started(recgrela_model model) {
    recgrela_session session;
    OK(recgrela_session_new(model, &session, &error));
    OK(recgrela_session_keep_log(session, 10, &error));
    return session;
}

static recgrela_scored best_of(recgrela_session session) {
    recgrela_scored best;
    size_t count;
    OK(recgrela_session_top_k(session, NULL, &best, 1, &count, &error));
    return best;
}

static bool equal(recgrela_scored a, recgrela_scored b) {
    return a.item == b.item && a.score == b.score;
}

/* Each way to append gives the same list, and other times another score. */
static void same(recgrela_model model) {
    const int64_t later[EVENTS] = {1764500000, 1764500060, 1795500000};
    const recgrela_session one = started(model), many = started(model), other = started(model);
    const recgrela_session steps = started(model);
    recgrela_scored best, ahead;
    size_t count;

    OK(recgrela_session_peek(many, items, kinds, times, EVENTS, NULL, &ahead, 1, &count, &error));
    for (int i = 0; i < EVENTS; i++) {
        OK(recgrela_session_append(one, items[i], &kinds[i], &times[i], &error));
        OK(recgrela_session_step(steps, items[i], &kinds[i], &times[i], NULL, &best, 1, &count,
                                 &error));
    }
    OK(recgrela_session_extend(many, items, kinds, times, EVENTS, &error));
    OK(recgrela_session_extend(other, items, kinds, later, EVENTS, &error));
    TRUE(equal(best, best_of(one)) && equal(best, best_of(many)) && equal(best, ahead));
    TRUE(!equal(best, best_of(other)));
    OK(recgrela_session_free(one, &error));
    OK(recgrela_session_free(many, &error));
    OK(recgrela_session_free(other, &error));
    OK(recgrela_session_free(steps, &error));
}

/* The log has the times, and a history migrates with them. */
static void logged(recgrela_model model) {
    const recgrela_session session = started(model);
    recgrela_session moved;
    uint8_t snapshot[65536], found_kinds[EVENTS];
    uint32_t found[EVENTS];
    int64_t found_times[EVENTS];
    size_t size, count;

    OK(recgrela_session_extend(session, items, kinds, times, EVENTS, &error));
    OK(recgrela_session_log(session, found, found_kinds, found_times, EVENTS, &count, &error));
    TRUE(count == EVENTS && !memcmp(found_times, times, sizeof times));
    OK(recgrela_session_snapshot(session, snapshot, sizeof snapshot, &size, &error));
    OK(recgrela_session_migrate(model, snapshot, size, found, found_kinds, found_times, count,
                                &moved, &error));
    TRUE(equal(best_of(moved), best_of(session)));
    OK(recgrela_session_free(moved, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_migrate(model, snapshot, size, found, found_kinds, NULL, count, &moved,
                                    &error));
    OK(recgrela_session_free(session, &error));
}

/* A missing time, or one too many, is refused and changes nothing. */
static void refused(recgrela_model model, recgrela_model plain) {
    const recgrela_session session = started(model), without = started(plain);
    uint64_t events;
    size_t count;

    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_append(session, 1, &kinds[0], NULL, &error));
    TRUE(strstr(error.message, "pass the time of each event"));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_extend(session, items, kinds, NULL, EVENTS, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_append(without, 1, NULL, &times[0], &error));
    TRUE(strstr(error.message, "this model does not use times"));
    OK(recgrela_session_append(without, 1, NULL, NULL, &error));
    EXPECT(RECGRELA_STATUS_INVALID_ARGUMENT,
           recgrela_session_log(without, (uint32_t[1]){0}, NULL, (int64_t[1]){0}, 1, &count, &error));
    OK(recgrela_session_events(session, &events, &error));
    TRUE(events == 0);
    OK(recgrela_session_free(session, &error));
    OK(recgrela_session_free(without, &error));
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    recgrela_model model, plain;
    bool uses_times, plain_does;
    OK(recgrela_model_open(argv[1], &model, &error));
    OK(recgrela_model_open(argv[2], &plain, &error));
    OK(recgrela_model_uses_times(model, &uses_times, &error));
    OK(recgrela_model_uses_times(plain, &plain_does, &error));
    TRUE(uses_times && !plain_does);
    same(model);
    logged(model);
    refused(model, plain);
    OK(recgrela_model_free(model, &error));
    OK(recgrela_model_free(plain, &error));
    return 0;
}
